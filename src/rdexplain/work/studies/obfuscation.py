"""Table 1 and figures 7, 19 to 21: noise that is scaled differently at each wavelet scale."""

from __future__ import annotations

import numpy as np

from rdexplain.evaluation.statistics import compared, interval
from rdexplain.work.studies import figures
from rdexplain.work.studies.curves import note_of, title_of
from rdexplain.work.studies.panel_findings import panel_findings
from rdexplain.work.studies.plan import Known, Plan
from rdexplain.work.studies.protocol import mask_options, mask_unit
from rdexplain.work.studies.published import TABLE_1, improvement
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Row, Unit
from rdexplain.work.studies.verdict import judge, together, untestable, words

SCALINGS = ("original", "linear", "exponential", "inverse_linear")
TITLES = ("Original", "Linear", "Exponential", "Inverse linear")
PHOTOS, SHOWN = 100, 3
SPARSITY, STEPS, DRAWS = 20.0, 2000, 64
PAGES = ("figure-7", "figure-19", "figure-20", "figure-21")


def unit_of(plan: Plan, photo: Known, scaling: str) -> Unit:
    """A mask under a noise scaling, measured under that and under the common, unscaled noise."""
    options = mask_options(plan, SPARSITY, STEPS, DRAWS, noise_scaling=scaling)
    return mask_unit(plan, photo, plan.model, "cartoonx", options, common=True)


def _units(plan: Plan) -> list[Unit]:
    return [unit_of(plan, photo, scaling) for photo in plan.first(PHOTOS) for scaling in SCALINGS]


def numbers(plan: Plan, results: Results, measure: str) -> dict[str, list[float]]:
    """The distortions by scaling, of the photos that have results under all scalings."""
    found: dict[str, list[float]] = {scaling: [] for scaling in SCALINGS}
    for photo in plan.first(PHOTOS):
        rows = [results.of(unit_of(plan, photo, scaling)) for scaling in SCALINGS]
        if all(row is not None for row in rows):
            for scaling, row in zip(SCALINGS, rows, strict=True):
                found[scaling].append(float(row["rows"][0][measure]))  # type: ignore[index]
    return found


def _table_1(plan: Plan, results: Results) -> Findings:
    findings = Findings()
    measures = {"own noise": "last_distortion" if plan.published else "distortion", "common noise": "common_distortion"}
    found = {kind: numbers(plan, results, measure) for kind, measure in measures.items()}
    count = len(found["own noise"]["original"])
    if not count:
        findings.verdicts.append(untestable(TABLE.claim, "", "no photo could be explained"))
        return findings
    scaled = plan.scaled(count, PHOTOS)
    lines = []
    for place, (kind, values) in enumerate(found.items()):
        family = []
        points = [interval(values[scaling], seed=plan.seed) for scaling in SCALINGS]
        lines.append(figures.Line(kind, place, "none", figures.beside(range(len(SCALINGS)), place), points))
        for scaling, point in zip(SCALINGS, points, strict=True):
            ratios, means = improvement(values["original"], values[scaling])
            spread = float(np.std(values[scaling], ddof=1)) if count > 1 else float("nan")
            row: Row = {"noise": kind, "scaling": scaling, **point._asdict(), "sd": spread}
            row |= {"improvement_of_ratios": ratios, "improvement_of_means": means}
            published = TABLE_1[scaling] if kind == "own noise" else (None, None)
            findings.rows.append(row | {"published_mean": published[0], "published_sd": published[1]})
            if scaling == "original":
                continue
            gains = [b - a for a, b in zip(values["original"], values[scaling], strict=True)]
            change = compared(gains, seed=plan.seed)
            text = f"{words(points[0])} to {words(point)}, change {words(change)}; "
            text += f"{_more_or_less(ratios)}, mean over photos"
            known = f"{TABLE_1['original'][0]:.5f} to {TABLE_1[scaling][0]:.6f}" if kind == "own noise" else ""
            claim = f"{scaling.replace('_', ' ').capitalize()} scaling distorts less, measured under its {kind}"
            claim = claim.replace("its common", "one common")
            family.append(judge(claim, known, text, change, scaled))
        findings.verdicts += together(family)
    known_points = [interval([TABLE_1[scaling][0]]) for scaling in SCALINGS]
    lines.append(figures.Line("published, own noise", 6, "none", figures.beside(range(len(SCALINGS)), 2), known_points))
    title = title_of("Table 1: distortion by noise scaling", scaled, count)
    drawn = figures.lines_figure([("distortion", lines)], "scaling of the noise's spread", TITLES)
    findings.figures[""] = figures.stamp(drawn, title, note_of(plan, scaled))
    return findings


def _more_or_less(ratio: float) -> str:
    """A relative decrease of the distortion, in words."""
    return f"{abs(ratio):.1%} {'less' if ratio >= 0 else 'more'}"


def shown(plan: Plan, page: int) -> tuple[Known, ...]:
    """The photos of one of the four figures. Where a plan is scaled down, table 1's photos are divided among them."""
    most = plan.scale.photos
    count = SHOWN if most is None else min(SHOWN, max(1, most // len(PAGES)))
    return plan.photos[count * page : count * (page + 1)]


def _figure(name: str, page: int) -> Recipe:

    def units(plan: Plan) -> list[Unit]:
        return [unit_of(plan, photo, scaling) for photo in shown(plan, page) for scaling in SCALINGS]

    def conclude(plan: Plan, results: Results) -> Findings:
        rows = [[unit_of(plan, photo, scaling) for scaling in SCALINGS] for photo in shown(plan, page)]
        return panel_findings(plan, results, name, "noise scalings", CLAIM, TITLES, rows, SHOWN)

    return Recipe(name, "pictures under the four noise scalings", CLAIM, SHOWN, units, conclude, "noise")


CLAIM = "Scaled noise gives the same picture with less distortion."
TABLE = Recipe(
    "table-1",
    "distortion under four noise scalings, each under its own noise and all under one",
    "All three scalings distort less than the original noise (by 46.92, 32.76 and 36.34 %).",
    PHOTOS,
    _units,
    _table_1,
    "noise",
)
FIGURES = tuple(_figure(name, page) for page, name in enumerate(PAGES))

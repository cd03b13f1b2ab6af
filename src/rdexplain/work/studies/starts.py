"""StartGrad: whether masks that start from the ranks of the gradient retain more after the same number of steps."""

from __future__ import annotations

from rdexplain.render.words import method_title
from rdexplain.work.studies import figures
from rdexplain.work.studies.curves import difference, note_of, title_of
from rdexplain.work.studies.plan import Plan
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Unit
from rdexplain.work.studies.scored import mean, numbers, published_options, scored_unit
from rdexplain.work.studies.verdict import judge, together, untestable, words

METHODS = ("pixel_rde", "waveletx", "shearletx")
OURS = "gradient"
STARTS = {"ones": "all ones", "random": "uniform", OURS: "gradient"}
PHOTOS = 100
PUBLISHED = {"pixel_rde": (0.330, 0.537), "waveletx": (0.637, 0.895), "shearletx": (0.893, 0.948)}
"""Mean retained probability of ResNet-18 at the last of 300 steps, from all ones and from the gradient."""


def _units(plan: Plan) -> list[Unit]:
    return [
        scored_unit(plan, photo, method, published_options(plan, method) | {"init": start}, ())
        for photo in plan.first(PHOTOS)
        for method in METHODS
        for start in STARTS
    ]


def _key(unit: Unit) -> str:
    return f"{unit.method}, {unit.options['init']}"


def _conclude(plan: Plan, results: Results) -> Findings:
    units, findings = _units(plan), Findings()
    found = numbers(results, units, "retained", _key)
    if not found:
        why = results.reason(units[0]) if units else "there is no photo"
        return Findings(verdicts=[untestable(STARTGRAD.claim, "", why)])
    count = len({photo for values in found.values() for photo in values})
    scaled = plan.scaled(count, PHOTOS)
    lines = []
    for place, (start, title) in enumerate(STARTS.items()):
        there = [method for method in METHODS if found.get(f"{method}, {start}")]
        points = [mean(found[f"{method}, {start}"], plan.seed) for method in there]
        places = figures.beside(map(METHODS.index, there), place)
        lines.append(figures.Line(title, place, "none", places, points))
        findings.rows += [
            {"method": method, "start": start, "measure": "retained", **point._asdict()}
            for method, point in zip(there, points, strict=True)
        ]
    panel = [("retained probability after the last step", lines)]
    drawn = figures.lines_figure(panel, "", [method_title(one) for one in METHODS])
    title = title_of("StartGrad: where the mask starts", scaled, count)
    findings.figures[""] = figures.stamp(drawn, title, note_of(plan, scaled))
    family = []
    for method in METHODS:
        for start in [one for one in STARTS if one != OURS]:
            ours, other = f"{method}, {OURS}", f"{method}, {start}"
            between = difference(found, ours, other, plan.seed)
            shown = [words(mean(found[one], plan.seed)) for one in (ours, other) if found.get(one)]
            text = "" if between is None else f"{' and '.join(shown)}; difference {words(between)}"
            claim = f"{method_title(method)} retains more from the gradient's quantiles than from {STARTS[start]}"
            ones, gradient = PUBLISHED[method]
            known = f"means {gradient:.3f} and {ones:.3f}" if start == "ones" else ""
            family.append(judge(claim, known, text, between, scaled, 1))
    findings.verdicts += together(family)
    return findings


STARTGRAD = Recipe(
    "startgrad",
    "what masks retain from three starts, after equally many steps (StartGrad, ICLR 2025)",
    "A start at the gradient's quantiles beats all ones and uniform numbers after equally many steps.",
    PHOTOS,
    _units,
    _conclude,
    "startgrad",
)

"""Figure 6: distortion and non-sparsity against λk, at three numbers of steps."""

from __future__ import annotations

import numpy as np

from rdexplain.evaluation.statistics import Interval, compared, interval
from rdexplain.render.words import method_title
from rdexplain.work.studies import figures
from rdexplain.work.studies.curves import note_of, title_of
from rdexplain.work.studies.plan import Known, Plan
from rdexplain.work.studies.protocol import mask_unit
from rdexplain.work.studies.published import over_own_norm
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Unit
from rdexplain.work.studies.verdict import Verdict, judge, together, untestable, words

SPARSITIES = (4.0, 8.0, 16.0, 32.0, 64.0)
STEPS = (100, 500, 2000)
METHODS = ("cartoonx", "pixel_rde")
DRAWS = 64
PHOTOS = 24
_DASHES = {100: ":", 500: "--", 2000: "-"}
_MEASURES = ("distortion", "non_sparsity")


def unit_of(plan: Plan, photo: Known, method: str, sparsity: float, steps: int) -> Unit:
    """A mask after so many steps. The published optimiser has no schedule: its longest run holds the shorter ones."""
    if plan.published:
        options = {"preset": "paper", "sparsity": sparsity, "steps": plan.times(max(STEPS), 3)}
        options["draws"] = plan.times(DRAWS, 2)
        return mask_unit(plan, photo, plan.model, method, options, marks=[marks(plan, one) for one in STEPS])
    options = {"preset": "best", "sparsity": sparsity, "steps": marks(plan, steps)}
    return mask_unit(plan, photo, plan.model, method, options)


def marks(plan: Plan, steps: int) -> int:
    """A number of steps, scaled; under the corrected protocol, at least two."""
    return plan.times(steps, 1 if plan.published else 2)


def _units(plan: Plan) -> list[Unit]:
    return [
        unit_of(plan, photo, method, sparsity, steps)
        for photo in plan.first(PHOTOS)
        for method in METHODS
        for sparsity in SPARSITIES
        for steps in (STEPS[-1:] if plan.published else STEPS)
    ]


def value(plan: Plan, results: Results, unit: Unit, measure: str, steps: int) -> float | None:
    """A photo's plotted value: at the last step, or under the published protocol the minimum over all steps so far."""
    return _number(results, unit, f"least_{measure}_{marks(plan, steps)}" if plan.published else measure)


def finished(plan: Plan, results: Results, photo: Known, method: str, measure: str) -> list[float] | None:
    """What verdicts compare: a photo's finished masks on fresh draws, by λk; None where one is missing.

    The minimum over all steps would say nothing: masks start at ones, where the distortion is zero up to rounding.
    """
    units = [unit_of(plan, photo, method, sparsity, STEPS[-1]) for sparsity in SPARSITIES]
    found = [_number(results, unit, measure) for unit in units]
    return None if None in found else [one for one in found if one is not None]


def _number(results: Results, unit: Unit, name: str) -> float | None:
    result = results.of(unit)
    return None if result is None else float(result["rows"][0][name])


def _line(plan: Plan, results: Results, method: str, measure: str, steps: int) -> list[Interval]:
    """A point for each λk; in the published protocol the vector of means divided by its own norm."""
    points = []
    for sparsity in SPARSITIES:
        units = (unit_of(plan, photo, method, sparsity, steps) for photo in plan.first(PHOTOS))
        values = [value(plan, results, unit, measure, steps) for unit in units]
        points.append(interval([one for one in values if one is not None], seed=plan.seed))
    if not plan.published:
        return points
    scaled = over_own_norm([point.mean for point in points])
    nothing = float("nan")
    return [Interval(float(one), nothing, nothing, point.photos) for one, point in zip(scaled, points, strict=True)]


def _conclude(plan: Plan, results: Results) -> Findings:
    findings = Findings()
    count = len({unit.photo.source for unit in _units(plan) if results.of(unit) is not None})
    if not count:
        findings.verdicts.append(untestable(FIGURE_6.claim, "", "no photo could be explained"))
        return findings
    scaled = plan.scaled(count, PHOTOS)
    panels: dict[str, list[figures.Line]] = {measure: [] for measure in _MEASURES}
    for place, method in enumerate(METHODS):
        for steps in STEPS:
            for measure in _MEASURES:
                points = _line(plan, results, method, measure, steps)
                name = f"{method_title(method)}, {marks(plan, steps)} steps"
                panels[measure].append(figures.Line(name, place, _DASHES[steps], SPARSITIES, points))
                findings.rows += [
                    {"method": method, "steps": marks(plan, steps), "measure": measure, "sparsity": x, **p._asdict()}
                    for x, p in zip(SPARSITIES, points, strict=True)
                ]
    how = ", least of all steps, over its own norm" if plan.published else ""
    named = [(f"distortion{how}", panels["distortion"]), (f"non-sparsity{how}", panels["non_sparsity"])]
    title = title_of("Figure 6: distortion and sparsity against λk", scaled, count)
    findings.figures[""] = figures.stamp(figures.lines_figure(named, "λk"), title, note_of(plan, scaled))
    sparser = [_trend(plan, results, method, "non_sparsity", "sparser", -1, scaled) for method in METHODS]
    distorted = [_trend(plan, results, method, "distortion", "more distorted", 1, scaled) for method in METHODS]
    findings.verdicts = together([*sparser, *distorted, _between(plan, results, scaled)])
    return findings


def _trend(
    plan: Plan, results: Results, method: str, measure: str, effect: str, sign: int, scaled: list[str]
) -> Verdict:
    """Whether a photo's value at the largest λk lies below, or above, that at the smallest, after all steps."""
    changes = []
    for photo in plan.first(PHOTOS):
        values = finished(plan, results, photo, method, measure)
        if values is not None:
            changes.append(values[-1] - values[0])
    found = compared(changes, seed=plan.seed) if changes else None
    claim = f"A larger λk makes {method_title(method)} {effect}"
    text = "" if found is None else f"{measure.replace('_', '-')} at λk 64 - at λk 4: {words(found)}"
    return judge(claim, "a figure without numbers", text, found, scaled, sign)


def _between(plan: Plan, results: Results, scaled: list[str]) -> Verdict:
    """Whether CartoonX distorts less than Pixel RDE, mean over λk, after all steps."""
    differences = []
    for photo in plan.first(PHOTOS):
        ours, other = (finished(plan, results, photo, method, "distortion") for method in METHODS)
        if ours is not None and other is not None:
            differences.append(float(np.mean(ours) - np.mean(other)))
    found = compared(differences, seed=plan.seed) if differences else None
    text = "" if found is None else f"mean difference over λk {words(found)}"
    return judge(
        "CartoonX distorts less than Pixel RDE at the same λk", "a figure without numbers", text, found, scaled
    )


FIGURE_6 = Recipe(
    "figure-6",
    "distortion and non-sparsity against λk after 100, 500 and 2000 steps",
    "A larger λk gives sparser masks and more distortion.",
    PHOTOS,
    _units,
    _conclude,
    "figure-6",
)

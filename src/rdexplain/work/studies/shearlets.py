"""ShearletX against CartoonX, WaveletX and pixel masks: conciseness-preciseness, and hallucinated edges."""

from __future__ import annotations

from collections.abc import Sequence

from rdexplain.evaluation.scores import BETTER
from rdexplain.evaluation.statistics import Interval
from rdexplain.render.words import method_title
from rdexplain.work.studies import figures
from rdexplain.work.studies.curves import difference, note_of, title_of
from rdexplain.work.studies.plan import Plan
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Unit
from rdexplain.work.studies.scored import fast_options, mean, numbers, published_options, scored_unit
from rdexplain.work.studies.verdict import Verdict, judge, together, untestable, words

GROUP = "shearletx"
OURS = "shearletx"
METHODS = ("pixel_rde", "smooth_pixel_rde", "cartoonx", "waveletx", OURS)
PHOTOS, SHOWN = 100, 3
SCORES = ("conciseness", "hallucination")
_TITLES = {
    "cp_entropy": "CP-entropy",
    "cp_l1": "CP-l1",
    "cp_l1_pixel": "CP-l1, pixels",
    "hallucination": "hallucination",
}
_SAYS = {"higher": "is more precise per information", "lower": "hallucinates less"}


def _units(plan: Plan) -> list[Unit]:
    options = published_options if plan.published else fast_options
    return [
        scored_unit(plan, photo, name, options(plan, name), SCORES) for photo in plan.first(PHOTOS) for name in METHODS
    ]


def _conclude(plan: Plan, results: Results, name: str, claim: str, columns: Sequence[str]) -> Findings:
    units, findings = _units(plan), Findings()
    done = list(dict.fromkeys(unit.photo.source for unit in units if results.of(unit) is not None))
    if not done:
        return Findings(verdicts=[untestable(claim, "", results.reason(units[0]) if units else "there is no photo")])
    scaled = plan.scaled(len(done), PHOTOS)
    panels = []
    for column in columns:
        found = numbers(results, units, column, lambda unit: unit.method)
        there = [method for method in METHODS if found.get(method)]
        points = [mean(found[method], plan.seed) for method in there]
        if not points:
            findings.verdicts.append(untestable(f"{claim[:-1]} ({_TITLES[column]})", "", "it is defined for no photo"))
            continue
        panels.append((_TITLES[column], [_line([METHODS.index(one) for one in there], points)]))
        findings.rows += [
            {"score": column, "method": method, **point._asdict()} for method, point in zip(there, points, strict=True)
        ]
        findings.verdicts += _verdicts(plan, found, column, scaled)
    named = [method_title(method).replace(" ", "\n") for method in METHODS]
    what = name.partition("-")[2]
    if panels:
        title = title_of(f"ShearletX: {what}", scaled, len(done))
        findings.figures[""] = figures.stamp(figures.lines_figure(panels, "", named), title, note_of(plan, scaled))
    rows = [[unit for unit in units if unit.photo.source == source] for source in done[:SHOWN]]
    drawn = figures.pictures(results, [method_title(one) for one in METHODS], rows, [""] * len(rows))
    findings.figures[".pictures"] = figures.stamp(
        drawn, title_of("ShearletX: the pictures", scaled), note_of(plan, scaled)
    )
    return findings


def _line(places: Sequence[int], points: Sequence[Interval]) -> figures.Line:
    return figures.Line("mean over photos, 95 % interval", 0, "none", places, points)


def _verdicts(plan: Plan, found: dict[str, dict[str, float]], column: str, scaled: Sequence[str]) -> list[Verdict]:
    """Whether ShearletX is better by a score than each of the other methods, photo by photo."""
    verdicts = []
    better = BETTER[column]
    sign = 1 if better == "higher" else -1
    for other in METHODS[:-1]:
        between = difference(found, OURS, other, plan.seed)
        claim = f"ShearletX {_SAYS[better]} than {method_title(other)} ({_TITLES[column]})"
        shown = [words(mean(found[one], plan.seed)) for one in (OURS, other) if found.get(one)]
        text = "" if between is None else f"{' and '.join(shown)}; difference {words(between)}"
        verdicts.append(judge(claim, "a figure without numbers", text, between, scaled, sign))
    return together(verdicts)


def _recipe(name: str, title: str, claim: str, columns: Sequence[str]) -> Recipe:
    return Recipe(
        name, title, claim, PHOTOS, _units, lambda plan, results: _conclude(plan, results, name, claim, columns), GROUP
    )


CONCISENESS = _recipe(
    "shearletx-conciseness",
    "the probability that a picture retains, for the information in it (Kolek et al., CVPR 2023)",
    "ShearletX is more precise per information than CartoonX, WaveletX and masks of pixels.",
    ("cp_entropy", "cp_l1", "cp_l1_pixel"),
)
HALLUCINATION = _recipe(
    "shearletx-hallucination",
    "edges of a picture that the photo does not have (Kolek et al., CVPR 2023)",
    "ShearletX hallucinates less than CartoonX, WaveletX and masks of pixels.",
    ("hallucination",),
)

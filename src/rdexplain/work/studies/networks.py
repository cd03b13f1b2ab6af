"""Figure 10: CartoonX on several networks, as curves and as pictures of one photo."""

from __future__ import annotations

from dataclasses import replace

from rdexplain.evaluation import Evaluation
from rdexplain.evaluation.statistics import interval
from rdexplain.work.studies import figures
from rdexplain.work.studies.curves import (
    PHOTOS,
    areas,
    difference,
    mean_rows,
    note_of,
    over,
    photos_in,
    scaled_of,
    title_of,
)
from rdexplain.work.studies.panel_findings import panel_findings
from rdexplain.work.studies.panels import unit_of
from rdexplain.work.studies.plan import Plan
from rdexplain.work.studies.protocol import curve_unit
from rdexplain.work.studies.published import published_area
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Unit
from rdexplain.work.studies.verdict import Verdict, judge, together, untestable, words
from rdexplain.work.studies.work import evaluation_of

CONTROL = "random_wavelet"


def _curve_units(plan: Plan, name: str, method: str = "cartoonx") -> list[Unit]:
    """The curves of a network, by photo."""
    return [curve_unit(plan, photo, name, method) for photo in plan.first(PHOTOS)]


def _pictures(plan: Plan) -> list[Unit]:
    """One photo's mask on each network."""
    return [unit_of(plan, photo, "cartoonx", name) for photo in plan.first(1) for name in plan.models]


def _units(plan: Plan) -> list[Unit]:
    curves = [_curve_units(plan, name, method) for name in plan.models for method in ("cartoonx", CONTROL)]
    # All networks for one photo, then the next photo: an interrupted run has complete photos.
    return [*_pictures(plan), *(unit for one in zip(*curves, strict=True) for unit in one)]


def _verdict(plan: Plan, results: Results, name: str) -> Verdict:
    """Whether CartoonX's order beats a random one on a network; a control is needed, since keeping everything distorts
    nothing in any order."""
    one = evaluation_of(results, [*_curve_units(plan, name), *_curve_units(plan, name, CONTROL)])
    known = published_area("fig10a", name)
    published = "" if known is None else f"area {known:.3f}"
    claim = f"CartoonX distorts less, kept, than random wavelets, on {name}"
    if not one.curves:
        reason = next(iter(one.not_applicable.values()), "no photo could be evaluated")
        return untestable(claim, published, reason)
    numbers = areas(plan, one, "keep", "l2", "own")
    shown = [interval(list(numbers[method].values()), seed=plan.seed) for method in ("cartoonx", CONTROL)]
    found = difference(numbers, "cartoonx", CONTROL, plan.seed)
    text = f"areas {' and '.join(words(value) for value in shown)}" + (f"; difference {words(found)}" if found else "")
    return judge(claim, published, text, found, scaled_of(plan, photos_in(one)))


def _figure_10(plan: Plan, results: Results) -> Findings:
    findings, found = Findings(), Evaluation()
    for name in plan.models:
        one = evaluation_of(results, _curve_units(plan, name), named=lambda unit: unit.model)
        found = replace(found, curves={**found.curves, **{k: c for k, c in one.curves.items() if k.mode == "keep"}})
    findings.verdicts += together([_verdict(plan, results, name) for name in plan.models])
    named = ", ".join(plan.models)
    shown = [_pictures(plan)]
    panel = panel_findings(plan, results, "figure-10", "one photo", CLAIM, plan.models, shown, 1, model=named)
    if panel.figures:
        findings.figures[".pictures"] = panel.figures[""]
    findings.verdicts += panel.verdicts
    if found.curves:
        scaled = scaled_of(plan, photos_in(found))
        title = title_of("Figure 10: CartoonX on several networks, kept", scaled, photos_in(found))
        note = note_of(plan, scaled, named)
        findings.figures[""] = figures.curves(
            found, "l2", plan.models, title, note, {"keep": "fig10a"}, over=over(plan), seed=plan.seed
        )
        findings.rows = mean_rows(found, plan.seed)
    return findings


CLAIM = "CartoonX is model-agnostic."
FIGURE_10 = Recipe(
    "figure-10",
    "7a of CartoonX, and its pictures of one photo, on several networks (--models)",
    CLAIM,
    PHOTOS,
    _units,
    _figure_10,
    "networks",
)

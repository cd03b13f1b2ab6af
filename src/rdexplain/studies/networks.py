"""Figure 10: CartoonX on several networks, as curves and as pictures of one photo."""

from __future__ import annotations

from dataclasses import replace

from rdexplain.evaluation import Evaluation
from rdexplain.evaluation.statistics import interval
from rdexplain.studies import figures
from rdexplain.studies.curves import PHOTOS, areas, mean_rows, note_of, photos_in, scaled_of
from rdexplain.studies.panel_findings import panel_findings
from rdexplain.studies.panels import unit_of
from rdexplain.studies.plan import Plan
from rdexplain.studies.protocol import curve_unit
from rdexplain.studies.published import published_area
from rdexplain.studies.recipe import Findings, Recipe, Results, Unit, judge, untestable, words
from rdexplain.studies.work import evaluation_of


def _curve_units(plan: Plan) -> list[Unit]:
    return [curve_unit(plan, photo, name, "cartoonx") for photo in plan.first(PHOTOS) for name in plan.models]


def _pictures(plan: Plan) -> list[Unit]:
    """One photo's mask on each network."""
    return [unit_of(plan, photo, "cartoonx", name) for photo in plan.first(1) for name in plan.models]


def _units(plan: Plan) -> list[Unit]:
    return [*_pictures(plan), *_curve_units(plan)]


def _figure_10(plan: Plan, results: Results) -> Findings:
    findings, found = Findings(), Evaluation()
    units = _curve_units(plan)
    for name in plan.models:
        mine = [unit for unit in units if unit.model == name]
        one = evaluation_of(results, mine, named=lambda unit: unit.model)
        found = replace(found, curves={**found.curves, **{k: c for k, c in one.curves.items() if k.mode == "keep"}})
        known = published_area("fig10a", name)
        published = "" if known is None else f"area {known:.3f}"
        claim = f"CartoonX's distortion falls as more is kept, on {name}"
        if not one.curves:
            reason = next(iter(one.not_applicable.values()), "no photo could be evaluated")
            findings.verdicts.append(untestable(claim, published, reason))
            continue
        scaled = scaled_of(plan, photos_in(one))
        own = [c.measures["l2"] for k, c in one.curves.items() if k.mode == "keep" and k.entry.own]
        fall = interval([float(curve[-1] - curve[0]) for curve in own])
        mean = interval(list(areas(plan, one, "keep", "l2", "own")[name].values()))
        text = f"area {words(mean)}; 100 % - 0 %: {words(fall)}"
        findings.verdicts.append(judge(claim, published, text, fall, scaled))
    named = ", ".join(plan.models)
    shown = [_pictures(plan)]
    panel = panel_findings(plan, results, "figure-10", "one photo", CLAIM, plan.models, shown, 1, model=named)
    if panel.figures:
        findings.figures[".pictures"] = panel.figures[""]
    findings.verdicts += panel.verdicts
    if found.curves:
        scaled = scaled_of(plan, photos_in(found))
        title = "Figure 10: CartoonX on several networks, kept" + (" (scaled)" if scaled else "")
        note = note_of(plan, scaled, named)
        findings.figures[""] = figures.curves(found, "l2", plan.models, title, note, {"keep": "fig10a"}, seed=plan.seed)
        findings.rows = mean_rows(found)
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

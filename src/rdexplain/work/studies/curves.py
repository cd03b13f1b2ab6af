"""Figure 5 and the accuracy: how predictions change as the top components are kept, or randomised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rdexplain.evaluation import Evaluation
from rdexplain.evaluation.results import Over
from rdexplain.evaluation.statistics import Array, Comparison, area, bootstrap, interval, log_area, paired_difference
from rdexplain.render.words import method_title
from rdexplain.work.studies import figures
from rdexplain.work.studies.plan import Plan
from rdexplain.work.studies.protocol import curve_methods, curve_unit
from rdexplain.work.studies.published import published_area, published_curve
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Row, Unit
from rdexplain.work.studies.verdict import Verdict, judge, together, untestable, words
from rdexplain.work.studies.work import evaluation_of

PHOTOS = 100
Numbers = dict[str, float]
_PLACES = {"own": "each in its own domain", "pixel": "all in pixels", "wavelet": "all in wavelets"}


def _units(plan: Plan) -> list[Unit]:
    return [curve_unit(plan, photo, plan.model, name) for photo in plan.first(PHOTOS) for name in curve_methods(plan)]


def scaled_of(plan: Plan, photos: int) -> list[str]:
    """Where a run with this many photos falls short of figure 5's protocol, in words."""
    return plan.scaled(photos, PHOTOS, curves=True)


def note_of(plan: Plan, scaled: Sequence[str], model: str = "") -> str:
    """Small print: network and protocol, and what was scaled."""
    parts = [model or plan.model, f"{plan.protocol} protocol"] + (["scaled: " + ", ".join(scaled)] if scaled else [])
    return "  ·  ".join(parts)


def title_of(what: str, scaled: Sequence[str], photos: int | None = None) -> str:
    """A figure's title: what it shows, the number of photos if given, and whether the protocol is scaled down."""
    count = "" if photos is None else f", {photos} {'photo' if photos == 1 else 'photos'}"
    return f"{what}{count}{' (scaled)' if scaled else ''}"


def photos_in(evaluation: Evaluation) -> int:
    """How many photos an evaluation has."""
    return len({entry.photo for entry in evaluation.entries})


def over(plan: Plan) -> Over:
    """The axis of curves and their areas: the published protocol takes the percentages that were asked for."""
    return "percentage" if plan.published else "share"


def areas(
    plan: Plan, evaluation: Evaluation, mode: str, measure: str, domain: str, log: bool = False
) -> dict[str, Numbers]:
    """The area under each photo's curve, by method and photo; with `log` over the logarithm of the percentage."""
    found: dict[str, Numbers] = {}
    for (entry, at), curve in evaluation.curves.items():
        if at == mode and (entry.own if domain == "own" else entry.domain == domain):
            found.setdefault(entry.method, {})[entry.photo] = float(
                (log_area if log else area)(curve.axis(over(plan)), curve.measures[measure])
            )
    return found


def at_percent(evaluation: Evaluation, mode: str, percent: float) -> dict[str, Numbers]:
    """The distortion at a percentage, by method and photo, each in its own domain."""
    found: dict[str, Numbers] = {}
    for (entry, at), curve in evaluation.curves.items():
        if at == mode and entry.own and percent in curve.percentages:
            place = int(np.flatnonzero(curve.percentages == percent)[0])
            found.setdefault(entry.method, {})[entry.photo] = float(curve.measures["l2"][place])
    return found


def difference(numbers: dict[str, Numbers], first: str, second: str, seed: int) -> Comparison | None:
    """first - second over the photos that both have; None where there are none."""
    one, other = numbers.get(first, {}), numbers.get(second, {})
    shared = sorted(one.keys() & other.keys())
    return paired_difference([one[p] for p in shared], [other[p] for p in shared], seed=seed) if shared else None


def mean_rows(evaluation: Evaluation, seed: int) -> list[Row]:
    """The mean curves with their bootstrap intervals, a row for each point."""
    groups: dict[tuple[str, str, bool, str], list[tuple[Array, Array, dict[str, Array]]]] = {}
    for (entry, mode), curve in evaluation.curves.items():
        groups.setdefault((entry.method, entry.domain, entry.own, mode), []).append(
            (curve.percentages, curve.share, curve.measures)
        )
    rows: list[Row] = []
    for (method, domain, own, mode), found in groups.items():
        for measure in found[0][2]:
            mean, low, high = bootstrap(np.stack([measures[measure] for _, _, measures in found]), seed=seed)
            share = np.stack([one for _, one, _ in found]).mean(axis=0)
            columns = zip(found[0][0].tolist(), share.tolist(), *(x.tolist() for x in (mean, low, high)), strict=True)
            for percentage, part, value, bottom, top in columns:
                key: Row = {"method": method, "domain": domain, "own": own, "mode": mode, "measure": measure}
                at: Row = {"percentage": percentage, "share": part, "photos": len(found)}
                rows.append(key | at | {"mean": value, "low": bottom, "high": top})
    return rows


def compare_areas(
    plan: Plan, evaluation: Evaluation, mode: str, measure: str, experiment: str, claim: str, sign: int
) -> list[Verdict]:
    """Verdicts on "CartoonX has the smallest (or largest) area", against each other method, in every domain."""
    scaled, verdicts = scaled_of(plan, photos_in(evaluation)), list[Verdict]()
    domains = ["own"] if plan.published else ["own", "pixel", "wavelet"]
    for domain in domains:
        family = []
        numbers = areas(plan, evaluation, mode, measure, domain)
        logs = areas(plan, evaluation, mode, measure, domain, log=True)
        for name in curve_methods(plan)[1:]:
            if name in evaluation.not_applicable:
                why = f"{method_title(name)} is not applicable: {evaluation.not_applicable[name]}"
                family.append(untestable(f"{claim} than {method_title(name)}, {_PLACES[domain]}", "", why))
                continue
            ours, theirs = published_area(experiment, "cartoonx"), published_area(experiment, name)
            known = f"areas {ours:.3f} and {theirs:.3f}" if ours is not None and theirs is not None else ""
            found = difference(numbers, "cartoonx", name, plan.seed)
            values = [
                interval(list(numbers[one].values()), seed=plan.seed) for one in ("cartoonx", name) if numbers.get(one)
            ]
            shown = " and ".join(words(one) for one in values)
            text = f"areas {shown}; difference {words(found)}" if found is not None else ""
            over_log = difference(logs, "cartoonx", name, plan.seed)
            text += f", over log p {words(over_log)}" if over_log is not None else ""
            where = f"{claim} than {method_title(name)}, {_PLACES[domain]}"
            family.append(judge(where, known if domain == "own" else "", text, found, scaled, sign))
        verdicts += together(family)
    return verdicts


def _figure_5(plan: Plan, results: Results) -> Findings:
    evaluation = evaluation_of(results, _units(plan))
    findings = Findings(rows=mean_rows(evaluation, plan.seed))
    if not evaluation.curves:
        findings.verdicts.append(untestable(FIGURE_5.claim, "", "no photo could be evaluated"))
        return findings
    scaled = scaled_of(plan, photos_in(evaluation))
    note, overlay = note_of(plan, scaled), {"keep": "7a", "randomise": "7b"}
    title = title_of("Figure 5: distortion", scaled, photos_in(evaluation))
    methods = curve_methods(plan)
    findings.figures[""] = figures.curves(
        evaluation, "l2", methods, title, note, overlay, over=over(plan), seed=plan.seed
    )
    findings.figures[".log"] = figures.curves(
        evaluation, "l2", methods, title, note, overlay, over=over(plan), axis="log", seed=plan.seed
    )
    if not plan.published:
        common = f"{title}, all methods in the same domain"
        findings.figures[".common"] = figures.curves(
            evaluation, "l2", methods, common, note, {}, "common", seed=plan.seed
        )
    findings.verdicts += compare_areas(plan, evaluation, "keep", "l2", "7a", "CartoonX distorts less, kept,", -1)
    # What matters most should distort most once it is randomised: the larger area is the better one, here as in
    # `evaluate`. The study's own data has it the other way round.
    findings.verdicts += compare_areas(
        plan, evaluation, "randomise", "l2", "7b", "CartoonX distorts more, randomised,", 1
    )
    family = []
    for name in ("integrated_gradients", "pixel_rde"):
        values = at_percent(evaluation, "randomise", 1.0)
        published = [published_curve("7b", one) for one in ("cartoonx", name)]
        known = " and ".join(f"{one[1][1]:.3f}" for one in published if one is not None)
        found = difference(values, "cartoonx", name, plan.seed)
        claim = f"Randomising the top 1 % of CartoonX distorts more than that of {method_title(name)}"
        text = f"difference {words(found)}" if found is not None else ""
        family.append(judge(claim, known, text, found, scaled, 1))
    findings.verdicts += together(family)
    return findings


def _accuracy(plan: Plan, results: Results) -> Findings:
    whole = evaluation_of(results, _units(plan))
    kept = {key: curve for key, curve in whole.curves.items() if key.mode == "keep"}
    evaluation = replace(whole, curves=kept)
    findings = Findings(rows=[row for row in mean_rows(evaluation, plan.seed) if row["measure"] == "agreement"])
    if not kept:
        findings.verdicts.append(untestable(ACCURACY.claim, "", "no photo could be evaluated"))
        return findings
    scaled = scaled_of(plan, photos_in(evaluation))
    title = title_of("Accuracy: predictions that stay", scaled, photos_in(evaluation))
    small, known, methods = note_of(plan, scaled), {"keep": "acc"}, curve_methods(plan)
    findings.figures[""] = figures.curves(
        evaluation, "agreement", methods, title, small, known, over=over(plan), seed=plan.seed
    )
    findings.figures[".log"] = figures.curves(
        evaluation, "agreement", methods, title, small, known, over=over(plan), axis="log", seed=plan.seed
    )
    claim = "CartoonX keeps more predictions"
    findings.verdicts += compare_areas(plan, evaluation, "keep", "agreement", "acc", claim, 1)
    return findings


FIGURE_5 = Recipe(
    "figure-5",
    "distortion as the top components are kept (7a) and randomised (7b)",
    "CartoonX has lower distortion than the other methods.",
    PHOTOS,
    _units,
    _figure_5,
    "curves",
)
ACCURACY = Recipe(
    "accuracy",
    "predictions that stay as the top components are kept",
    "CartoonX keeps the prediction with fewer components than the other methods.",
    PHOTOS,
    _units,
    _accuracy,
    "curves",
)

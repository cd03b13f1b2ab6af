"""A panel of explanations as findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rdexplain.evaluation.statistics import interval
from rdexplain.render.words import percent
from rdexplain.work.studies import figures
from rdexplain.work.studies.curves import note_of, title_of
from rdexplain.work.studies.plan import Plan
from rdexplain.work.studies.recipe import Findings, Results, Row, Unit
from rdexplain.work.studies.verdict import untestable


def panel_findings(
    plan: Plan,
    results: Results,
    name: str,
    what: str,
    claim: str,
    titles: Sequence[str],
    rows: Sequence[Sequence[Unit]],
    wanted: int,
    prefix: Callable[[Unit], str] = lambda unit: "",
    model: str = "",
) -> Findings:
    """A panel with its numbers; whether it shows what the study claims is left to the reader."""
    findings = Findings()
    done = [row for row in rows if any(results.of(unit) is not None for unit in row)]
    if not done:
        reason = results.reason(rows[0][0]) if rows else "there is no photo left for it: give more photos"
        findings.verdicts.append(untestable(claim, "pictures", reason))
        return findings
    scaled = plan.scaled(len({row[0].photo.source for row in done}), wanted)
    title = title_of(f"{name.capitalize().replace('-', ' ')}: {what}", scaled)
    drawn = figures.pictures(results, titles, done, [prefix(row[0]) for row in done])
    findings.figures[""] = figures.stamp(drawn, title, note_of(plan, scaled, model))
    columns: dict[str, list[Row]] = {}
    for row in done:
        for column, unit in zip(titles, row, strict=True):
            result = results.of(unit)
            if result is not None:
                findings.rows.append({"column": column, "method": unit.method, **result["rows"][0]})
                columns.setdefault(f"{prefix(unit)}{column}", []).append(findings.rows[-1])
    # A mean for each column: columns may differ in λk, or in the distortion function.
    text = "; ".join(f"{column}: {_means(found)}" for column, found in columns.items())
    why = "pictures are for the eye: look at the panel"
    findings.verdicts.append(replace(untestable(claim, "pictures", why), ours=text, scaled=tuple(scaled)))
    return findings


def _means(rows: Sequence[Row]) -> str:
    kept, distortion = (interval([row[key] for row in rows]).mean for key in ("non_sparsity", "distortion"))
    return f"{percent(kept)} kept, distortion {distortion:.3g}"

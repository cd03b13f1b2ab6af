"""A panel of explanations as findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rdexplain.evaluation.statistics import interval
from rdexplain.studies import figures
from rdexplain.studies.curves import note_of
from rdexplain.studies.plan import Plan
from rdexplain.studies.recipe import Findings, Results, Unit, untestable


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
    """A panel with its numbers; that it shows what the study says is for the eye to judge."""
    findings = Findings()
    done = [row for row in rows if any(results.of(unit) is not None for unit in row)]
    if not done:
        reason = results.reason(rows[0][0]) if rows else "there is no photo left for it: give more photos"
        findings.verdicts.append(untestable(claim, "pictures", reason))
        return findings
    scaled = plan.scaled(len({row[0].photo.source for row in done}), wanted)
    title = f"{name.capitalize().replace('-', ' ')}: {what}" + (" (scaled)" if scaled else "")
    drawn = figures.pictures(results, titles, done, [prefix(row[0]) for row in done])
    findings.figures[""] = figures.stamp(drawn, title, note_of(plan, scaled, model))
    for row in done:
        for column, unit in zip(titles, row, strict=True):
            result = results.of(unit)
            if result is not None:
                findings.rows.append({"column": column, "method": unit.method, **result["rows"][0]})
    shares = [interval([r[key] for r in findings.rows]) for key in ("non_sparsity", "distortion")]
    text = f"mean share kept {shares[0].mean:.4g}, mean distortion {shares[1].mean:.4g}"
    why = "pictures are for the eye: look at the panel"
    findings.verdicts.append(replace(untestable(claim, "pictures", why), ours=text, scaled=tuple(scaled)))
    return findings

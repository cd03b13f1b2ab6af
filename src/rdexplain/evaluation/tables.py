"""An evaluation as a table: a line for each figure, a column for each method, for a terminal and for a notebook."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rdexplain.evaluation.plots import curves_figure
from rdexplain.evaluation.results import Evaluation, Over
from rdexplain.evaluation.statistics import Interval, shown
from rdexplain.evaluation.summary import Figure, summary

LEGEND = (
    "means over photos ± half the 95 % interval",
    "areas under the curves for kept and randomised, over the share p of the components and over log p",
    "* the domain that the method's explanations live in",
)
_ARROWS = {"higher": " ↑", "lower": " ↓", "zero": " →0", "": ""}


Key = tuple[str, str, str, bool]
"""Score, mode, domain, and whether it is an area over log p."""


@dataclass(frozen=True)
class Table:
    """The areas under the curves of a distortion in each domain, then the scores.

    Attributes:
        titles: of the lines, with an arrow for what is better.
        cells: for each method a text for each line; a star marks the domain that its explanations live in.
        areas: how many lines are areas over p, and then over log p.
    """

    titles: list[str]
    cells: dict[str, list[str]]
    areas: tuple[int, int]


def table(
    evaluation: Evaluation, methods: Sequence[str], distortion: str, over: Over = "share", seed: int = 0
) -> Table:
    """The table of some methods, in their order."""
    found: dict[tuple[str, Key], tuple[Figure, Interval]] = {}
    # Where a method has figures for two wavelets, those of its own come last and stay.
    for line in sorted(summary(evaluation, over=over, seed=seed), key=lambda line: line.figure.own):
        figure = line.figure
        if not figure.mode or figure.score == distortion:
            found[line.method, (figure.score, figure.mode, figure.domain, False)] = (figure, line.value)
            if line.log is not None:
                found[line.method, (figure.score, figure.mode, figure.domain, True)] = (figure, line.log)
    keys = sorted({key for _, key in found}, key=_place)
    arrows = {key: _ARROWS[figure.better] for (_, key), (figure, _) in found.items()}
    cells = {method: [_cell(found.get((method, key))) for key in keys] for method in methods}
    for method in methods:
        if method in evaluation.not_applicable and not any(name == method for name, _ in found):
            cells[method] = ["not applicable"] * len(keys)
    logs = sum(log for *_, log in keys)
    areas = sum(bool(mode) for _, mode, *_ in keys) - logs, logs
    return Table([_title(*key) + arrows[key] for key in keys], cells, areas)


def as_html(
    evaluation: Evaluation, methods: Sequence[str], distortion: str, over: Over = "share", seed: int = 0
) -> str:
    """The table and, where there are curves, their figure, for a notebook."""
    found = table(evaluation, methods, distortion, over, seed)
    cell = 'style="padding: .15em .6em; text-align: left"'
    head = "".join(f'<th scope="col" {cell}>{html.escape(method)}</th>' for method in found.cells)
    lines = zip(found.titles, *found.cells.values(), strict=True)
    body = "".join(
        f'<tr><th scope="row" {cell}>{html.escape(title)}</th>'
        f"{''.join(f'<td {cell}>{html.escape(text)}</td>' for text in cells)}</tr>"
        for title, *cells in lines
    )
    legend = "; ".join(html.escape(line) for line in LEGEND)
    text = (
        f'<div style="overflow-x: auto"><table><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        f"<small>{legend}</small>"
    )
    if not evaluation.curves:
        return text
    content = io.BytesIO()
    curves_figure(evaluation, distortion, over=over, methods=methods, seed=seed).savefig(content, dpi=80)
    picture = base64.b64encode(content.getvalue()).decode()
    words = "The distortion as components are kept, and as they are randomised"
    return f'{text}<br><img alt="{words}" style="max-width: 100%" src="data:image/png;base64,{picture}">'


def _place(key: Key) -> tuple[int, bool, str, str, str]:
    score, mode, domain, log = key
    return (0 if mode else 1, log, domain if mode else "", mode, score + domain)


def _title(score: str, mode: str, domain: str, log: bool) -> str:
    if mode:
        return f"{score} {'kept' if mode == 'keep' else 'randomised'}, {domain}s{', log p' if log else ''}"
    return f"{score}, {domain}s" if domain != "pixel" else score


def _cell(entry: tuple[Figure, Interval] | None) -> str:
    if entry is None:
        return "-"
    figure, value = entry
    half = (value.high - value.low) / 2
    star = "*" if figure.own and figure.mode else ""
    return f"{shown(value.mean)}{star}" if math.isnan(half) else f"{shown(value.mean)} ±{shown(half)}{star}"

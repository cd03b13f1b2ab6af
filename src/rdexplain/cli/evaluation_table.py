"""The table that ``rdexplain evaluate`` prints: a line for each method, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rdexplain.cli.tables import Column, print_table
from rdexplain.evaluation import Evaluation, Interval, summary
from rdexplain.evaluation.results import Over
from rdexplain.evaluation.statistics import shown
from rdexplain.evaluation.summary import Figure

_ARROWS = {"higher": " ↑", "lower": " ↓", "zero": " →0", "": ""}


Key = tuple[str, str, str, bool]
"""Score, mode, domain, and whether it is an area over log p."""
_ACROSS = 5
"""Number of methods that fit side by side."""


def print_evaluation(
    evaluation: Evaluation, methods: Sequence[str], distortion: str, over: Over = "share", seed: int = 0
) -> None:
    """Print the areas under the curves of a distortion in each domain, and the scores.

    A star marks the domain that a method's explanations live in; an arrow shows which direction is better.
    """
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
    titles = [_title(*key) + arrows[key] for key in keys]
    cells = [[_cell(found.get((method, key))) for key in keys] for method in methods]
    for method, row in zip(methods, cells, strict=True):
        if method in evaluation.not_applicable and not any(name == method for name, _ in found):
            row[:] = ["not applicable"] * len(keys)
    if len(methods) <= _ACROSS:
        columns = [Column("", "bold"), *(Column(method, numbers=True) for method in methods)]
        print_table(columns, [(title, *row) for title, *row in zip(titles, *cells, strict=True)])
    else:
        areas, logs = sum(bool(mode) for _, mode, *_ in keys), sum(log for *_, log in keys)
        for part in (slice(0, areas - logs), slice(areas - logs, areas), slice(areas, None)):
            if not titles[part]:
                continue
            columns = [Column("method", "bold"), *(Column(title, numbers=True) for title in titles[part])]
            print_table(columns, [(method, *row[part]) for method, row in zip(methods, cells, strict=True)])
            print()
    print("means over photos ± half the 95 % interval; areas under the curves for kept and randomised,")
    print("over the share p of the components and over log p;")
    print("* the domain that the method's explanations live in")


def _place(key: Key) -> tuple[int, bool, str, str, str]:
    score, mode, domain, log = key
    return (0 if mode else 1, log, domain if mode else "", mode, score + domain)


def _title(score: str, mode: str, domain: str, log: bool) -> str:
    where = {"pixel": "pixels", "wavelet": "wavelets", "shearlet": "shearlets"}[domain]
    if mode:
        return f"{score} {'kept' if mode == 'keep' else 'randomised'}, {where}{', log p' if log else ''}"
    return f"{score}, {where}" if domain != "pixel" else score


def _cell(entry: tuple[Figure, Interval] | None) -> str:
    if entry is None:
        return "-"
    figure, value = entry
    half = (value.high - value.low) / 2
    star = "*" if figure.own and figure.mode else ""
    return f"{shown(value.mean)}{star}" if math.isnan(half) else f"{shown(value.mean)} ±{shown(half)}{star}"

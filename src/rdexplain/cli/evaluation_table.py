"""The table that ``rdexplain evaluate`` prints: a line for each method, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rdexplain.cli.tables import Column, print_table
from rdexplain.evaluation import Evaluation, Interval, summary
from rdexplain.evaluation.summary import Figure

_ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}


def print_evaluation(evaluation: Evaluation, methods: Sequence[str], distortion: str) -> None:
    """Print the areas under the curves of a distortion in each domain, and the scores.

    A star marks the domain that a method's explanations live in; an arrow what is better.
    """
    lines = summary(evaluation)
    found: dict[tuple[str, str, str, str], tuple[Figure, Interval]] = {}
    for line in sorted(lines, key=lambda line: line.figure.own):
        figure = line.figure
        if figure.mode and figure.score != distortion:
            continue
        found[line.method, figure.score, figure.mode, figure.domain] = (figure, line.value)
    keys = sorted({key[1:] for key in found}, key=_place)
    better = {key[1:]: figure.better for key, (figure, _) in found.items()}
    columns = [Column("method", "bold"), *(Column(_title(*key) + _ARROWS[better[key]], numbers=True) for key in keys)]
    rows = []
    for method in methods:
        if method in evaluation.not_applicable and not any(key[0] == method for key in found):
            rows.append((method, *(["not applicable"] + ["-"] * (len(keys) - 1))[: len(keys)]))
            continue
        rows.append((method, *(_cell(found.get((method, *key))) for key in keys)))
    print_table(columns, rows)
    print("\nareas under the curves, means over photos ± half the 95 % interval; * the method's own domain")


def _place(key: tuple[str, str, str]) -> tuple[int, str, str, str]:
    score, mode, domain = key
    return (0 if mode else 1, domain if mode else "", mode, score + domain)


def _title(score: str, mode: str, domain: str) -> str:
    where = {"pixel": "pixels", "wavelet": "wavelets"}[domain]
    if mode:
        return f"{score} {'kept' if mode == 'keep' else 'randomised'}, {where}"
    return f"{score}, {where}" if domain == "wavelet" else score


def _cell(entry: tuple[Figure, Interval] | None) -> str:
    if entry is None:
        return "-"
    figure, value = entry
    half = (value.high - value.low) / 2
    star = "*" if figure.own and figure.mode else ""
    return f"{value.mean:.3f}{star}" if math.isnan(half) else f"{value.mean:.3f} ±{half:.3f}{star}"

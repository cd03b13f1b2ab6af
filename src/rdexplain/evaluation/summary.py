"""From values per photo to a table: means over photos with their intervals, and paired differences between methods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, get_args

from rdexplain.evaluation.curves import AGREEMENT, PROBABILITY, Mode
from rdexplain.evaluation.results import Entry, Evaluation, Over
from rdexplain.evaluation.scores import BETTER
from rdexplain.evaluation.statistics import Interval, area, interval, mean_by, paired_difference


class Figure(NamedTuple):
    """What a number of the summary measures.

    Attributes:
        score: a distortion, ``agreement`` or ``probability`` for an area under a curve, or the name of a score.
        mode: ``keep`` or ``randomise`` for an area, else empty.
        domain: ``pixel`` or ``wavelet``.
        own: whether this is the domain of the method's own explanations.
        better: ``higher``, ``lower``, ``zero`` for near 0, or empty.
    """

    score: str
    mode: str
    domain: str
    own: bool
    better: str


@dataclass(frozen=True)
class Line:
    """A figure of a method over all photos."""

    method: str
    figure: Figure
    value: Interval


@dataclass(frozen=True)
class Difference:
    """first - second over the photos that both have."""

    first: str
    second: str
    figure: Figure
    value: Interval


Photo = tuple[str, str]
"""A photo's key and its name."""
Values = dict[tuple[str, Figure], dict[tuple[Photo, str], float]]
"""Numbers by method and figure, then by photo and target."""


def values(evaluation: Evaluation, over: Over = "share") -> Values:
    """The number of each photo and target, by method and figure: areas under its curves, and its scores.

    Args:
        over: the x axis of the areas.
    """
    found: Values = defaultdict(dict)
    for (entry, mode), curve in evaluation.curves.items():
        if mode not in get_args(Mode):  # its areas are among the scores
            continue
        axis = curve.axis(over)
        for name, measure in curve.measures.items():
            figure = Figure(name, mode, entry.domain, entry.own, _better(name, mode))
            found[entry.method, figure][_row(entry)] = float(area(axis, measure))
    for (entry, score), value in evaluation.scores.items():
        figure = Figure(score, "", entry.domain, entry.own, BETTER.get(score, ""))
        found[entry.method, figure][_row(entry)] = value
    # Sorted, because the result of the bootstrap depends on the order of the photos.
    return {key: dict(sorted(found[key].items())) for key in sorted(found)}


def summary(evaluation: Evaluation, *, over: Over = "share", seed: int = 0) -> list[Line]:
    """The mean of each figure over the photos, with its bootstrap interval. A photo's figure is the mean over its
    targets."""
    return [
        Line(method, figure, interval(_each_photo(rows), seed=seed))
        for (method, figure), rows in values(evaluation, over).items()
    ]


def differences(evaluation: Evaluation, *, over: Over = "share", seed: int = 0) -> list[Difference]:
    """For every two methods the mean of their difference, photo by photo, with its bootstrap interval. A photo's
    difference is the mean over the targets that both have.

    Two methods are compared in one domain, even if it is the own domain of only one; `Figure.own` is that of the first.
    """
    return list(_differences(values(evaluation, over), seed))


def _differences(found: Values, seed: int) -> Iterator[Difference]:
    methods = sorted({method for method, _ in found})
    for first, second in combinations(methods, 2):
        for (method, figure), rows in found.items():
            if method != first:
                continue
            other = found.get((second, figure)) or found.get((second, figure._replace(own=not figure.own)))
            shared = [row for row in rows if other is not None and row in other]
            if other is None or not shared:
                continue
            one, two = (_each_photo({row: numbers[row] for row in shared}) for numbers in (rows, other))
            yield Difference(first, second, figure, paired_difference(one, two, seed=seed))


def _row(entry: Entry) -> tuple[Photo, str]:
    return (entry.key, entry.photo), entry.target


def _each_photo(rows: Mapping[tuple[Photo, str], float]) -> list[float]:
    """The mean over the targets of each photo."""
    found: list[float] = mean_by((photo, value) for (photo, _), value in rows.items()).tolist()
    return found


def _better(measure: str, mode: str) -> str:
    """Which is better, "higher" or "lower": keeping should change the decision little, randomising much."""
    kept = measure in (AGREEMENT, PROBABILITY)
    return "higher" if kept == (mode == "keep") else "lower"

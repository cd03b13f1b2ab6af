"""From values per photo to a table: means over photos with their intervals, and paired differences between methods."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple, get_args

from rdexplain.evaluation.curves import AGREEMENT, PROBABILITY, Mode
from rdexplain.evaluation.results import Entry, Evaluation, Over
from rdexplain.evaluation.scores import BETTER
from rdexplain.evaluation.statistics import (
    Comparison,
    Interval,
    area,
    holm,
    interval,
    log_area,
    mean_by,
    paired_difference,
)


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
    """A figure of a method over all photos.

    Attributes:
        log: for an area the same over log p, see `statistics.log_area`; else None.
    """

    method: str
    figure: Figure
    value: Interval
    log: Interval | None = None


@dataclass(frozen=True)
class Difference:
    """first - second over the photos that both have; `log` as in `Line`.

    Attributes:
        holm, log_holm: the p-values of `value` and `log`, corrected for all pairs of methods that are compared by the
            same figure; NaN where there is none.
    """

    first: str
    second: str
    figure: Figure
    value: Comparison
    log: Comparison | None = None
    holm: float = math.nan
    log_holm: float = math.nan


Photo = tuple[str, str]
"""A photo's key and its name."""
Values = dict[tuple[str, Figure], dict[tuple[Photo, str], float]]
"""Numbers by method and figure, then by photo and target."""


def values(evaluation: Evaluation, over: Over = "share", log: bool = False) -> Values:
    """The number of each photo and target, by method and figure: areas under its curves, and its scores.

    Args:
        over: the x axis of the areas.
        log: the areas over its logarithm, and no scores; those that are not defined are left out.
    """
    found: Values = defaultdict(dict)
    for (entry, mode), curve in evaluation.curves.items():
        if mode not in get_args(Mode):  # its areas are among the scores
            continue
        axis = curve.axis(over)
        for name, measure in curve.measures.items():
            figure = Figure(name, mode, entry.domain, entry.own, _better(name, mode))
            value = float((log_area if log else area)(axis, measure))
            if math.isfinite(value):
                found[entry.method, figure][_row(entry)] = value
    for (entry, score), value in () if log else evaluation.scores.items():
        figure = Figure(score, "", entry.domain, entry.own, BETTER.get(score, ""))
        found[entry.method, figure][_row(entry)] = value
    # Sorted, because the result of the bootstrap depends on the order of the photos.
    return {key: dict(sorted(found[key].items())) for key in sorted(found)}


def summary(evaluation: Evaluation, *, over: Over = "share", seed: int = 0) -> list[Line]:
    """The mean of each figure over the photos, with its bootstrap interval. A photo's figure is the mean over its
    targets."""
    logs = values(evaluation, over, log=True)
    return [
        Line(
            *key,
            interval(_each_photo(rows), seed=seed),
            interval(_each_photo(logs[key]), seed=seed) if key in logs else None,
        )
        for key, rows in values(evaluation, over).items()
    ]


def differences(evaluation: Evaluation, *, over: Over = "share", seed: int = 0) -> list[Difference]:
    """For every two methods the mean of their difference, photo by photo, with its bootstrap interval and p-values,
    plain and by `statistics.holm`. A photo's difference is the mean over the targets that both have.

    Two methods are compared in one domain, even if it is the own domain of only one; `Figure.own` is that of the first.
    """
    found, logs = values(evaluation, over), values(evaluation, over, log=True)
    pairs = []
    for first, second in combinations(sorted({method for method, _ in found}), 2):
        for figure in (figure for method, figure in found if method == first):
            value = _difference(found, first, second, figure, seed)
            if value is not None:
                pairs.append(Difference(first, second, figure, value, _difference(logs, first, second, figure, seed)))
    return _corrected(pairs)


def _corrected(pairs: Sequence[Difference]) -> list[Difference]:
    """The pairs with `holm` and `log_holm`: all pairs by one figure are a family, whichever method the domain is of."""
    families: dict[Figure, list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        families[pair.figure._replace(own=False)].append(place)
    found = list(pairs)
    for places in families.values():
        plain = holm([pairs[place].value.p for place in places])
        logs = holm([math.nan if (log := pairs[place].log) is None else log.p for place in places])
        for place, one, other in zip(places, plain, logs, strict=True):
            found[place] = replace(pairs[place], holm=one, log_holm=other)
    return found


def _difference(found: Values, first: str, second: str, figure: Figure, seed: int) -> Comparison | None:
    """first - second; None where they share no photo."""
    rows = found.get((first, figure), {})
    other = found.get((second, figure)) or found.get((second, figure._replace(own=not figure.own)), {})
    shared = [row for row in rows if row in other]
    if not shared:
        return None
    one, two = (_each_photo({row: numbers[row] for row in shared}) for numbers in (rows, other))
    return paired_difference(one, two, seed=seed)


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

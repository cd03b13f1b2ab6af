"""The results of an evaluation; those of photos that were evaluated apart can be merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from rdexplain.errors import OptionError
from rdexplain.evaluation.statistics import Array

Over = Literal["share", "percentage"]
"""A curve's axis: the true share of components, or the percentage that was asked for, as in the study."""


class Entry(NamedTuple):
    """What was evaluated: a photo's target, by a method, in a domain.

    Attributes:
        photo: its name.
        key: its noise key in hexadecimal; equal for equal images.
        target: the class's index, or indices with commas.
        class_name: the target in words.
        domain: ``pixel`` or ``wavelet``.
        own: whether this is the domain of the method's own explanations.
    """

    photo: str
    key: str
    target: str
    class_name: str
    method: str
    domain: str
    own: bool


class CurveKey(NamedTuple):
    entry: Entry
    mode: str


class ScoreKey(NamedTuple):
    entry: Entry
    score: str


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve of one photo.

    Attributes:
        percentages: asked for, (P,) in [0, 100].
        share: true share, (P,) in [0, 1].
        measures: by name, (P,), see `curves.Curves`.
        draws: noise draws per point.
    """

    percentages: Array
    share: Array
    measures: dict[str, Array]
    draws: int

    def axis(self, over: Over) -> Array:
        """The x axis of the measures, (P,) in [0, 1]."""
        return self.share if over == "share" else self.percentages / 100

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Curve)
            and self.draws == other.draws
            and self.measures.keys() == other.measures.keys()
            and np.array_equal(self.percentages, other.percentages)
            and np.array_equal(self.share, other.share)
            and all(np.array_equal(values, other.measures[name]) for name, values in self.measures.items())
        )


@dataclass(frozen=True)
class Evaluation:
    """Curves and scores of any photos and methods.

    Attributes:
        curves: by entry and mode (``keep``, ``randomise``).
        scores: by entry and score.
        not_applicable: methods that the network does not allow, and why.
    """

    curves: Mapping[CurveKey, Curve] = field(default_factory=dict)
    scores: Mapping[ScoreKey, float] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)

    @property
    def entries(self) -> list[Entry]:
        """All entries, sorted."""
        return sorted({key.entry for key in self.curves} | {key.entry for key in self.scores})

    @property
    def methods(self) -> list[str]:
        """All methods, in alphabetical order, with those that are not applicable."""
        return sorted({entry.method for entry in self.entries} | set(self.not_applicable))

    def where(self, wanted: Callable[[Entry], bool]) -> Evaluation:
        """The part of the entries for which `wanted` is true."""
        return replace(
            self,
            curves={key: curve for key, curve in self.curves.items() if wanted(key.entry)},
            scores={key: value for key, value in self.scores.items() if wanted(key.entry)},
        )


K = TypeVar("K", CurveKey, ScoreKey)
V = TypeVar("V")


def merge(*parts: Evaluation) -> Evaluation:
    """Join evaluations, such as those of different photos, into one.

    What several of them contain must be the same in all.

    Raises:
        OptionError: two parts have different values for the same entry.
    """
    return Evaluation(
        _union("curves", (part.curves for part in parts)),
        _union("scores", (part.scores for part in parts)),
        {name: reason for part in parts for name, reason in part.not_applicable.items()},
    )


def _union(what: str, parts: Iterable[Mapping[K, V]]) -> dict[K, V]:
    joined: dict[K, V] = {}
    for part in parts:
        for key, value in part.items():
            if key in joined and joined[key] != value:
                entry, name = key
                which = f"{entry.photo} by {entry.method} in {entry.domain}s ({name})"
                raise OptionError(f"two evaluations have different {what} of {which}: keep one of them")
            joined[key] = value
    return {key: joined[key] for key in sorted(joined)}

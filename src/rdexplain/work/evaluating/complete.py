"""Finds explanations on disk that another method lacks, because methods are compared on the same photos."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from rdexplain.evaluation.results import Entry


class Explained(NamedTuple):
    """The photo and target of an explanation, without its method."""

    photo: str
    key: str
    target: str

    @classmethod
    def of(cls, entry: Entry) -> Explained:
        return cls(entry.photo, entry.key, entry.target)


def missing(entries: Iterable[Entry], methods: Collection[str]) -> dict[Explained, list[str]]:
    """For each photo and target that some methods have explained, the methods that have not, if any.

    Photos are the same if their names are equal, at any size, or if their pixels are equal, under any name.
    """
    there: dict[str, set[tuple[str, str]]] = {name: set() for name in methods}
    some = set()
    for entry in entries:
        some.add(Explained.of(entry))
        there.setdefault(entry.method, set()).update(_names(Explained.of(entry)))
    found = {one: [name for name, having in there.items() if not having & _names(one)] for one in sorted(some)}
    return {one: names for one, names in found.items() if names}


def _names(one: Explained) -> set[tuple[str, str]]:
    return {(one.photo, one.target), (one.key, one.target)}

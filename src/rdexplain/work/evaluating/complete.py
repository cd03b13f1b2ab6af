"""Methods are compared on the same photos: which explanations on disk have none beside them by another method."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from rdexplain.evaluation.results import Entry


class Explained(NamedTuple):
    """What an explanation is of, whatever method it is by."""

    photo: str
    key: str
    target: str

    @classmethod
    def of(cls, entry: Entry) -> Explained:
        return cls(entry.photo, entry.key, entry.target)


def missing(entries: Iterable[Entry], methods: Collection[str]) -> dict[Explained, list[str]]:
    """The methods that have no explanation of a photo's class, for those of which some have one.

    A photo is the same by its name, whatever the size at which it was explained, or by its pixels, wherever it was.
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

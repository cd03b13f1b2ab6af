"""A photo of a run before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A photo of a run.

    Attributes:
        photo: its name, unique in the run and independent of where the files are.
        place: where and how to read it, ready for JSON; its file is relative to the listing's root.
        label: the true class from the data set, its "name" or its "index" or both; None if unknown.
        target: the classes to explain, if the data set names them.
    """

    photo: str
    place: dict[str, Any]
    label: dict[str, Any] | None = None
    target: list[str] | None = None


@dataclass(frozen=True)
class Listing:
    """The photos of a source, in its order.

    Attributes:
        layout: what kind of source it is.
        root: the absolute folder that the places' files are relative to.
    """

    layout: str
    root: str
    entries: list[Entry]

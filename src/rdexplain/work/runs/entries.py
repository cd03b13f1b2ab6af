"""A photo of a run before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A photo of a run.

    Attributes:
        photo: what it is called, unique in the run and the same wherever the files lie.
        place: what it takes to read it, ready for JSON; its file is relative to the listing's root.
        label: the true class as the data set has it, its "name" or its "index" or both; None where it does not say.
        target: the classes to explain, where the data set says.
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

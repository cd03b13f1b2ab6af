"""The protocol of a source of models; the loader modules of this package are such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rdexplain.models.classes import ClassName
from rdexplain.models.model import Model

Availability = Literal["embedded", "installed", "cached", "to download", "not installed", "your own"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be loaded by name.

    ``weights``: "embedded" and "installed" come with a package, "cached" is a downloaded file, the others are not on
    this machine, or come from the user. ``input_size`` is in pixels, ``classes`` a count.
    """

    name: str
    source: str
    input_size: int
    weights: Availability
    classes: int


class Source(Protocol):
    """A module, or an object, with these two functions."""

    def matches(self, name: str) -> bool:
        """Whether the name is one of this source's."""

    def load(
        self, name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None
    ) -> Model:
        """The model in eval mode on the CPU, with its published normalisation and its class names.

        `weights` None are the published ones; `classes` also say how many outputs the network has.
        """


class ListedSource(Source, Protocol):
    """A source whose models are known beforehand."""

    def list_models(self) -> Iterable[ModelInfo]:
        """Its models, without building or downloading any."""

"""What a report shows of one explanation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

FIGURES = (
    *("probability", "kept_probability", "distortion", "non_sparsity", "objective", "empty_distortion", "sparsity"),
    *("collapsed", "agreement", "seconds", "network_evaluations", "measurements"),
)
"""The figures of an explanation, as `Explanation` calls them; a heatmap has some of them."""


@dataclass(frozen=True)
class Item:
    """An explanation of one row.

    Attributes:
        photo: its name; None where it has none.
        label, target: the explained class in words, and its index.
        figures: of `FIGURES` those that there are.
        true: the data set's own class, as it calls it, where it says.
        right: whether that is the explained class, where that can be told.
        image: (3, h, w), what was explained; None where the photo is gone.
        picture: (1, h, w), the explanation; None where it cannot be drawn without the photo.
        shape: height and width of the photo itself, where both are to be shown in its shape.
        box: left, top, right and bottom of the explained object, as shares of the photo.
        region: (h, w) bool, the explained region.
        inside: how much of what is kept lies in them, as `Explanation.record` has it.
        links: files that hold more, by what they are called, relative to the report.
        record: written into the report where no file holds it.
    """

    photo: str | None
    method: str
    model: str
    label: str
    target: Any
    figures: dict[str, Any]
    true: str | None = None
    right: bool | None = None
    image: Tensor | None = None
    picture: Tensor | None = None
    shape: tuple[int, int] | None = None
    box: tuple[float, float, float, float] | None = None
    region: Tensor | None = None
    inside: dict[str, float] | None = None
    links: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] | None = None


def figures_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that there are; a number that is none, such as the agreement of empty masks, is left out."""
    found = {name: values.get(name) for name in FIGURES}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}

"""What a report or an export needs of one explanation."""

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
        photo: its name, if it has one.
        label, target: the explained class in words, and its index.
        figures: the known ones of `FIGURES`, by name.
        true: the true class in words, if the data set states it.
        right: whether the explained class is the true one, if that can be told.
        image: the photo that was explained, (3, h, w) in [0, 1]; None if it is missing.
        picture: the explanation, (1, h, w) in [0, 1]; None if it cannot be drawn because the photo is missing.
        shape: height and width of the original photo, in whose shape both are shown; None for their own shape.
        box: left, top, right and bottom of the explained object, in [0, 1] of the photo's sides.
        region: (h, w) bool, the explained region.
        inside: the shares of the kept energy, the photo's energy and the area in the box or region, see
            `Explanation.record`.
        links: files on the disk with more about it, relative to the report, by the texts of their links.
        record: to be written to the report; None if a file on the disk has it.
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
    """The known figures; NaN, such as the agreement of empty masks, is left out."""
    found = {name: values.get(name) for name in FIGURES}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}

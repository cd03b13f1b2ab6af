"""Whether an explanation lies on the object, given its bounding boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rdexplain.errors import OptionError

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the explained image; right and bottom are exclusive."""
_ROUNDING = 0.05
"""Pixels by which a box may reach beyond its image, since its coordinates may be rounded to two decimals."""


def inside(boxes: Sequence[Sequence[Box]], height: int, width: int) -> Tensor:
    """The pixels whose centres lie in any of a row's boxes, bool (n, height, width); at least one pixel per box.

    Raises:
        OptionError: a box is empty or reaches beyond the image.
    """
    masks = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for mask, some in zip(masks, boxes, strict=True):
        for left, top, right, bottom in some:
            check_box((left, top, right, bottom), height, width)
            mask |= _between(top, bottom, height)[:, None] & _between(left, right, width)
    return masks


def check_box(box: Box, height: int, width: int) -> None:
    """Raises OptionError for a box that is empty or reaches beyond an image of that size."""
    left, top, right, bottom = box
    said = f"the box {left:g}, {top:g}, {right:g}, {bottom:g}"
    if not (left < right and top < bottom):
        raise OptionError(f"{said} is empty: left must be below right, and top below bottom")
    if min(left, top) < -_ROUNDING or right > width + _ROUNDING or bottom > height + _ROUNDING:
        raise OptionError(f"{said} reaches beyond the image, which is {width} pixels wide and {height} high")


def _between(low: float, high: float, count: int) -> Tensor:
    """Which of `count` pixels have their centre in [low, high), bool (count,); the middle one if none has."""
    centres = torch.arange(count) + 0.5
    found = (centres >= low) & (centres < high)
    if not bool(found.any()):
        found[min(int((max(low, 0) + min(high, count)) / 2), count - 1)] = True
    return found


def pointing_game(pixels: Tensor, boxes: Tensor) -> Tensor:
    """Whether the largest score lies in the box, (n,): 1 or 0, or with tied maxima the share of them that do.

    Zhang et al.: Top-down Neural Attention by Excitation Backprop, ECCV 2016, without its tolerance of 15 pixels.

    Args:
        pixels: (n, h, w) scores.
        boxes: (n, h, w) bool, `inside`.
    """
    flat = pixels.flatten(1)
    largest = flat == flat.amax(dim=1, keepdim=True)
    return (largest & boxes.flatten(1)).sum(dim=1) / largest.sum(dim=1)


def energy_in_box(pixels: Tensor, boxes: Tensor) -> Tensor:
    """The share of the positive scores that lies in the box, (n,) in [0, 1]; NaN where no score is positive.

    Wang et al.: Score-CAM, CVPR Workshops 2020, section 4.3.
    """
    positive = pixels.clamp_min(0).double().flatten(1)
    return (positive * boxes.flatten(1)).sum(dim=1) / positive.sum(dim=1)

"""Measures how much of what an explanation keeps lies inside the explained region or box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rdexplain.core.representations import Representation
from rdexplain.errors import OptionError
from rdexplain.results.result import Frame


class Kept(Protocol):
    """The attributes of an `Explanation` that are used here."""

    @property
    def images(self) -> Tensor: ...

    @property
    def mask(self) -> list[Tensor]: ...

    @property
    def region(self) -> Tensor | None: ...

    @property
    def box(self) -> Tensor | None: ...

    @property
    def frame(self) -> Frame | None: ...

    @property
    def representation(self) -> Representation: ...


@dataclass(frozen=True)
class Focus:
    """How much of an explanation lies inside the explained region or box, for each of n rows, in [0, 1].

    The bars of a letterbox are not counted.

    Attributes:
        kept: share of the kept energy inside.
        photo: share of the photo's own energy inside: the value of `kept` for a mask that keeps everything.
        area: share of the area that lies inside: the value of `kept` for energy that is spread evenly.
    """

    kept: Tensor
    photo: Tensor
    area: Tensor


def focus(explanation: Kept, within: Tensor | None = None) -> Focus:
    """The shares inside the explained regions, or boxes.

    Args:
        explanation: of n rows.
        within: (n, h, w) bool, in place of the explained regions or boxes.

    Raises:
        OptionError: the explanation has neither, and none is given.
    """
    within = inside(explanation) if within is None else within
    photo = _photo(explanation)
    whole = [torch.ones_like(band) for band in explanation.mask]
    return Focus(
        _share(energy(explanation, explanation.mask) * photo, within),
        _share(energy(explanation, whole) * photo, within),
        (within & photo).sum(dim=(1, 2)) / photo.sum(),
    )


def retained(explanation: Kept, places: Tensor) -> Tensor:
    """Share (n,) of the photo's energy in `places` (n, h, w) that the masks keep; NaN for no places."""
    places = places & _photo(explanation)
    whole = energy(explanation, [torch.ones_like(band) for band in explanation.mask])
    kept = energy(explanation, explanation.mask)
    return (kept * places).sum(dim=(1, 2)) / (whole * places).sum(dim=(1, 2))


def energy(explanation: Kept, mask: list[Tensor]) -> Tensor:
    """The energy (n, h, w) that a mask keeps: Σ over channels of f(s·h)², without the brightness.

    For wavelets the low-pass band is left out: its energy is the local brightness, not structure. For pixels the
    photo's mean colour is subtracted for the same reason.
    """
    images, representation = explanation.images, explanation.representation
    if representation.name == "pixel":
        kept = (images - images.mean(dim=(2, 3), keepdim=True)) * mask[0].unsqueeze(1)
        return kept.square().sum(dim=1)
    transform = representation.transform_of(images)
    details = transform.join([torch.zeros_like(mask[0]), *mask[1:]]).to(images.dtype)
    kept = transform.synthesis(transform.analysis(images) * details.unsqueeze(1))
    return kept.square().sum(dim=1)


def inside(explanation: Kept) -> Tensor:
    """The explained regions, or the pixels whose centres lie in the boxes, at the size of the images: (n, h, w) bool.

    Raises:
        OptionError: the explanation has neither.
    """
    height, width = explanation.images.shape[-2:]
    if explanation.region is not None:
        region = explanation.region
        if region.shape[-2:] == (height, width):
            return region
        return torch.nn.functional.interpolate(region[:, None].float(), size=(height, width))[:, 0] > 0.5
    if explanation.box is None:
        raise OptionError("the explanation has neither a region nor a box: explain a Segment or a Detect")
    return in_boxes(explanation.box, height, width)


def in_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """(n, h, w) bool: the pixels in boxes (n, 4), left, top, right and bottom."""
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    across, down = (x >= left) & (x <= right), (y >= top) & (y <= bottom)
    return down[:, :, None] & across[:, None, :]


def _photo(explanation: Kept) -> Tensor:
    """(h, w) bool: the pixels of the photo, without the bars of a letterbox."""
    height, width = explanation.images.shape[-2:]
    found = torch.zeros(height, width, dtype=torch.bool)
    top, left, rows, columns = explanation.frame or (0, 0, height, width)
    found[top : top + rows, left : left + columns] = True
    return found


def _share(values: Tensor, inside: Tensor) -> Tensor:
    total = values.sum(dim=(1, 2))
    return (values * inside).sum(dim=(1, 2)) / total.clamp_min(torch.finfo(values.dtype).tiny)

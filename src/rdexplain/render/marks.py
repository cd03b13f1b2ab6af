"""Marks what is explained on the photo: a tinted region, or a box."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.colors import to_rgb
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from rdexplain.render.layout import SIGNAL
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap

_TINT = 0.45
_FADED = 0.55
"""How much of a photo's contrast is left outside the region."""


def framed(explanation: Explanation | Heatmap, picture: Tensor) -> Tensor:
    """The part of a picture (..., h, w) that shows the photo: without the bars of a letterbox."""
    if explanation.frame is None:
        return picture
    top, left, height, width = explanation.frame
    return picture[..., top : top + height, left : left + width]


def lit(explanation: Explanation | Heatmap, picture: Tensor) -> Tensor:
    """A picture of what is kept, (c, h, w) in [0, 1], bright enough to see.

    Where a spatial penalty has made it dark it is divided by its maximum, as Kolek et al. (CVPR 2023) show theirs.
    """
    if not explanation.options.get("spatial"):
        return picture
    return picture / picture.max().clamp_min(1e-6)


def tinted(photo: Tensor, region: Tensor) -> Tensor:
    """A photo (3, H, W) with a region (h, w) of it in colour and outlined, the rest in faded grey."""
    height, width = photo.shape[-2:]
    inside = interpolate(region[None, None].float(), size=(height, width), mode="bilinear", antialias=True)[0]
    inside = (inside > 0.5).float()
    colour = torch.tensor(to_rgb(SIGNAL)).view(3, 1, 1)
    grey = 1 - _FADED * (1 - photo.mean(dim=0, keepdim=True))
    shown = torch.where(inside > 0.5, (1 - _TINT) * photo + _TINT * colour, grey.expand(3, -1, -1))
    line = 2 * max(1, round(max(height, width) / 300)) + 1
    around = max_pool2d(inside[None], line, stride=1, padding=line // 2)[0]
    within = 1 - max_pool2d(1 - inside[None], line, stride=1, padding=line // 2)[0]
    return torch.where(around - within > 0.5, colour, shown)


def box_in_frame(explanation: Explanation) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of the explained object, as shares of the photo's width and height."""
    return None if explanation.box is None else shares_of_frame(frame_of(explanation), explanation.box[0].tolist())


def frame_of(explanation: Explanation) -> tuple[int, int, int, int]:
    """Top, left, height and width of the photo in the explained image, in pixels: all of it without a letterbox."""
    height, width = explanation.images.shape[-2:]
    return explanation.frame or (0, 0, height, width)


def shares_of_frame(frame: tuple[int, int, int, int], box: Sequence[float]) -> tuple[float, float, float, float]:
    """A box (left, top, right, bottom) in pixels, clamped to a frame, as shares of its width and height."""
    top, left, height, width = frame
    x0, y0, x1, y1 = box
    across, down = ((x - left) / width for x in (x0, x1)), ((y - top) / height for y in (y0, y1))
    (x0, x1), (y0, y1) = ((min(max(share, 0.0), 1.0) for share in pair) for pair in (across, down))
    return x0, y0, x1, y1


def outlined(photo: Tensor, boxes: Sequence[tuple[float, float, float, float]]) -> Tensor:
    """A photo (3, H, W) with boxes drawn on it: left, top, right and bottom as shares of its width and height."""
    height, width = photo.shape[-2:]
    line = max(1, round(max(height, width) / 150))
    drawn = photo.clone()
    for x0, y0, x1, y1 in boxes:
        top, bottom = round(y0 * height), max(round(y1 * height), round(y0 * height) + 1)
        left, right = round(x0 * width), max(round(x1 * width), round(x0 * width) + 1)
        kept = drawn[:, top + line : bottom - line, left + line : right - line].clone()
        drawn[:, top:bottom, left:right] = torch.tensor(to_rgb(SIGNAL)).view(3, 1, 1)
        drawn[:, top + line : bottom - line, left + line : right - line] = kept
    return drawn

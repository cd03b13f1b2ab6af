"""The strip of scales: where a wavelet mask keeps something, from coarse to fine, on the faded photo."""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn.functional import max_pool2d

from rdexplain.render.layout import CAPTION, RULE, SIGNAL, SMALL, Page, Style, as_array, show
from rdexplain.render.scales import Scale
from rdexplain.render.words import percent

HEADING = "What is kept at each scale, from coarse to fine"
DIRECTED = ": each stroke lies as the edges that it draws"
CELL = Style(10.5)
GAP = 0.13
# A few cells are grouped at the left, more of them fill the page's width.
FEW_GAP, WIDEST_GAP = 0.2, 0.5
BAR = 0.06
BELOW = 0.09
# Masks are extremely sparse: a power below 1 lifts small values out of the background.
GAMMA = 0.6
# Not opaque, so that the photo can be seen through the mask.
OPACITY = 0.9
MOST_ENTRIES = 96
"""Largest number of entries drawn across one scale: finer ones would be smaller than a dot and vanish."""
STROKE = 0.8
MOST_STROKES = 1500
FAINTEST = 0.02
# The darkest grey of the faded photo.
_PALEST = 0.76
_KEY = (0.9, 0.1)
_COLOURS = LinearSegmentedColormap.from_list("kept", [f"{SIGNAL}00", f"{SIGNAL}{round(255 * OPACITY):02x}"])


def strip_height(cell: tuple[float, float], found: list[Scale]) -> float:
    """Height of the strip in inches, with cells of this width and height."""
    return CAPTION.height() + 0.06 + cell[1] + BELOW + BAR + 0.05 + CELL.height(1 if _beside(cell[0], found) else 2)


def _beside(width: float, found: list[Scale]) -> bool:
    """Whether the name and the share fit side by side below every cell."""
    return all(CELL.width(f"{scale.name}  {percent(scale.kept)}") <= width for scale in found)


def cell_width(count: int, content: float, most: float) -> float:
    """Width in inches of one of `count` cells that share the width `content`, at most `most`."""
    return min((content - (count - 1) * GAP) / count, most)


def draw_strip(
    page: Page,
    place: tuple[float, float],
    content: float,
    cell: tuple[float, float],
    found: list[Scale],
    photo: Tensor,
    size: tuple[int, int],
    frame: tuple[int, int, int, int],
) -> None:
    """Draw the scales of a mask, each with the share that it keeps.

    Args:
        page: where to draw.
        place: (x, y) of the strip's top left corner, inches.
        content: width of the strip, inches.
        cell: (width, height) of a cell, inches.
        found: the scales.
        photo: (3, h, w) in [0, 1], for the background.
        size: (h, w) of the explained image.
        frame: top, left, height and width of the photo in it.
    """
    x, y = place
    heading = HEADING + (DIRECTED if any(scale.strokes for scale in found) else "")
    page.text(x, y, [heading if CAPTION.width(heading) < content - 2 * sum(_KEY) else HEADING], CAPTION)
    _key(page, x + content, y)
    y += CAPTION.height() + 0.06
    background = _PALEST + (1 - _PALEST) * as_array(photo.float().mean(dim=0, keepdim=True))
    gap = (content - len(found) * cell[0]) / (len(found) - 1)
    beside = _beside(cell[0], found)
    if gap > WIDEST_GAP:
        # Below slim cells the words are wider than the picture.
        words = 0 if beside else max(CELL.width(text) for one in found for text in (one.name, percent(one.kept)))
        gap = min(gap, max(FEW_GAP, words + GAP - cell[0]))
    for number, scale in enumerate(found):
        left = x + number * (cell[0] + gap)
        _draw_map(page, (left, y), cell, scale, background, size, frame)
        _draw_share(page, (left, y + cell[1] + BELOW), cell[0], scale, beside)


def _draw_map(
    page: Page,
    place: tuple[float, float],
    cell: tuple[float, float],
    scale: Scale,
    background: np.ndarray,
    size: tuple[int, int],
    frame: tuple[int, int, int, int],
) -> None:
    (x, y), (width, height), (top, left, rows, columns) = place, cell, frame
    axes = page.axes(x, y, width, height)
    show(axes, background, (left, left + columns, top + rows, top))
    if scale.strokes:
        axes.add_collection(_drawn(scale, size), autolim=False)
    else:
        entries, extent = pooled(scale, size)
        show(axes, entries.clamp(0, 1).pow(GAMMA).numpy(), extent, cmap=_COLOURS, interpolation="nearest")
    axes.set(xlim=(left, left + columns), ylim=(top + rows, top))


def _drawn(scale: Scale, size: tuple[int, int]) -> LineCollection:
    """The largest entries of all directions as strokes, the larger the less transparent."""
    middles, values = strokes(scale, size)
    lines = np.stack([middles[:, :2] - middles[:, 2:], middles[:, :2] + middles[:, 2:]], axis=1)
    colours = _COLOURS(np.power(values, GAMMA))
    return LineCollection(list(lines), colors=colours, linewidths=STROKE, capstyle="butt")


def strokes(scale: Scale, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Middles and halves of a scale's strokes, (k, 4) of x, y, dx, dy in pixels of the image (h, w), and values (k,).

    Entries are drawn from the smallest to the largest, at most `MOST_STROKES`, and none below `FAINTEST`. A stroke is
    as long as the distance between neighbouring entries along its direction.
    """
    found, every = [], []
    for angle, mask in scale.strokes:
        rows, columns = (mask >= FAINTEST).nonzero(as_tuple=True)
        apart = np.array([size[1] / mask.shape[1], size[0] / mask.shape[0]])
        along = np.array([math.cos(angle), math.sin(angle)])
        half = 0.5 / np.abs(along / apart).max() * along
        places = np.stack([columns.numpy(), rows.numpy()], axis=1) * apart
        found.append(np.concatenate([places, np.broadcast_to(half, places.shape)], axis=1))
        every.append(mask[rows, columns].clamp(0, 1).numpy())
    middles, values = np.concatenate(found), np.concatenate(every)
    order = values.argsort(kind="stable")[-MOST_STROKES:]
    return middles[order], values[order]


def _draw_share(page: Page, place: tuple[float, float], width: float, scale: Scale, beside: bool) -> None:
    x, y = place
    bar = page.axes(x, y, width, BAR)
    bar.set(xlim=(0, 1), ylim=(0, 1))
    bar.add_patch(Rectangle((0, 0), 1, 1, facecolor=RULE, linewidth=0))
    bar.add_patch(Rectangle((0, 0), scale.kept, 1, facecolor=SIGNAL, linewidth=0))
    y += BAR + 0.05
    share = percent(scale.kept)
    page.text(x, y, [scale.name] if beside else [scale.name, share], CELL)
    if beside:
        page.text(x + width, y, [share], CELL, "right")


def pooled(scale: Scale, size: tuple[int, int]) -> tuple[Tensor, tuple[float, float, float, float]]:
    """The entries of a scale and their extent; of entries too fine for the page, the largest of each block."""
    left, right, bottom, top = scale.extent(*size)
    block = math.ceil(max(size) / scale.step / MOST_ENTRIES)
    if block <= 1:
        return scale.entries, (left, right, bottom, top)
    entries = max_pool2d(scale.entries[None], block, ceil_mode=True)[0]
    side = block * scale.step
    return entries, (left, left + entries.shape[1] * side, top + entries.shape[0] * side, top)


def _key(page: Page, right: float, y: float) -> None:
    """A colour bar from 0 to 1."""
    width, height = _KEY
    page.text(right, y + 0.02, ["1"], SMALL, "right")
    right -= SMALL.width("1") + 0.06
    axes = page.axes(right - width, y + (CAPTION.height() - height) / 2, width, height)
    show(axes, np.full((1, 1), 0.84), (0, 1, 1, 0))
    ramp = torch.linspace(0, 1, 128).pow(GAMMA)[None].numpy()
    show(axes, ramp, (0, 1, 1, 0), cmap=_COLOURS, interpolation="bilinear")
    page.text(right - width - 0.06, y + 0.02, ["mask  0"], SMALL, "right")

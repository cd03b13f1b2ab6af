"""A photo with everything that is detected in it, numbered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from torch import Tensor

from rdexplain.render import layout
from rdexplain.render.labels import Box, places
from rdexplain.render.layout import MARGIN, SMALL, TITLE, Page, Style

# Okabe and Ito's colours, without the yellow and the black that get lost on photos.
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_SCALE = 1.9
"""Size of the photo relative to a picture of `panel`."""
_LABEL = Style(11, "white", "bold")
_PAD = 0.06


def boxes_panel(photo: Tensor, boxes: Sequence[Box], labels: Sequence[str], *, title: str, note: str = "") -> Figure:
    """Draw boxes with their labels on a photo.

    Args:
        photo: (3, H, W) in [0, 1].
        boxes: left, top, right and bottom of each, as shares of the photo's width and height.
        labels: the text at each box.
        title: the headline.
        note: the small print below.

    Returns:
        a figure with an Agg canvas, not registered with pyplot.
    """
    width, height = (side * _SCALE for side in layout.picture_size(photo))
    heading = layout.wrapped(title, TITLE, width, 2)
    top = MARGIN + TITLE.height(len(heading)) + 0.15
    page = Page(width + 2 * MARGIN, top + height + 0.15 + SMALL.height() + MARGIN * 0.8)
    page.text(MARGIN, MARGIN, heading, TITLE)
    axes = page.picture(MARGIN, top, (width, height), photo)
    rows, columns = photo.shape[-2:]
    # Inches to pixels of the photo.
    across, down = columns / width, rows / height
    labels = [layout.wrapped(label, _LABEL, width - 2 * _PAD)[0] for label in labels]
    sides = [(x0 * width, y0 * height, x1 * width, y1 * height) for x0, y0, x1, y1 in boxes]
    plates = places(sides, [(_LABEL.width(label) + 2 * _PAD, _LABEL.height()) for label in labels], (width, height))
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(labels))]
    for (x0, y0, x1, y1), (left, upper, right, lower), colour in zip(sides, plates, colours, strict=True):
        outline: dict[str, Any] = {"fill": False, "edgecolor": colour, "linewidth": 2.5}
        axes.add_patch(Rectangle((x0 * across, y0 * down), (x1 - x0) * across, (y1 - y0) * down, **outline))
        # A line connects the box with a label that is placed away from it.
        x, y = (left + right) / 2, (upper + lower) / 2
        ends = ((x * across, y * down), (min(max(x, x0), x1) * across, min(max(y, y0), y1) * down))
        axes.add_patch(Polygon(ends, closed=False, **outline))
    for label, (left, upper, right, lower), colour in zip(labels, plates, colours, strict=True):
        plate = ((left * across, upper * down), (right - left) * across, (lower - upper) * down)
        axes.add_patch(Rectangle(*plate, facecolor=colour, edgecolor="white", linewidth=0.5))
        page.text(MARGIN + left + _PAD, top + upper, [label], _LABEL)
    page.text(MARGIN, top + height + 0.15, layout.wrapped(note, SMALL, width), SMALL)
    return page.figure

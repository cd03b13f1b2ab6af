"""A photo with everything that is detected in it, numbered."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from rdexplain.render import layout
from rdexplain.render.layout import MARGIN, SMALL, TITLE, Page, Style

# Okabe and Ito's colours, without the yellow and the black that get lost on photos.
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_SCALE = 1.9
"""The photo is larger than a panel's picture."""
_LABEL = Style(11, "white", "bold")

Box = tuple[float, float, float, float]


def boxes_panel(photo: Tensor, boxes: Sequence[Box], labels: Sequence[str], *, title: str, note: str = "") -> Figure:
    """Draw boxes with their labels on a photo.

    Args:
        photo: (3, H, W) in [0, 1].
        boxes: left, top, right and bottom of each, as shares of the photo's width and height.
        labels: what stands at each box.
        title: the headline.
        note: the small print below.

    Returns:
        a figure with an Agg canvas, unknown to pyplot.
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
    for number, ((x0, y0, x1, y1), label) in enumerate(zip(boxes, labels, strict=True)):
        colour = _COLOURS[number % len(_COLOURS)]
        corner = (x0 * columns, y0 * rows)
        size = ((x1 - x0) * columns, (y1 - y0) * rows)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=2.5))
        # The label stands on the box, or in it at the photo's upper edge, and does not leave the photo.
        tall, wide = _LABEL.height(), _LABEL.width(label) + 0.12
        left = min(x0 * width, width - wide)
        base = y0 * height if y0 * height >= tall else y0 * height + tall
        plate = (left * across, (base - tall) * down)
        axes.add_patch(Rectangle(plate, wide * across, tall * down, facecolor=colour, edgecolor=colour, linewidth=1))
        page.text(MARGIN + left + 0.06, top + base - tall, [label], _LABEL)
    page.text(MARGIN, top + height + 0.15, layout.wrapped(note, SMALL, width), SMALL)
    return page.figure

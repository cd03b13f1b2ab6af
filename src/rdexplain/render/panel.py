"""One explanation on one page: photo, explanation, and what is kept at each scale."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn.functional import max_pool2d

from rdexplain.errors import OptionError
from rdexplain.explanation import Explanation
from rdexplain.render.layout import INK, RULE, SIGNAL, SOFT, Page, Style, as_array, show, wrapped
from rdexplain.render.scales import Scale, scales
from rdexplain.render.words import DOT, decision, figures, is_pixel, one_row, provenance, percent

MARGIN = 0.4
GAP = 0.2
# A picture has about this area whatever its shape, within these sides: all in inches.
SIDE, WIDEST, TALLEST = 3.7, 5.0, 5.0
NARROWEST_PAGE = 7.5
MOST_CELL = 0.62
"""Of a picture's width, the most that a scale's may have."""
CELL_GAP = 0.12
BAR = 0.06
MOST_ENTRIES = 300
"""Across one scale. More would be finer than the dots of the page, so that single ones would vanish."""

TITLE = Style(22, weight="bold")
FIGURES = Style(13)
CAPTION = Style(12, SOFT)
CELL = Style(11)
SMALL = Style(10, SOFT)
NOTICE = Style(12.5, SIGNAL, "bold")

COLLAPSED = "Collapsed: the mask keeps nothing that the model uses, so the picture explains nothing."
KEPT = LinearSegmentedColormap.from_list("kept", [(213 / 255, 94 / 255, 0, 0), (0.835, 0.369, 0, 1)])


def panel(
    explanation: Explanation, row: int = 0, *, title: str | None = None, original: Tensor | None = None
) -> Figure:
    """Draw one row."""
    one = one_row(explanation, row)
    photo = one.images[0] if original is None else _checked(original)
    pictures = _pictures(one, photo)
    bands = [] if is_pixel(one) else scales(one)
    high, wide = photo.shape[-2:]
    width, height = picture_size(high, wide)
    content = max(len(pictures) * width + (len(pictures) - 1) * GAP, NARROWEST_PAGE)
    heading = wrapped(title or decision(one), TITLE, content, 2)
    told = wrapped(DOT.join((decision(one), figures(one))) if title else figures(one), FIGURES, content, 3)
    notice = wrapped(COLLAPSED, NOTICE, content - 0.3, 2) if bool(one.collapsed[0]) else []
    cell = min((content - (len(bands) - 1) * CELL_GAP) / len(bands), MOST_CELL * width) if bands else 0
    cell_high = cell * height / width

    total = MARGIN + TITLE.height(len(heading)) + 0.06 + FIGURES.height(len(told))
    total += (0.2 + NOTICE.height(len(notice)) + 0.16) if notice else 0
    total += 0.22 + CAPTION.height() + 0.05 + height
    total += (0.28 + CAPTION.height() + 0.05 + cell_high + 0.1 + BAR + 0.05 + CELL.height()) if bands else 0
    total += 0.2 + SMALL.height() + MARGIN * 0.7
    page = Page(content + 2 * MARGIN, total)
    y = MARGIN
    page.text(MARGIN, y, heading, TITLE)
    y += TITLE.height(len(heading)) + 0.06
    page.text(MARGIN, y, told, FIGURES)
    y += FIGURES.height(len(told))
    if notice:
        y += 0.2
        page.text(MARGIN + 0.15, y+0.08, notice, NOTICE)
        y += NOTICE.height(len(notice)) + 0.16
    y += 0.22
    gap = (content - len(pictures) * width) / (len(pictures) - 1)
    for number, (caption, picture, cmap) in enumerate(pictures):
        x = MARGIN + number * (width + gap)
        page.text(x, y, [caption], CAPTION)
        page.picture(x, y + CAPTION.height() + 0.05, width, height, picture, cmap=cmap)
    y += CAPTION.height() + 0.05 + height
    if bands:
        y += 0.28
        page.text(MARGIN, y, ["What is kept at each scale, coarse to fine"], CAPTION)
        y += CAPTION.height() + 0.05
        cgap = (content - len(bands)*cell)/(len(bands)-1) if len(bands)>3 else GAP
        for number, scale in enumerate(bands):
            x = MARGIN + number * (cell + cgap)
            _cell(page, x, y, cell, cell_high, scale, photo, tuple(one.images.shape[-2:]))
        y += cell_high + 0.1 + BAR + 0.05 + CELL.height()
    y += 0.2
    page.text(MARGIN, y, [provenance(one)], SMALL)
    return page.figure


def _cell(page, x, y, width, height, scale, photo, size):
    axes = page.axes(x, y, width, height)
    grey = as_array(photo.mean(0, keepdim=True))
    show(axes, 0.62 + 0.38 * grey, (0, size[1], size[0], 0))
    left, right, bottom, top = scale.extent(*size)
    show(axes, scale.entries.numpy(), (left, right, bottom, top), cmap=KEPT, interpolation="nearest")
    axes.set(xlim=(0, size[1]), ylim=(size[0], 0))
    y += height + 0.1
    bar = page.axes(x, y, width, BAR)
    bar.set(xlim=(0, 1), ylim=(0, 1))
    bar.add_patch(Rectangle((0, 0), 1, 1, color="#e4e4e4", lw=0))
    bar.add_patch(Rectangle((0, 0), scale.kept, 1, color=SIGNAL, lw=0))
    y += BAR + 0.05
    page.text(x, y, [scale.name], CELL)
    page.text(x + width, y, [percent(scale.kept)], CELL, "right")


def picture_size(high: int, wide: int) -> tuple[float, float]:
    shape = (high / wide) ** 0.5
    width, height = SIDE / shape, SIDE * shape
    shrink = min(1, WIDEST / width, TALLEST / height)
    return width * shrink, height * shrink


def _pictures(one, photo):
    if is_pixel(one):
        return [("Photo", photo, "gray"), ("Kept pixels", one.picture[0], "copper"), ("Kept pixels of the photo", one.picture_colour[0], "gray")]
    return [("Photo", photo, "gray"), ("Explanation", one.picture[0], "gray"), ("In colour", one.picture_colour[0], "gray")]


def _checked(original: Tensor) -> Tensor:
    return original

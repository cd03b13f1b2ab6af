"""A comparison figure: a row for each photo, a column for each method or network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.render import layout
from rdexplain.render.heat import overlay
from rdexplain.render.layout import INK, MARGIN, RULE, SIGNAL, SMALL, SOFT, Page, Style
from rdexplain.render.marks import framed, lit
from rdexplain.render.words import is_pixel, percent
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap

NOT_APPLICABLE = "not applicable"
_WIDTH = 2.0
"""Width of a column in inches."""
_FLATTEST, _TALLEST = 0.25, 1.6
"""Least and largest height of a picture over its width: a flatter one would be a mere line."""
_GAP, _ROW_GAP, _BELOW = 0.1, 0.16, 0.04
_HEAD = Style(12.5, weight="bold")
_LABEL = Style(10.5, INK)
_NOTE = Style(9.5, SOFT)
_WARNING = Style(9.5, SIGNAL, "bold")


@dataclass(frozen=True, eq=False)
class Cell:
    """The picture that a method gives for a photo.

    Attributes:
        picture: (3, h, w) in [0, 1]; None where the method is not applicable.
        note: the text below the picture, or why there is none.
        warns: whether the note is a warning.
        label: the explained target, above the note, where the cells of a row differ in it.
    """

    picture: Tensor | None
    note: str = ""
    warns: bool = False
    label: str = ""


@dataclass(frozen=True, eq=False)
class Compared:
    """A row: a photo (3, H, W) in [0, 1], the text below it, such as its class, and a cell for each column."""

    photo: Tensor
    label: str
    cells: tuple[Cell, ...]
    note: str = ""


def cell_of(result: Explanation | Heatmap, photo: Tensor) -> Cell:
    """The cell of a result of one row.

    Wavelet explanations are drawn in grey, pixel masks in copper, as published; heatmaps over the photo (3, H, W).
    """
    picture = lit(result, framed(result, result.picture[0]).float())
    if isinstance(result, Heatmap):
        return Cell(overlay(picture, photo) if is_pixel(result) else picture.expand(3, -1, -1))
    if is_pixel(result):
        picture = torch.from_numpy(colormaps["copper"](picture[0].numpy())[..., :3]).permute(2, 0, 1).float()
    collapsed = bool(result.collapsed[0])
    kept = f"keeps {percent(float(result.non_sparsity[0]))}"
    return Cell(picture.expand(3, -1, -1), "collapsed" if collapsed else kept, collapsed)


def comparison(titles: Sequence[str], rows: Sequence[Compared], foot: str = "") -> Figure:
    """Draw the panel.

    Args:
        titles: of the columns after the photo's.
        rows: from top to bottom, each with as many cells as there are titles.
        foot: the text at the bottom, such as the settings that all cells share.

    Returns:
        a figure with an Agg canvas, not registered with pyplot.

    Raises:
        OptionError: no rows, or a row with another number of cells.
    """
    if not rows or any(len(row.cells) != len(titles) for row in rows):
        raise OptionError("a comparison has at least one row, and in each row a cell for every title")
    heads = [_parted(title, _HEAD, 2) for title in ("Photo", *titles)]
    top = MARGIN + _HEAD.height(max(map(len, heads))) + 0.08
    heights = [_WIDTH * min(max(row.photo.shape[-2] / row.photo.shape[-1], _FLATTEST), _TALLEST) for row in rows]
    drawn = [[(cell.label, cell.note) for cell in row.cells if cell.picture is not None] for row in rows]
    below = [
        max(_said(*texts)[2] for texts in ((row.label, row.note), *others))
        for row, others in zip(rows, drawn, strict=True)
    ]
    columns = 1 + len(titles)
    width = columns * _WIDTH + (columns - 1) * _GAP
    foot_top = top + sum(heights) + sum(below) + (len(rows) - 1) * _ROW_GAP + 0.12
    page = Page(width + 2 * MARGIN, foot_top + (SMALL.height() if foot else 0) + MARGIN * 0.6)
    for number, head in enumerate(heads):
        # A title of one line is level with the second line of longer ones.
        page.text(_left(number), top - 0.08 - _HEAD.height(len(head)), head, _HEAD)
    y = top
    for row, height, under in zip(rows, heights, below, strict=True):
        page.picture(_left(0), y, (_WIDTH, height), row.photo)
        _say(page, (_left(0), y + height), row.label, row.note)
        for number, cell in enumerate(row.cells, start=1):
            _draw(page, (_left(number), y), height, cell)
        y += height + under + _ROW_GAP
    if foot:
        page.text(MARGIN, foot_top, layout.wrapped(foot, SMALL, width), SMALL)
    return page.figure


def _left(column: int) -> float:
    return MARGIN + column * (_WIDTH + _GAP)


def _parted(text: str, style: Style, most: int) -> list[str]:
    """The text in lines of a column's width. A name without blanks, as a network's, may break after punctuation."""
    ends = [found.end() for found in re.finditer(r"[^\w\s]|_", text)]
    if " " in text or style.width(text) <= _WIDTH or most == 1 or not ends:
        return layout.wrapped(text, style, _WIDTH, most)
    end = max((end for end in ends if style.width(text[:end]) <= _WIDTH), default=ends[0])
    return [*layout.wrapped(text[:end], style, _WIDTH), *_parted(text[end:], style, most - 1)]


def _said(label: str, note: str) -> tuple[list[str], list[str], float]:
    """The text below a picture: lines of its label, lines of its note, and their height in inches."""
    labels = _parted(label, _LABEL, 2) if label else []
    notes = layout.wrapped(note, _NOTE, _WIDTH) if note else []
    return labels, notes, _BELOW + _LABEL.height(len(labels)) + _NOTE.height(len(notes))


def _say(page: Page, place: tuple[float, float], label: str, note: str, style: Style = _NOTE) -> None:
    x, y = place
    labels, notes, _ = _said(label, note)
    page.text(x, y + _BELOW, labels, _LABEL)
    page.text(x, y + _BELOW + _LABEL.height(len(labels)), notes, style)


def _draw(page: Page, place: tuple[float, float], height: float, cell: Cell) -> None:
    x, y = place
    if cell.picture is not None:
        page.picture(x, y, (_WIDTH, height), cell.picture)
        _say(page, (x, y + height), cell.label, cell.note, _WARNING if cell.warns else _NOTE)
        return
    axes = page.axes(x, y, _WIDTH, height)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.add_patch(Rectangle((0, 0), 1, 1, facecolor="#f4f4f4", edgecolor=RULE, linewidth=1))
    room = _WIDTH - 0.24
    lines = max(1, int((height - 0.24 - _LABEL.height()) / _NOTE.height()))
    reason = layout.wrapped(cell.note, _NOTE, room, lines)
    start = y + max(0.12, (height - _LABEL.height() - _NOTE.height(len(reason))) / 2)
    page.text(x + 0.12, start, [NOT_APPLICABLE], _LABEL)
    page.text(x + 0.12, start + _LABEL.height(), reason, _NOTE)

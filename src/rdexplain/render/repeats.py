"""What repeated solutions have in common: what all of them keep, and what only some do."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.methods.repeats import KEPT, separates
from rdexplain.render import layout
from rdexplain.render.layout import CAPTION, FIGURES, MARGIN, SMALL, TITLE, Page
from rdexplain.render.marks import framed
from rdexplain.render.words import headings, is_pixel, one_row, percent, provenance, things
from rdexplain.results.explanation import Explanation, mask_picture

SURE = 0.8
"""A coefficient or pixel is called sure if at least this share of the solutions keep it."""
_CAPTION_GAP = 0.06


def repeats_panel(explanation: Explanation, row: int = 0, *, original: Tensor | None = None) -> Figure:
    """Draw how sure one row of an explanation is.

    Pictures side by side: the photo; the coefficients (or pixels) that 80 % of the solutions keep, or more; those that
    fewer keep, which can replace each other. Where all solutions keep everything, or all nothing, none is called sure.

    Args:
        explanation: made with ``explain(..., repeats=m)``.
        row: the row to draw.
        original: (3, H, W) in [0, 1], the photo before it was resized, as for `panel`.

    Returns:
        a figure with an Agg canvas, not registered with pyplot.

    Raises:
        OptionError: no such row, or the explanation was solved once.
    """
    one = one_row(explanation, row)
    if one.selection_frequency is None or one.agreement is None:
        raise OptionError("the explanation was solved once: make it with explain(..., repeats=5)")
    frequency = one.selection_frequency
    sure = [(band >= SURE).to(band) for band in frequency]
    some = [(band * (band < SURE)).to(band) for band in frequency]
    counts = [int(sum(int((band > 0).sum()) for band in bands)) for bands in (sure, some)]
    every = torch.cat([band.flatten(1) for band in frequency], dim=1)
    told = bool(separates(every))
    found = "Sure" if told else "Kept by all"
    photo = framed(one, one.images[0]) if original is None else layout.checked_photo(original)
    options = {"cmap": "copper"} if is_pixel(one) else {}
    pictures: list[tuple[str, Tensor, dict[str, str]]] = [
        ("Photo", photo, {}),
        (f"{found}: {counts[0]} {things(one)}", _picture(one, sure), options),
        (f"One of several ways: {counts[1]}", _picture(one, some), options),
    ]
    width, height = size = layout.picture_size(photo)
    content, lefts = layout.in_a_row(len(pictures), width)
    heading, said = headings(one, None, content)
    if told:
        shared = f"two solutions have {percent(float(one.agreement[0]))} of what they keep in common"
        meant = f"Sure is what {percent(SURE)} of them keep, with a mask value above {KEPT:g}."
    else:
        shared = f"all of them keep {f'all {things(one)}' if counts[0] else 'nothing'}"
        meant = f"With a mask value above {KEPT:g} as kept, nothing is told apart, so none is sure."
    words = f"Solved {one.repeats} times with other noise: {shared}. {meant}"
    said += layout.wrapped(words, FIGURES, content, 3)
    said_top = MARGIN + TITLE.height(len(heading)) + 0.05
    pictures_top = said_top + FIGURES.height(len(said)) + 0.2
    foot_top = pictures_top + CAPTION.height() + _CAPTION_GAP + height + 0.2
    page = Page(content + 2 * MARGIN, foot_top + SMALL.height() + MARGIN * 0.8)
    page.text(MARGIN, MARGIN, heading, TITLE)
    page.text(MARGIN, said_top, said, FIGURES)
    for x, (caption, picture, how) in zip(lefts, pictures, strict=True):
        page.text(x, pictures_top, layout.wrapped(caption, CAPTION, width), CAPTION)
        page.picture(x, pictures_top + CAPTION.height() + _CAPTION_GAP, size, picture, **how)
    page.text(MARGIN, foot_top, layout.wrapped(provenance(one), SMALL, content), SMALL)
    return page.figure


def _picture(one: Explanation, mask: list[Tensor]) -> Tensor:
    return framed(one, mask_picture(one.representation, one.images, mask)[0])

"""One explanation on one page: the photo, what is kept of it, and what is kept at each scale."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from rdexplain.render import layout
from rdexplain.render.layout import CAPTION, FIGURES, MARGIN, SIGNAL, SMALL, TITLE, Page
from rdexplain.render.marks import box_in_frame, frame_of, framed, lit, tinted
from rdexplain.render.scales import scales
from rdexplain.render.strip import cell_width, draw_strip, strip_height
from rdexplain.render.words import figures, headings, is_pixel, one_row, percent, provenance
from rdexplain.results.explanation import Explanation
from rdexplain.results.focus import inside

COLLAPSED = "Collapsed: this mask keeps nothing that the model uses. Its picture explains nothing."
_MOST_CELL = 0.6
"""Largest width of a scale's cell over that of a picture."""
_CAPTION_GAP = 0.06


def panel(
    explanation: Explanation, row: int = 0, *, title: str | None = None, original: Tensor | None = None
) -> Figure:
    """Draw one row of an explanation for a talk.

    Pictures side by side: the photo, the explanation in grey, the explanation in colour; for a mask of pixels the
    photo, the mask (copper, as published) and the photo times the mask. The explained region of a segmentation is a
    picture of its own beside the photo, an explained object has its box. Below, for a wavelet mask, what is kept at
    each scale, from coarse to fine: the mask on the faded photo, the mean over the orientations, in
    colours that lift small values; a bar and a number give the mean mask value of the scale.

    Args:
        explanation: of one row or many.
        row: the row to draw.
        title: the headline; by default the class and its probability, which with a title go to the line below.
        original: (3, H, W) in [0, 1], the photo before it was resized. It is shown in place of the explained image,
            and all pictures have its aspect ratio.

    Returns:
        a figure with an Agg canvas, not registered with pyplot; its size follows from the content.

    Raises:
        OptionError: no such row, or `original` is no (3, H, W) tensor.
    """
    one = one_row(explanation, row)
    photo = framed(one, one.images[0]) if original is None else layout.checked_photo(original)
    pictures = _pictures(one, photo)
    found = [] if is_pixel(one) else scales(one)
    width, height = size = layout.picture_size(photo)
    content, lefts = layout.in_a_row(len(pictures), width)
    heading, said = headings(one, title, content)
    said += layout.wrapped(figures(one), FIGURES, content, 2)
    collapsed = bool(one.collapsed[0])
    notice = layout.wrapped(COLLAPSED, layout.NOTICE, layout.notice_width(content), 2) if collapsed else []
    cell = cell_width(len(found), content, _MOST_CELL * width) if found else 0.0
    cell_size = (cell, cell * height / width)

    # The tops of the parts, one below the other.
    said_top = MARGIN + TITLE.height(len(heading)) + 0.05
    notice_top = said_top + FIGURES.height(len(said)) + 0.2
    pictures_top = notice_top + (layout.notice_height(notice) + 0.2 if notice else 0)
    strip_top = pictures_top + CAPTION.height() + _CAPTION_GAP + height + 0.26
    foot_top = strip_top + (strip_height(cell_size, found) + 0.2 if found else -0.06)
    page = Page(content + 2 * MARGIN, foot_top + SMALL.height() + MARGIN * 0.8)

    page.text(MARGIN, MARGIN, heading, TITLE)
    page.text(MARGIN, said_top, said, FIGURES)
    if notice:
        page.notice(notice_top, notice)
    for x, (caption, picture, options) in zip(lefts, pictures, strict=True):
        page.text(x, pictures_top, layout.wrapped(caption, CAPTION, width), CAPTION)
        axes = page.picture(x, pictures_top + CAPTION.height() + _CAPTION_GAP, size, picture, **options)
        _draw_box(axes, one, picture)
    if found:
        shape = (one.images.shape[-2], one.images.shape[-1])
        draw_strip(page, (MARGIN, strip_top), content, cell_size, found, photo, shape, frame_of(one))
    page.text(MARGIN, foot_top, layout.wrapped(provenance(one), SMALL, content), SMALL)
    return page.figure


def _pictures(one: Explanation, photo: Tensor) -> list[tuple[str, Tensor, dict[str, str]]]:
    """Caption, picture (1 or 3, h, w) and options of imshow, from left to right."""
    colour, picture = (lit(one, framed(one, found[0])) for found in (one.picture_colour, one.picture))
    about: list[tuple[str, Tensor, dict[str, str]]] = [("Photo", photo, {})]
    if one.region is not None:
        share = percent(float(one.region[0].float().mean()))
        region = tinted(photo, framed(one, inside(one)[0]))
        about.append((f"Predicted {one.labels[0]}, {share} of the photo", region, {}))
    if is_pixel(one):
        # The mask is one of single pixels: where they are large enough, they are drawn as squares.
        squares = {"interpolation": "auto"}
        return [*about, ("Kept pixels", picture, {"cmap": "copper", **squares}), ("In colour", colour, squares)]
    return [*about, ("Explanation", picture, {}), ("In colour", colour, {})]


def _draw_box(axes: Axes, one: Explanation, picture: Tensor) -> None:
    box = box_in_frame(one)
    if box is None:
        return
    rows, columns = picture.shape[-2:]
    left, top, right, bottom = box
    corner = (left * columns, top * rows)
    width, height = (right - left) * columns, (bottom - top) * rows
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=SIGNAL, linewidth=2))

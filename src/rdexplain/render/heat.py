"""A heatmap on one page: the photo, the heat over it, and the scores themselves."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import interpolate

from rdexplain.render import layout
from rdexplain.render.layout import CAPTION, FIGURES, MARGIN, SMALL, TITLE, Page, show
from rdexplain.render.marks import framed
from rdexplain.render.words import DOT, headings, is_pixel, one_row, provenance
from rdexplain.results.heatmap import Heatmap

# Perceptually uniform, without its darkest part, which would look like shadows in the photo.
HEAT = LinearSegmentedColormap.from_list("heat", colormaps["inferno"](np.linspace(0.3, 1, 256)))
SCORES = colormaps["inferno"]
SIGNED = colormaps["RdBu_r"]
_DIMMED = 0.85
_OPACITY = 0.8
_KEY_WIDTH, _KEY_HEIGHT = 1.6, 0.1


def heat_panel(heatmap: Heatmap, row: int = 0, *, title: str | None = None, original: Tensor | None = None) -> Figure:
    """Draw one row of a heatmap for a talk.

    Pictures side by side: the photo; the positive scores in colour over the photo in grey; the scores themselves,
    signed ones from blue (against the class) over white to red (for it). For wavelet scores there are two, the photo
    and the picture in grey.

    Args:
        heatmap: of one row or many.
        row: the row to draw.
        title: the headline; by default the class and its probability, which with a title go to the line below.
        original: (3, H, W) in [0, 1], the photo before it was resized, shown in place of the explained image.

    Returns:
        a figure with an Agg canvas, not registered with pyplot; its size follows from the content.

    Raises:
        OptionError: no such row, or `original` is no (3, H, W) tensor.
    """
    one = one_row(heatmap, row)
    photo = framed(one, one.images[0]) if original is None else layout.checked_photo(original)
    pictures = _pictures(one, photo)
    width, height = size = layout.picture_size(photo)
    content, lefts = layout.in_a_row(len(pictures), width)
    heading, said = headings(one, title, content)
    said += layout.wrapped(_settings(one), FIGURES, content, 1)

    said_top = MARGIN + TITLE.height(len(heading)) + 0.05
    pictures_top = said_top + FIGURES.height(len(said)) + 0.2
    key_top = pictures_top + CAPTION.height() + 0.06 + height + 0.1
    foot_top = key_top + (SMALL.height() + 0.1 if is_pixel(one) else 0)
    page = Page(content + 2 * MARGIN, foot_top + SMALL.height() + MARGIN * 0.8)
    page.text(MARGIN, MARGIN, heading, TITLE)
    page.text(MARGIN, said_top, said, FIGURES)
    for x, (caption, picture, options, key) in zip(lefts, pictures, strict=True):
        page.text(x, pictures_top, [caption], CAPTION)
        page.picture(x, pictures_top + CAPTION.height() + 0.06, size, picture, **options)
        if key is not None:
            room = max(width, _KEY_WIDTH)  # below a slim picture its words would lie over each other
            _draw_key(page, (min(x, MARGIN + content - room), key_top), room, *key)
    page.text(MARGIN, foot_top, layout.wrapped(provenance(one), SMALL, content), SMALL)
    return page.figure


def overlay(picture: Tensor, photo: Tensor) -> Tensor:
    """A picture (1, h, w) in [0, 1] as heat over a photo (3, H, W) in grey: (3, H, W)."""
    heat = interpolate(picture[None].float(), size=photo.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    heat = heat.clamp(0, 1)
    grey = photo.float().mean(dim=0).mul(_DIMMED)
    colours = torch.from_numpy(HEAT(heat.numpy())[..., :3]).permute(2, 0, 1).float()
    opacity = _OPACITY * heat.pow(0.75)
    return (1 - opacity) * grey + opacity * colours


_Key = tuple[Colormap, str, str]
_Picture = tuple[str, Tensor, dict[str, object], _Key | None]


def _pictures(one: Heatmap, photo: Tensor) -> list[_Picture]:
    """Caption, picture, options of imshow and the key's colours and ends, from left to right."""
    picture = framed(one, one.picture[0])
    if not is_pixel(one):
        return [("Photo", photo, {}, None), ("Coefficients by their scores", picture, {}, None)]
    scores = framed(one, one.scores[0])
    about: list[_Picture] = [
        ("Photo", photo, {}, None),
        ("Over the photo", overlay(picture, photo), {}, (HEAT, "0", "high score")),
    ]
    squares = {"interpolation": "auto"}
    if bool((scores < 0).any()):
        size = scores.abs().flatten()
        most = size.kthvalue(max(1, round(0.99 * len(size)))).values
        most = most if bool(most > 0) else size.max()
        signed = 0.5 + 0.5 * (scores / most).clamp(-1, 1)
        return [*about, ("Scores", signed, {"cmap": SIGNED, **squares}, (SIGNED, "against", "for"))]
    return [*about, ("Scores", picture, {"cmap": SCORES, **squares}, (SCORES, "0", "high score"))]


def _draw_key(page: Page, place: tuple[float, float], width: float, colours: Colormap, low: str, high: str) -> None:
    """A colour bar with a label at each end."""
    x, y = place
    page.text(x, y, [low], SMALL)
    page.text(x + width, y, [high], SMALL, "right")
    left, right = x + SMALL.width(low) + 0.08, x + width - SMALL.width(high) - 0.08
    axes = page.axes(left, y + (SMALL.height() - _KEY_HEIGHT) / 2, right - left, _KEY_HEIGHT)
    show(axes, np.linspace(0, 1, 256)[None], (0, 1, 1, 0), cmap=colours, interpolation="bilinear")


def _settings(one: Heatmap) -> str:
    """The attributed score and the most important options, in one line."""
    options = one.options
    said = [f"scores of the {options['score']}"] if "score" in options else ["random scores"]
    names = {
        "layer": "layer {}",
        "rule": "rule {}",
        "steps": "{} steps",
        "references": "{} random references",
        "n_samples": "{} samples",
        "segments": "about {} superpixels",
    }
    said += [text.format(options[name]) for name, text in names.items() if options.get(name) is not None]
    return DOT.join(text.replace(" ", "\N{NO-BREAK SPACE}") for text in said)

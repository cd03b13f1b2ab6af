"""A page in inches, measured from its top left corner, and text that fits into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath
from PIL import Image
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.text.names import printable
from rdexplain.text.quiet import quietly

# Set explicitly, so that the picture does not depend on rcParams. This font comes with matplotlib.
FONT = "DejaVu Sans"
MISSING = "Glyph .* missing from font"
"""matplotlib's warning about a character that the font lacks, which is silenced: the picture shows a box for it."""
LEADING = 1.35
INK = "#1a1a1a"
SOFT = "#595959"
RULE = "#e2e2e2"
# Okabe and Ito's vermilion: distinct from every grey for every kind of colour vision.
SIGNAL = "#d55e00"
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Style:
    """How a text is set; `size` in points."""

    size: float
    colour: str = INK
    weight: str = "normal"

    @property
    def font(self) -> FontProperties:
        return FontProperties(family=FONT, size=self.size, weight=self.weight, style="normal", stretch="normal")

    def height(self, lines: int = 1) -> float:
        """Height of this many lines in inches."""
        return lines * self.size * LEADING / 72

    def width(self, text: str) -> float:
        """Width of a line in inches, plus 2 %: hinting on a screen moves letters apart."""
        with quietly(MISSING):
            return 1.02 * float(TextToPath().get_text_width_height_descent(text, self.font, False)[0]) / 72


TITLE = Style(22, weight="bold")
FIGURES = Style(13)
NOTICE = Style(12.5, weight="bold")
CAPTION = Style(12, SOFT)
SMALL = Style(10, SOFT)

MARGIN = 0.4
GAP = 0.2
NARROWEST = 7.9
"""Least width of the content in inches, so that a line of figures fits above slim pictures."""
# A picture has about the same area whatever its shape; all in inches.
_SIDE, _LONGEST = 3.7, 5.2
_LEANEST = 10
"""Largest ratio of a picture's sides: a more elongated one would be a mere line."""
_NOTICE_PAD = 0.14


def wrapped(text: str, style: Style, width: float, most: int = 1, tail: str = "") -> list[str]:
    """The text in at most `most` lines, each at most `width` inches wide.

    Longer text is cut and ends in an ellipsis and the tail, which is always shown.
    """
    lines: list[str] = []
    text, tail = printable(text), printable(tail)
    words = f"{text}{tail}".split(" ")
    while words and len(lines) < most:
        count = len(words)
        while count > 1 and len(lines) < most - 1 and style.width(" ".join(words[:count])) > width:
            count -= 1
        line, words = " ".join(words[:count]), words[count:]
        lines.append(_cut(line, style, width, "" if words else tail))
    return lines


def _cut(line: str, style: Style, width: float, tail: str) -> str:
    if style.width(line) <= width:
        return line
    end = _ELLIPSIS + tail
    line = line.removesuffix(tail)
    while line and style.width(line + end) > width:
        line = line[:-1]
    return line.rstrip(" ,") + end


def picture_size(picture: Tensor) -> tuple[float, float]:
    """Width and height in inches at which a picture (c, h, w) is drawn."""
    shape = min(max(picture.shape[-2] / picture.shape[-1], 1 / _LEANEST), _LEANEST) ** 0.5
    width, height = _SIDE / shape, _SIDE * shape
    shrink = min(1, _LONGEST / max(width, height))
    return width * shrink, height * shrink


def in_a_row(count: int, width: float) -> tuple[float, list[float]]:
    """Width of a page's content with `count` pictures side by side, and the left edge of each; all in inches."""
    content = max(count * width + (count - 1) * GAP, NARROWEST)
    gap = (content - count * width) / (count - 1)
    return content, [MARGIN + number * (width + gap) for number in range(count)]


class Page:
    """A figure of a size in inches; places count from its top left corner, downwards."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=100, facecolor="white", edgecolor="white", linewidth=0)
        # Places are given explicitly: no layout engine from rcParams may move them.
        self.figure.set_layout_engine("none")
        FigureCanvasAgg(self.figure)

    def text(self, x: float, y: float, lines: list[str], style: Style, align: str = "left") -> None:
        """Lines of text, the first one's top at y."""
        for number, line in enumerate(lines):
            self.figure.text(
                x / self.width,
                # Baselines, so that lines with and without descenders are spaced alike.
                1 - (y + style.height(number + 1) - 0.38 * style.size / 72) / self.height,
                printable(line),
                fontproperties=style.font,
                color=style.colour,
                ha=align,
                va="baseline",
                # Dollar signs in a label are no formulas.
                parse_math=False,
                usetex=False,
            )

    def notice(self, y: float, lines: list[str]) -> float:
        """A highlighted warning across the page at y. Returns its height in inches."""
        height = notice_height(lines)
        axes = self.axes(MARGIN, y, self.width - 2 * MARGIN, height)
        axes.set(xlim=(0, self.width - 2 * MARGIN), ylim=(0, 1))
        axes.add_patch(Rectangle((0, 0), self.width, 1, facecolor="#fbe9dc", linewidth=0))
        axes.add_patch(Rectangle((0, 0), 0.06, 1, facecolor=SIGNAL, linewidth=0))
        self.text(MARGIN + 0.06 + _NOTICE_PAD, y + _NOTICE_PAD / 2, lines, NOTICE)
        return height

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes without a frame, placed in inches."""
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place)
        axes.set_axis_off()
        return axes

    def picture(self, x: float, y: float, size: tuple[float, float], picture: Tensor, **options: Any) -> Axes:
        """A picture (1 or 3, h, w) in [0, 1], stretched to `size` inches; the axes count the picture's own pixels."""
        axes = self.axes(x, y, *size)
        rows, columns = picture.shape[-2:]
        show(axes, as_array(picture), (0, columns, rows, 0), **options)
        axes.set(xlim=(0, columns), ylim=(rows, 0))
        return axes


def notice_width(content: float) -> float:
    """Width of a notice's text in inches, for this width of the content."""
    return content - 0.06 - 2 * _NOTICE_PAD


def notice_height(lines: list[str]) -> float:
    """Height of a notice in inches."""
    return NOTICE.height(len(lines)) + _NOTICE_PAD


def show(axes: Axes, pixels: np.ndarray, extent: tuple[float, float, float, float], **options: Any) -> None:
    """``imshow`` with every option that rcParams would otherwise set."""
    options = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "bicubic", **options}
    axes.imshow(
        pixels, extent=extent, aspect="auto", origin="upper", resample=True, interpolation_stage="auto", **options
    )


def as_array(picture: Tensor) -> np.ndarray:
    """(1 or 3, h, w) to (h, w) or (h, w, 3), float32 in [0, 1]."""
    pixels = picture.detach().cpu().float().clamp(0, 1)
    return (pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)).numpy()


def as_image(picture: Tensor) -> Image.Image:
    """A picture (1 or 3, h, w) in [0, 1] as Pillow's, rounded to 8 bits; NaN is black."""
    return Image.fromarray((as_array(picture.float().nan_to_num()) * 255).round().astype(np.uint8))


def checked_photo(original: Tensor) -> Tensor:
    """The photo, or OptionError unless it is (3, H, W)."""
    if original.ndim != 3 or original.shape[0] != 3 or 0 in original.shape:
        raise OptionError(f"original is one photo (3, H, W), not {tuple(original.shape)}")
    return original

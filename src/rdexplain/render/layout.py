"""A page in inches, measured from its top left corner, and text that fits into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from torch import Tensor

# Named outright, so that the picture does not depend on anyone's rcParams. This font comes with matplotlib.
FONT = "DejaVu Sans"
INK = "#1a1a1a"
SOFT = "#595959"
RULE = "#d0d0d0"
# Vermilion of Okabe and Ito: apart from every grey for every kind of colour vision.
SIGNAL = "#d55e00"
LEADING = 1.35
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Style:
    """How a text is set. `size` is in points."""

    size: float
    colour: str = INK
    weight: str = "normal"

    @property
    def font(self) -> FontProperties:
        return FontProperties(family=FONT, size=self.size, weight=self.weight)

    def height(self, lines: int = 1) -> float:
        """Inches that so many lines take."""
        return lines * self.size * LEADING / 72

    def width(self, text: str) -> float:
        """Inches that a line takes."""
        return float(TextToPath().get_text_width_height_descent(text, self.font, False)[0]) / 72


def wrapped(text: str, style: Style, width: float, most: int = 1) -> list[str]:
    """The text in at most so many lines of at most that width in inches; what is too much ends in an ellipsis."""
    lines: list[str] = []
    words = [word for word in text.split(" ") if word]
    while words and len(lines) < most:
        count = len(words)
        while count > 1 and style.width(" ".join(words[:count])) > width:
            count -= 1
        if len(lines) == most - 1:
            count = len(words)
        lines.append(_cut(" ".join(words[:count]), style, width))
        words = words[count:]
    return lines or [""]


def _cut(line: str, style: Style, width: float) -> str:
    if style.width(line) <= width:
        return line
    while line and style.width(line + _ELLIPSIS) > width:
        line = line[:-1]
    return line.rstrip() + _ELLIPSIS


class Page:
    """A figure of a size in inches; places count from its top left corner, downwards."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=100, facecolor="white", layout="none")
        FigureCanvasAgg(self.figure)

    def text(self, x: float, y: float, lines: list[str], style: Style, align: str = "left") -> None:
        """Lines of text, the first one's top at y."""
        for number, line in enumerate(lines):
            # A label may hold dollar signs: they are no formulas.
            self.figure.text(
                x / self.width,
                1 - (y + style.height(number + 1) - style.size * 0.38 / 72) / self.height,
                line,
                fontproperties=style.font,
                color=style.colour,
                ha=align,
                va="baseline",
                parse_math=False,
                usetex=False,
            )

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Bare axes."""
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place)
        axes.set_axis_off()
        return axes

    def picture(self, x: float, y: float, width: float, height: float, picture: Tensor, **options: Any) -> Axes:
        """A picture (1 or 3, h, w) in [0, 1] that fills its place, whatever its own shape."""
        axes = self.axes(x, y, width, height)
        rows, columns = picture.shape[-2:]
        show(axes, as_array(picture), (0, columns, rows, 0), **options)
        axes.set(xlim=(0, columns), ylim=(rows, 0))
        return axes


def show(axes: Axes, pixels: np.ndarray, extent: tuple[float, float, float, float], **options: Any) -> None:
    """``imshow`` with every option that rcParams would otherwise set."""
    options = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "bicubic", **options}
    axes.imshow(pixels, extent=extent, aspect="auto", origin="upper", resample=True, **options)


def as_array(picture: Tensor) -> np.ndarray:
    """(1 or 3, h, w) to (h, w) or (h, w, 3), float32 in [0, 1]."""
    pixels = picture.detach().cpu().float().clamp(0, 1)
    return (pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)).numpy()

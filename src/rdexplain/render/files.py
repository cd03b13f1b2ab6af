"""Writes figures and pictures to files, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.render.heat import heat_panel
from rdexplain.render.layout import MISSING, as_image
from rdexplain.render.panel import panel
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap
from rdexplain.results.result import Result
from rdexplain.results.storage import whole_file
from rdexplain.text.quiet import quietly

# Dates and versions are left out, so that the same figure always gives the same bytes.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Creator": None, "Date": None},
}
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
}


def save_panel(
    explanation: Explanation | Heatmap,
    path: str | Path,
    row: int = 0,
    *,
    title: str | None = None,
    original: Tensor | None = None,
    dpi: float = 160,
) -> Path:
    """Draw one row of an explanation, see `panel`, or of a heatmap, see `heat_panel`, and write it.

    Args:
        explanation: of one row or many.
        path: the file; its suffix says what it will be: ``.png``, ``.pdf`` or ``.svg``.
        row: the row to draw.
        title: see `panel`.
        original: see `panel`.
        dpi: dots per inch. At 160, three square photos make a PNG about 1970 dots wide.

    Returns:
        the path.

    Raises:
        OptionError: another suffix, no such row, or an `original` of another shape.
        OSError: the folder is missing or full. The file appears whole or not at all.
    """
    path = Path(path)
    _known(path, _METADATA)  # before the work of drawing
    return save_figure(figure_of(explanation, row, title=title, original=original), path, dpi=dpi)


def figure_of(result: Result, row: int = 0, *, title: str | None = None, original: Tensor | None = None) -> Figure:
    """`panel` of an explanation, `heat_panel` of a heatmap."""
    if isinstance(result, Heatmap):
        return heat_panel(result, row, title=title, original=original)
    if isinstance(result, Explanation):
        return panel(result, row, title=title, original=original)
    raise TypeError(f"an Explanation or a Heatmap is drawn, not {type(result).__name__}")


def save_figure(figure: Figure, path: str | Path, *, dpi: float = 160) -> Path:
    """Write a figure, such as that of `samples_panel`. The same figure makes the same bytes, except for SVG's ids.

    Args:
        figure: any matplotlib figure.
        path: the file, ``.png``, ``.pdf`` or ``.svg``.
        dpi: dots per inch.

    Returns:
        the path.

    Raises:
        OptionError: another suffix.
        OSError: the folder is missing or full. The file appears whole or not at all.
    """
    path = Path(path)
    suffix = _known(path, _METADATA)
    with whole_file(path) as temporary, quietly(MISSING):
        figure.savefig(
            temporary, format=suffix[1:], dpi=dpi, facecolor="white", edgecolor="white", metadata=_METADATA[suffix]
        )
    return path


def save_picture(path: str | Path, picture: Tensor) -> Path:
    """Write a bare picture, such as ``explanation.picture[0]``, pixel by pixel.

    Args:
        path: the file, ``.png``, ``.jpg`` or ``.jpeg``.
        picture: (1, h, w) grey or (3, h, w) RGB, in [0, 1]; values outside are clamped. It is rounded to 8 bits.

    Returns:
        the path.

    Raises:
        OptionError: another suffix or shape, or values that are not finite.
        OSError: the folder is missing or full. The file appears whole or not at all.
    """
    path = Path(path)
    kind, options = _FORMATS[_known(path, _FORMATS)]
    if picture.ndim != 3 or picture.shape[0] not in (1, 3) or 0 in picture.shape:
        raise OptionError(f"a picture is (1, h, w) or (3, h, w), not {tuple(picture.shape)}")
    if not bool(picture.isfinite().all()):
        raise OptionError("the picture has values that are not finite")
    image = as_image(picture)
    with whole_file(path) as temporary:
        image.save(temporary, kind, **options)
    return path


def _known(path: Path, suffixes: dict[str, Any]) -> str:
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise OptionError(f"{path.name} must end in {', '.join(suffixes)}: that says what kind of file it will be")
    return suffix

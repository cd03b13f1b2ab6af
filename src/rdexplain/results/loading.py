"""Results from disk, as the kind that was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from rdexplain.errors import RDExplainError
from rdexplain.results import storage
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap

_Kind = TypeVar("_Kind", Explanation, Heatmap)


def load_explanation(path: str | Path) -> Explanation:
    """Read what `Explanation.save` wrote.

    Args:
        path: with or without one of the two suffixes.

    Raises:
        RDExplainError: the file is missing, is not an explanation, is damaged (a mask of another layout, or with values
            outside [0, 1]), or was written by a newer version.
    """
    return _made(Explanation, path)


def load_heatmap(path: str | Path) -> Heatmap:
    """Read what `Heatmap.save` wrote.

    Args:
        path: with or without one of the two suffixes.

    Raises:
        RDExplainError: the file is missing, is not a heatmap, is damaged (scores of another layout, or that are not
            finite), or was written by a newer version.
    """
    return _made(Heatmap, path)


def load_result(path: str | Path) -> Explanation | Heatmap:
    """Read what `Explanation.save` or `Heatmap.save` wrote; errors as `load_explanation`'s."""
    layout, found = storage.read(path, (Explanation.LAYOUT, Heatmap.LAYOUT))
    if layout is Explanation.LAYOUT:
        return _built(Explanation, path, found)
    return _built(Heatmap, path, found)


def _made(kind: type[_Kind], path: str | Path) -> _Kind:
    return _built(kind, path, storage.read(path, (kind.LAYOUT,))[1])


def _built(kind: type[_Kind], path: str | Path, found: dict[str, Any]) -> _Kind:
    try:
        made = kind(**found)
        check(made)
        return made
    except (KeyError, TypeError, ValueError) as error:
        file = storage.paths(path)[0]
        raise RDExplainError(f"{file} is not an explanation, or is damaged: {type(error).__name__}: {error}") from error


def check(made: Explanation | Heatmap) -> None:
    """ValueError where bands are not those of the images, or values are none that a method gives.

    Nothing that is made of a damaged mask looks wrong: pictures and figures come out of it as of any other.
    """
    layout = [(len(made), *band.shape) for band in made.representation.transform_of(made.images).bands]
    for name in made.LAYOUT.bands:
        bands = getattr(made, name)
        if bands is not None and [tuple(band.shape) for band in bands] != layout:
            raise ValueError(f"the {name} does not have the layout of the images' coefficients")
    if isinstance(made, Explanation):
        if not all(bool(((band >= 0) & (band <= 1)).all()) for band in made.mask):
            raise ValueError("the mask has values outside [0, 1]")
    elif not all(bool(band.isfinite().all()) for band in made.scores):
        raise ValueError("the scores are not all finite")

"""The panel of figures 8 and 9: the photo, what is explained of it, and its explanations, object by object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import interpolate

from rdexplain.errors import PhotoError
from rdexplain.photos.images import load_photo
from rdexplain.render.comparison import Cell, Compared, cell_of, comparison
from rdexplain.render.marks import frame_of, framed, outlined, shares_of_frame, tinted
from rdexplain.render.words import percent
from rdexplain.results.explanation import Explanation
from rdexplain.results.focus import inside
from rdexplain.work.studies.figures import decision
from rdexplain.work.studies.recipe import Results, Row, Unit

MOST = 3
"""Objects of a photo that are drawn, from the largest or most confident on."""
_SIDE = 640
"""Longest side, in pixels, of a photo in the panel."""


def scene_panel(results: Results, titles: Sequence[str], rows: Sequence[Sequence[Unit]]) -> Figure:
    """Draw the panel.

    Args:
        titles: of the methods.
        rows: for each photo a unit of each method; at least one unit has a result.
    """
    made = [row for units in rows for row in _of_photo(results, units)]
    return comparison(("Explained", *titles), made)


def _of_photo(results: Results, units: Sequence[Unit]) -> list[Compared]:
    """A row for each object of a photo."""
    found = [explained_rows(results, unit) for unit in units]
    done = [results.explanation(unit) if rows else None for unit, rows in zip(units, found, strict=True)]
    first = next((one for one in done if one is not None), None)
    if first is None:
        return []
    photo, figures = _photo(units[0], first), next(rows for rows in found if rows)
    made = []
    for row in range(min(len(first), MOST)):
        one = first[row]
        # The class is the region's, not the photo's, and so stands below what is marked.
        size = f"{percent(figures[row]['area_inside'])} of the photo"
        drawn = Cell(_marked(one, figures[row], photo), size, label=decision(one))
        cells = [
            _cell(other[row], rows[row], photo) if other is not None else Cell(None, results.reason(unit))
            for other, rows, unit in zip(done, found, units, strict=True)
        ]
        more = len(first) > MOST and row == MOST - 1
        made.append(Compared(photo, "", (drawn, *cells), f"{MOST} of {len(first)} shown" if more else ""))
    return made


def explained_rows(results: Results, unit: Unit) -> list[Row]:
    """A unit's rows of figures; none where there was nothing to explain."""
    result = results.of(unit)
    return [] if result is None else [row for row in result["rows"] if "left_out" not in row]


def _photo(unit: Unit, one: Explanation) -> Tensor:
    """The photo in its own shape, or the explained image if the photo's file is gone."""
    try:
        pixels = load_photo(unit.photo.source, None).pixels
    except PhotoError:
        return framed(one, one.images[0])
    scale = min(1.0, _SIDE / max(pixels.shape[-2:]))
    size = [max(1, round(scale * side)) for side in pixels.shape[-2:]]
    return interpolate(pixels[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def _marked(one: Explanation, figures: Row, photo: Tensor) -> Tensor:
    """The photo with the region in colour, or with the boxes."""
    if one.region is not None:
        return tinted(photo, framed(one, inside(one)[0]))
    boxes = figures["boxes"] or ([] if one.box is None else one.box.tolist())
    return outlined(photo, [shares_of_frame(frame_of(one), box) for box in boxes])


def _cell(one: Explanation, figures: Row, photo: Tensor) -> Cell:
    """A cell that notes the kept share of the components, and the share of the kept energy that lies inside."""
    cell = cell_of(one, photo)
    return replace(cell, note=f"{cell.note}, {percent(figures['kept_inside'])} inside")

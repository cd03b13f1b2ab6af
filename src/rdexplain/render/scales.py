"""A mask of wavelets or shearlets, seen scale by scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from rdexplain.core.representations.meyer import wave
from rdexplain.errors import OptionError
from rdexplain.render.words import is_pixel, one_row
from rdexplain.results.explanation import Explanation


@dataclass(frozen=True, eq=False)
class Scale:
    """What a mask keeps at one scale.

    Attributes:
        name: ``low-pass``, or the size of the details, such as ``32 px``; of shearlets the longest wavelength.
        step: how many pixels of the explained image one entry stands for, in each direction: 2^i at the i-th scale,
            1 being the finest; the directions of shearlets, each on a grid of its own, are brought to a common one.
        kept: share of the coefficients kept at this scale, the mean mask value, in [0, 1]. It counts every entry,
            also those of the padding beyond the photo's border.
        entries: (h', w') in [0, 1], the mask, averaged over the orientations.
        strokes: for each direction of shearlets the angle of its edges, in radians from the x axis towards the y axis,
            which points downwards, and its mask (h', w') on a regular grid over the explained image.
    """

    name: str
    step: int
    kept: float
    entries: Tensor
    strokes: tuple[tuple[float, Tensor], ...] = ()

    def extent(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the entries, in pixels of the explained image (height, width), y downwards.

        There are more entries than fit on the image, as the filters reach beyond its border, and as far on one side
        as on the other: the entries lie centred on the image.
        """
        rows, columns = self.entries.shape
        across, down = columns * self.step, rows * self.step
        return (width - across) / 2, (width + across) / 2, (height + down) / 2, (height - down) / 2


def scales(explanation: Explanation, row: int = 0) -> list[Scale]:
    """The scales of one row's mask, from coarse to fine, the low-pass first.

    Raises:
        OptionError: no such row, or the mask is one of pixels.
    """
    explanation = one_row(explanation, row)
    if is_pixel(explanation):
        raise OptionError("a mask of pixels has no scales")
    if explanation.representation.name == "shearlet":
        return _of_shearlets(explanation)
    low, *details = (band[0].float() for band in explanation.mask)
    coarsest = 1 << len(details)
    found = [Scale("low-pass", coarsest, float(low.mean()), low)]
    for number, band in enumerate(details):
        step = coarsest >> number
        found.append(Scale(f"{step}\N{NO-BREAK SPACE}px", step, float(band.mean()), band.mean(dim=0)))
    return found


def places_of(explanation: Explanation) -> list[int]:
    """The scale that each band of the mask belongs to, by its place in `scales`."""
    images = explanation.images
    bands = explanation.representation.transform_of(images).bands
    coarsest = max(band.scale for band in bands)
    return [coarsest + 1 - band.scale if band.scale else 0 for band in bands]


def _of_shearlets(one: Explanation) -> list[Scale]:
    """The scales of a mask of shearlets: where any direction keeps something, and how much all of them do."""
    places, size = places_of(one), one.images.shape[-2:]
    found = []
    for place in range(max(places) + 1):
        bands = [band[0].float() for band, where in zip(one.mask, places, strict=True) if where == place]
        number = max(places) + 1 - max(place, 1)
        step = max(1, 4 ** (number - 1) // 2)
        common = [-(-length // step) for length in size]
        maps = [band if band.ndim == 3 else band.unsqueeze(0) for band in bands]
        entries = torch.cat([interpolate(part[None], size=common, mode="nearest-exact")[0] for part in maps])
        kept = float(torch.cat([band.flatten() for band in bands]).mean())
        name = f"{4**number}\N{NO-BREAK SPACE}px" if place else "low-pass"
        block = step if bands[0].ndim == 3 else 1
        strokes = _strokes(place - 1, [part for one in maps for part in one], block) if place else ()
        found.append(Scale(name, step, kept, entries.mean(dim=0), strokes))
    return found


def _strokes(j: int, maps: list[Tensor], block: int) -> tuple[tuple[float, Tensor], ...]:
    """The angles and masks of the scale j, 0 the coarsest; masks with an entry for each pixel as maxima of blocks."""
    pooled = [max_pool2d(part[None], block, ceil_mode=True)[0] for part in maps]
    angles = [math.atan2(x, -y) for x, y in (wave(j, o) for o in range(len(maps)))]
    return tuple(zip(angles, pooled, strict=True))

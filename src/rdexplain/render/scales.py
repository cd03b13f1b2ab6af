"""A wavelet mask, seen scale by scale."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.render.words import is_pixel, one_row
from rdexplain.results.explanation import Explanation


@dataclass(frozen=True, eq=False)
class Scale:
    """What a mask keeps at one scale.

    Attributes:
        name: ``low-pass``, or the size of the details, such as ``32 px``.
        step: how many pixels of the explained image one entry stands for, in each direction: 2^i at the i-th scale,
            1 being the finest.
        kept: share of the coefficients kept at this scale, the mean mask value, in [0, 1]. It counts every entry,
            also those of the padding beyond the photo's border.
        entries: (h', w') in [0, 1], the mask, averaged over the three orientations.
    """

    name: str
    step: int
    kept: float
    entries: Tensor

    def extent(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the entries, in pixels of the explained image (height, width), y downwards.

        There are more entries than fit on the image, as the filters reach beyond its border, and as far on one side
        as on the other: the entries lie centred on the image.
        """
        rows, columns = self.entries.shape
        across, down = columns * self.step, rows * self.step
        return (width - across) / 2, (width + across) / 2, (height + down) / 2, (height - down) / 2


def scales(explanation: Explanation, row: int = 0) -> list[Scale]:
    """The scales of one row's wavelet mask, from coarse to fine, the low-pass first.

    Raises:
        OptionError: no such row, or the mask is one of pixels.
    """
    explanation = one_row(explanation, row)
    if is_pixel(explanation):
        raise OptionError("a mask of pixels has no scales")
    low, *details = (band[0].float() for band in explanation.mask)
    coarsest = 1 << len(details)
    found = [Scale("low-pass", coarsest, float(low.mean()), low)]
    for number, band in enumerate(details):
        step = coarsest >> number
        found.append(Scale(f"{step}\N{NO-BREAK SPACE}px", step, float(band.mean()), band.mean(dim=0)))
    return found

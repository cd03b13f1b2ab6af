"""The masks during the optimisation: what a caller is shown after each step, and how it ends the optimisation early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from rdexplain.core.representations import Transform


@dataclass(frozen=True)
class Preview:
    """The masks of some rows after a step. Valid during the call alone: the solver goes on with the same memory.

    Attributes:
        step, steps: which one of how many, from 1.
        loss: the mean over the rows, on the step's own draws.
        rows: their numbers among all rows of the call.
        attempt: 1, or 2 where a row is solved once more because its mask was worse than the empty one.
    """

    step: int
    steps: int
    loss: float
    rows: range
    attempt: int
    _mask: Tensor
    _transform: Transform
    _draw: Callable[[Tensor, range], Tensor]

    @property
    def mask(self) -> list[Tensor]:
        """A copy of the masks, as `Explanation.mask` has them."""
        return [band.clone() for band in self._transform.split(self._mask.cpu())]

    @property
    def picture(self) -> Tensor:
        """(rows, 1, h, w) in [0, 1], as `Explanation.picture`; drawn when it is asked for."""
        return self._draw(self._mask, self.rows)


Previewed = Callable[[Preview], bool | None]
"""Called after each step (on a GPU after each 20th); True ends these rows' optimisation with their current masks."""

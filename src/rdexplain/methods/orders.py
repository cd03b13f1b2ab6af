"""An order of all components, which a sparse mask alone does not give: nearly all of its entries are zero alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rdexplain.core.objective import Objective
from rdexplain.core.path import lasting
from rdexplain.core.solver import Settings, Solution, Watch

ORDERS = ("time", "path", "none")
"""``time``: the mean of an entry over the optimiser's steps, so that what came to zero later comes first; it costs no
evaluation of the network. ``path``: its mean over a path of λ, so that what leaves at a larger λ comes first, see
`path.lasting`; that costs a fifth of the solution. ``none``: no order is kept."""
LEVELS = 256


@dataclass(frozen=True)
class Ordered(Solution):
    """A solution with an order.

    Attributes:
        order: (R, k) in [0, 1], higher comes first.
    """

    order: Tensor | None = None


class Trail:
    """The mean of the masks that a solver shows.

    Args:
        watch: what they are shown to beside it.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch, self._count = watch, 0
        self._total: Tensor | None = None

    def __call__(self, step: int, loss: float, mask: Tensor) -> bool | None:
        self._total = mask.clone() if self._total is None else self._total.add_(mask)
        self._count += 1
        return None if self._watch is None else self._watch(step, loss, mask)

    @property
    def mean(self) -> Tensor | None:
        """(R, k) in [0, 1]; None where nothing was shown."""
        return None if self._total is None else self._total / self._count


def with_order(
    solution: Solution, order: str, trail: Trail | None, objective: Objective, start: Tensor, settings: Settings
) -> Solution:
    """The solution with the order that is wanted, one of `ORDERS`."""
    found = trail.mean if trail is not None else None
    if order == "path":
        found = lasting(objective, start, settings, solution.sparsity)
    return Ordered(**vars(solution), order=found)


def levels(values: Tensor) -> Tensor:
    """Ranks as bytes, uint8 (R, k), 0 for what comes first: the logarithm of 1 + rank, in 255 equal steps.

    So a step is a few per cent of a rank, wherever in the order. Equal values have the same level.

    Args:
        values: (R, k), higher comes first.
    """
    last = math.log(max(values.shape[1], 2))
    found = torch.empty(values.shape, dtype=torch.uint8)
    for row, one in enumerate(values.cpu()):
        rising = (-one).sort().values
        ranks = torch.searchsorted(rising, -one)
        found[row] = ((ranks + 1).double().log() * ((LEVELS - 1) / last)).round().to(torch.uint8)
    return found

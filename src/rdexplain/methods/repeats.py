"""Solves rows again with other seeds, and measures how much the solutions agree."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from rdexplain.core.objective import Objective
from rdexplain.methods.outcome import Solve, solve_part

KEPT = 0.3
"""Where solutions are compared, a coefficient counts as kept if its mask value is above this."""


class Repeats(NamedTuple):
    """How much repeated solutions of R rows agree.

    Attributes:
        solutions: how many solutions there are.
        frequency: (R, k) in [0, 1], the share of the solutions that keep an entry.
        agreement: (R,) in [0, 1], how much of what two solutions keep they have in common: the mean over all pairs of
            the intersection over the union; NaN where every solution keeps everything, or every one nothing.
        evaluations: (R,) images sent through the network for all but the first.
    """

    solutions: int
    frequency: Tensor
    agreement: Tensor
    evaluations: Tensor


def repeat_rows(parts: Sequence[Objective], solve: Solve, first: Tensor, repeats: int) -> Repeats:
    """Solve rows again with other seeds, and compare what is kept.

    Args:
        first: (R, k), the masks of the first solution.
        repeats: how many solutions there are with the first.
    """
    kept, evaluations = [first > KEPT], torch.zeros(len(first), dtype=torch.int64)
    for number in range(1, repeats):
        others = [replace(part, seed=part.seed + number, evaluations=0) for part in parts]
        kept.append(torch.cat([solve_part(one, solve).mask for one in others]) > KEPT)
        evaluations += torch.tensor([one.evaluations // one.rows for one in others for _ in range(one.rows)])
    pairs = [overlap(one, other) for one, other in itertools.combinations(kept, 2)]
    frequency = torch.stack(kept).float().mean(dim=0)
    agreement = torch.stack(pairs).mean(dim=0).where(separates(frequency), torch.nan)
    return Repeats(repeats, frequency, agreement, evaluations)


def separates(frequency: Tensor) -> Tensor:
    """(R,) bool: False where all solutions keep everything, or all nothing. `frequency` is (R, k)."""
    return ~((frequency == 0).all(dim=1) | (frequency == 1).all(dim=1))


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of sets (R, k), (R,) in [0, 1]; 1 for two empty ones."""
    union = (one | other).sum(dim=1)
    return torch.where(union == 0, 1.0, (one & other).sum(dim=1) / union.clamp_min(1))

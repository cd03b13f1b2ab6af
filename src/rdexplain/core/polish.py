"""A last look at a finished mask: small entries that cost more than they bring are cut."""

from __future__ import annotations

from torch import Tensor

from rdexplain.core.objective import Objective

CUTS = (0.1, 0.2, 0.3)
"""Thresholds that are tried. 0.5 destroys explanations."""
DRAWS = 16
"""Draws on which each threshold is tried, the same for all."""


def cut_small(objective: Objective, mask: Tensor, sparsity: Tensor, spatial: Tensor | None = None) -> Tensor:
    """Each row's mask (R, k) with its entries below the best of `CUTS` set to zero, if that lowers the objective.

    Args:
        sparsity: (R,) each row's λk.
        spatial: (R,) each row's weight of the brightness; None for none.

    An optimiser that stops after a few steps leaves many entries on their way to zero: they cost λ s and hold little.
    """
    draws = DRAWS if objective.noise.is_random else 1

    def value_of(candidate: Tensor) -> Tensor:
        # Draws of their own: neither the solver's nor those on which the finished mask is measured.
        distortion, _ = objective.measure(candidate, draws, step=1)
        objective.evaluations += objective.rows * draws
        value = distortion + sparsity * candidate.mean(dim=1)
        return value if spatial is None else value + spatial * objective.brightness(candidate)

    best, least = mask, value_of(mask)
    for threshold in CUTS:
        candidate = mask.where(mask >= threshold, 0.0)
        value = value_of(candidate)
        better = value < least
        best = candidate.where(better.unsqueeze(1), best)
        least = value.where(better, least)
    return best

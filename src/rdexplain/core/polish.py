"""Sets the small entries of a finished mask to zero, where that lowers the objective."""

from __future__ import annotations

from torch import Tensor

from rdexplain.core.objective import Objective

CUTS = (0.1, 0.2, 0.3)
"""Mask values that are tried as thresholds. A threshold of 0.5 destroys explanations."""
DRAWS = 16
"""Draws on which each threshold is tried, the same for all."""


def cut_small(objective: Objective, mask: Tensor, sparsity: Tensor, spatial: Tensor | None = None) -> Tensor:
    """Each row's mask (R, k) with its entries below the best of `CUTS` set to zero, if that lowers the objective.

    Args:
        sparsity: (R,) each row's λk.
        spatial: (R,) each row's weight of the brightness; None for none.

    An optimiser that stops after few steps leaves many entries on their way to zero. They add λ s to the objective and
    hardly lower the distortion.
    """
    draws = DRAWS if objective.noise.is_random else 1

    def value_of(candidate: Tensor) -> Tensor:
        # Step 1 of the measuring stream: other draws than the solver's, and than those that measure the finished mask.
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

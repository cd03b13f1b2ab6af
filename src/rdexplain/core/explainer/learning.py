"""What an explainer's network learns from: the objective itself."""

from __future__ import annotations

import torch
from torch import Tensor

from rdexplain.core.objective import Objective
from rdexplain.models.decisions.distortions import Distortion


def objective_loss(
    logits: Tensor, objective: Objective, sparsity: Tensor, step: int, draws: int
) -> tuple[Tensor, Tensor]:
    """A number whose gradient by the logits (R, k) is that of the mean of the objective over √λk; the objective, (R,).

    So rows of all λk count about alike, and those of large ones do not rule what is learnt.

    The distortion's gradient is in closed form, see `Objective.gradient`: autograd runs through the explainer alone.

    Args:
        sparsity: λk of each row, (R,).
    """
    mask = logits.sigmoid()
    gradient, distortion = objective.gradient(mask.detach(), step, draws)
    gradient += (sparsity / mask.shape[1]).unsqueeze(1)
    balance = sparsity.rsqrt().unsqueeze(1)
    return (mask * gradient * balance).sum() / len(mask), distortion + sparsity * mask.detach().mean(dim=1)


def _lasting(clean: Tensor, obfuscated: Tensor) -> Tensor:
    edge, tiny = LOST * clean, torch.finfo(clean.dtype).tiny
    near = (clean - obfuscated.maximum(edge)).square()
    beyond = (edge.clamp_min(tiny) / obfuscated.minimum(edge).clamp_min(tiny)).log()
    return (near + 2 * LOST * (1 - LOST) * clean.square() * beyond).sum(dim=1)


LOST = 0.3
LASTING = Distortion("label", "label", _lasting)
"""(p - q)², but for q < `LOST` p its continuation as a logarithm of q, with the same slope at the edge.

Where the decision is lost, (p - q)² has next to no slope, and an explainer learns empty masks; log q has one.
"""

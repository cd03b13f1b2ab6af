"""What an explainer sees of a row: its coefficients, their sensitivity, and the explained network's relevance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rdexplain.core.explainer.maps import Maps, relevance
from rdexplain.core.gradients import differentiating
from rdexplain.core.memory import batches
from rdexplain.core.objective import Objective
from rdexplain.models.decisions import Decision

FEATURES = 3
"""Numbers for each coefficient."""
CONDITIONS = 2
"""Numbers for each row."""
REFERENCE = 20.0
"""The λk that is 0 in its condition."""


@dataclass(frozen=True)
class Look:
    """What one pass forward and backward of the explained network shows of R rows.

    Attributes:
        coefficients: (R, FEATURES, k): the logarithm of the size of each coefficient, mean over the channels; that of
            its sensitivity over the row's mean sensitivity; and what it adds to the decision to first order, (h - mean)
            · ∂p/∂h, over its root mean square, as an inverse hyperbolic sine.
        planes: (R, 3 + STRIDES, h, w): the photo, and `maps.relevance`, likewise as an inverse hyperbolic sine.
        certainty: (R,) the logarithm of the odds of what is explained, divided by 4.
    """

    coefficients: Tensor
    planes: Tensor
    certainty: Tensor

    def conditions(self, sparsity: Tensor) -> Tensor:
        """(R, CONDITIONS) for λk of each row, (R,)."""
        weight = (sparsity.clamp_min(1e-3) / REFERENCE).log() / math.log(4)
        return torch.stack((weight, self.certainty), dim=1)


def look(objective: Objective, decision: Decision) -> Look:
    """Look at the rows of an objective; a network evaluation for each, which is counted.

    Args:
        decision: whose reading the sensitivity is of.
    """

    def work(limit: int) -> Look:
        parts = [_seen(objective, decision, batch.row, batch.row_end) for batch in batches(objective.rows, 1, limit)]
        return Look(
            torch.cat([part.coefficients for part in parts]),
            torch.cat([part.planes for part in parts]),
            torch.cat([part.certainty for part in parts]),
        )

    with torch.no_grad():
        found = objective.limit.run(work)
    objective.evaluations += objective.rows
    return found


def _seen(objective: Objective, decision: Decision, first: int, last: int) -> Look:
    photos = objective.photos[first:last]
    rows = torch.arange(objective.first + first, objective.first + last, device=photos.device)
    images = objective.images[photos]
    with differentiating():
        images.requires_grad_()
        with Maps(images) as maps:
            output = objective.forward(images, rows)
        reading = decision.read(output, rows)
        wanted = [images, *maps.found.values()]
        slope, *others = torch.autograd.grad(reading.sum(), wanted, allow_unused=True)
    images = images.detach()
    slopes = {key: one for key, one in zip(maps.found, others, strict=True) if one is not None}
    planes = relevance(maps.found, slopes, images)
    size, centred = objective.coefficients(first, last)
    effects = centred * objective.transform.adjoint(slope)
    adds, sensitivity = effects.sum(dim=1), effects.abs().sum(dim=1)
    features = torch.stack(((size.abs().mean(dim=1) + 1e-3).log() / 3, _relative(sensitivity), _scaled(adds)), dim=1)
    odds = decision.score(reading.detach(), rows).clamp(1e-6, 1 - 1e-6).logit() / 4
    return Look(features, torch.cat((images - 0.5, planes.asinh()), dim=1), odds)


def _relative(values: Tensor) -> Tensor:
    mean = values.mean(dim=1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    return (values / mean).clamp(1e-4, 1e4).log() / 3


def _scaled(values: Tensor) -> Tensor:
    size = values.square().mean(dim=1, keepdim=True).sqrt().clamp_min(torch.finfo(values.dtype).tiny)
    return (values / size).asinh()

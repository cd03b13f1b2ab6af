"""From a solution to an explanation: the mask is measured on fresh draws, and what it keeps is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rdexplain import philox
from rdexplain.memory import batches
from rdexplain.methods.problem import Problem

FRESH_DRAWS = 256
"""Draws on which a finished mask is measured."""
EMPTY_DRAWS = 32
"""Draws on which the empty mask is measured, to compare with."""
COLLAPSED = 0.8
"""A mask whose distortion is this share of the empty mask's, or more, keeps nothing that the model uses."""


@dataclass(frozen=True)
class Outcome:
    """Figures of R masks; as in `Explanation`."""

    distortion: Tensor
    empty_distortion: Tensor
    collapsed: Tensor
    kept_probability: Tensor
    measurements: int


def measure(problem: Problem, mask: Tensor) -> Outcome:
    """Measure masks (R, k) on fresh draws; one draw says all where the noise is zero."""
    objective = problem.objective
    random = objective.noise.is_random
    fresh, few = (FRESH_DRAWS, EMPTY_DRAWS) if random else (1, 1)
    distortions, reading = objective.measure_draws(mask, fresh)
    # Compared on the same draws: two estimates on different ones would differ by themselves.
    compared = distortions[:, :few].mean(dim=1)
    empty, _ = objective.measure(torch.zeros_like(mask), few)
    rows = torch.arange(objective.rows, device=mask.device)
    return Outcome(
        distortion=distortions.mean(dim=1),
        empty_distortion=empty,
        # Where even the empty mask distorts nothing, there is nothing to keep and nothing has collapsed.
        collapsed=(compared >= COLLAPSED * empty) & (empty > 1e-8),
        kept_probability=objective.decision.score(reading, rows),
        measurements=fresh + few,
    )


def samples(problem: Problem, mask: Tensor, count: int) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Obfuscated images (R, count, c, h, w) and what the decision shows of them; None, None for a count of 0."""
    if not count:
        return None, None
    objective, run = problem.objective, problem.run

    def work(limit: int) -> tuple[Tensor, Tensor]:
        images, probabilities = [], []
        for batch in batches(objective.rows, count, limit):
            images.append(objective.obfuscated(mask, batch, 0, philox.SHOW))
            rows = objective.rows_of(batch)
            probabilities.append(problem.label.shown(run.forward(images[-1], rows), rows))
        return torch.cat(images), torch.cat(probabilities)

    with torch.no_grad():
        images, probabilities = objective.limit.run(work)
    shape = (objective.rows, count)
    return images.unflatten(0, shape).cpu(), probabilities.unflatten(0, shape).cpu()


def targets_tensor(targets: tuple[tuple[int, ...], ...]) -> Tensor:
    """Targets as (R,), or (R, axes) where they have several indices."""
    tensor = torch.tensor(targets, device="cpu")
    return tensor.squeeze(1) if tensor.shape[1] == 1 else tensor

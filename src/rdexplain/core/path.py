"""The λ for a bound on the distortion or the rate: masks for one λ after another, each started from the one before."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rdexplain.core.objective import Objective
from rdexplain.core.progress import Progress
from rdexplain.core.solver import Settings, Solution, Watch, solve
from rdexplain.errors import OptionError

STAGES = 6
"""Weights that are tried after the first one."""
FACTOR = 4.0
"""From one weight to the next, until one is too small and another too great."""
RUNGS = (1 / 64, 1 / 16)
"""The weights of `lasting`, over that of the solution. Three more, up to 4, made no order that could be told from that
of these two, on 12 photos; the first alone made a worse one."""
DRAWS = 256
"""Fresh draws on which each stage's distortion is measured: a few bad draws make most of it, so fewer would not do.
They are those on which the explanation is measured, so that what is within a bound is also reported so."""


@dataclass(frozen=True)
class Bound:
    """An upper bound on a figure of the explanation, in place of a given λ.

    Attributes:
        quantity: ``distortion``, for the sparsest mask within it, or ``rate`` (the mean mask value), for the least
            distorted mask within it.
        most: the greatest allowed value.

    Raises:
        OptionError: a bound that is no number above 0, or a rate above 1.
    """

    quantity: str
    most: float

    def __post_init__(self) -> None:
        name = "max_distortion" if self.quantity == "distortion" else "rate"
        if not (math.isfinite(self.most) and self.most > 0):
            raise OptionError(f"{name} must be a number above 0, got {self.most:g}")
        if self.quantity == "rate" and self.most > 1:
            raise OptionError(f"rate is a share of the coefficients, at most 1, got {self.most:g}")


def follow_up(settings: Settings) -> Settings:
    """The settings of a stage after the first: half of the steps, at half the size, and no help from far away."""
    steps, size = -(-settings.steps // 2), settings.step_size / 2
    return replace(settings, steps=steps, step_size=size, warmup=0.0, emphasis=1.0, anchor=0.0)


def steps_of(settings: Settings, bounded: bool) -> int:
    """Number of steps of a solution; with a bound, those of all stages of `within`."""
    return settings.steps + bounded * STAGES * follow_up(settings).steps


def lasting(objective: Objective, start: Tensor, settings: Settings, sparsity: Tensor) -> Tensor:
    """How long each entry lasts along a path of λ: the mean of its mask values over `RUNGS`, (R, k) in [0, 1].

    Far below the λk that is given, (R,), fewer entries are zero, and those differ in how soon they leave as λ rises.
    Short solves are enough: with a quarter of the steps and half of the draws, and half of these steps from the second
    on, they cost about a fifth of a solution.
    """
    short = replace(settings, steps=-(-settings.steps // 4), draws=-(-settings.draws // 2), cut=False)
    weight = sparsity.where(sparsity > 0, 1.0)
    total, mask = torch.zeros_like(start), start
    for number, rung in enumerate(RUNGS):
        mask = solve(objective, mask, short if number == 0 else follow_up(short), None, rung * weight).mask
        total += mask
    return total / len(RUNGS)


def within(
    objective: Objective,
    start: Tensor,
    settings: Settings,
    bound: Bound,
    progress: Progress | None = None,
    weights: Tensor | None = None,
    watch: Watch | None = None,
) -> Solution:
    """The best mask within a bound, with each row's λk found by bisection of log λ along a warm-started path.

    A stage starts from the mask of the greatest λ that was too small, since a mask shrinks more easily than it grows,
    or, where none was yet, from `start`; with a bound on the distortion the latter moves towards the full mask.

    Args:
        weights: as `solve`'s.
        watch: as `solve`'s, of each stage.

    Rows do not influence each other. A row without a mask within the bound gets the one that comes nearest.
    """
    sparsity = start.new_full((objective.rows,), settings.sparsity or 1.0)
    low, high = torch.zeros_like(sparsity), torch.full_like(sparsity, math.inf)
    best, chosen, least = start, sparsity, torch.full_like(sparsity, math.inf)
    solutions: list[Solution] = []
    mask, done = start, 0
    for stage in range(STAGES + 1):
        stage_settings = settings if stage == 0 else follow_up(settings)
        # Only the first stage starts far from its end.
        pulls = weights if stage == 0 else None
        solution = solve(
            objective, mask, stage_settings, _later(progress, done), sparsity, pulls, _seen_later(watch, done)
        )
        solutions.append(solution)
        done += stage_settings.steps
        distortion, _ = objective.measure(solution.mask, DRAWS if objective.noise.is_random else 1)
        objective.evaluations += objective.rows * (DRAWS if objective.noise.is_random else 1)
        rate = solution.mask.mean(dim=1)
        bounded, free = (distortion, rate) if bound.quantity == "distortion" else (rate, distortion)
        fits = bounded <= bound.most
        # A mask within the bound beats one outside; of two within, the one with less of the other quantity is better,
        # of two outside, the one that is nearer to the bound.
        cost = torch.where(fits, free / (1 + free), 1 + bounded)
        better = cost < least
        best = solution.mask.where(better.unsqueeze(1), best)
        chosen, least = sparsity.where(better, chosen), cost.where(better, least)
        up = fits if bound.quantity == "distortion" else ~fits
        low, high = torch.where(up, sparsity, low), torch.where(up, high, sparsity)
        sparsity = torch.where(
            low == 0, high / FACTOR, torch.where(high.isinf(), low * FACTOR, (low * high.nan_to_num()).sqrt())
        )
        mask = solution.mask.where(up.unsqueeze(1), mask)
        if bound.quantity == "distortion" and stage > 0:
            # The start may itself be outside the bound, with scales near zero: go half of the way to keeping all.
            mask = torch.where((low == 0).unsqueeze(1), (1 + mask) / 2, mask)
    return Solution(
        best,
        chosen,
        torch.cat([solution.distortion for solution in solutions]),
        torch.cat([solution.non_sparsity for solution in solutions]),
        settings.spatial_at(chosen) if settings.spatial else None,
    )


def _seen_later(watch: Watch | None, done: int) -> Watch | None:
    return None if watch is None else lambda step, loss, mask: watch(done + step, loss, mask)


def _later(progress: Progress | None, done: int) -> Progress | None:
    """A progress whose step numbers continue after `done` steps."""
    if progress is None:
        return None
    return lambda step, loss: progress(done + step, loss)

"""Solves rows, measures their masks on fresh draws, and solves a row again if its mask is worse than the empty one."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.memory import batches
from rdexplain.core.objective import Objective
from rdexplain.core.solver import Solution
from rdexplain.errors import SolverError
from rdexplain.methods.orders import Ordered
from rdexplain.methods.problem import Problem

FRESH_DRAWS = 256
"""Draws on which a finished mask is measured."""
EMPTY_DRAWS = 32
"""Draws on which the empty mask is measured, for comparison."""
COLLAPSED = 0.8
"""A mask counts as collapsed (it keeps nothing that the model uses) if its distortion is at least this share of that of
the empty mask."""


Solve = Callable[[Objective], Solution]


@dataclass(frozen=True)
class Outcome:
    """The masks of R rows and their figures; every tensor has R entries along its first axis.

    Attributes:
        mask: (R, k) in [0, 1].
        sparsity: (R,) each row's λk.
        penalty: (R,) the spatial penalty, 0 for none.
        distortion, non_sparsity, empty_distortion, collapsed, kept_probability: (R,), as in `Explanation`.
        distortions, rates: (R, steps), the solver's history.
        order: (R, k) in [0, 1], higher comes first; (R, 0) for none.
        evaluations, measurements: (R,) images sent through the network forward and backward, and forward only.
    """

    mask: Tensor
    sparsity: Tensor
    penalty: Tensor
    distortion: Tensor
    non_sparsity: Tensor
    empty_distortion: Tensor
    collapsed: Tensor
    kept_probability: Tensor
    distortions: Tensor
    rates: Tensor
    order: Tensor
    evaluations: Tensor
    measurements: Tensor

    @property
    def objective(self) -> Tensor:
        """D + λk mean(s) + the spatial penalty, (R,)."""
        return self.distortion + self.sparsity * self.non_sparsity + self.penalty

    def rows(self) -> list[Outcome]:
        """Each row by itself."""
        parts = zip(*(getattr(self, item.name).split(1) for item in fields(self)), strict=True)
        return [Outcome(*part) for part in parts]

    @classmethod
    def cat(cls, outcomes: Sequence[Outcome]) -> Outcome:
        """The rows of several, one after the other."""
        return cls(*(torch.cat([getattr(one, item.name) for one in outcomes]) for item in fields(cls)))


def parts_of(objective: Objective, apart: bool) -> list[Objective]:
    """The objectives that are solved separately: one for each row if `apart`, else one for all rows."""
    return [objective.alone(row) for row in range(objective.rows)] if apart else [objective]


def solve_rows(
    parts: Sequence[Objective],
    solve: Solve,
    again: Solve | None = None,
    stopped: Container[int] = (),
    fresh: int | None = None,
) -> Outcome:
    """Solve and measure the rows of several objectives.

    Args:
        parts: see `parts_of`.
        solve: solves an objective.
        again: solves a row a second time, with other noise, if its mask is worse than the empty one. The better mask is
            taken, and the evaluations of both are counted. None for no second time.
        stopped: the rows whose solution was ended early, which it may change: these have no second time either.
        fresh: draws on which each mask is measured; None for `FRESH_DRAWS`.

    Raises:
        SolverError: with the numbers of all rows that cannot be solved as its `photos`.
    """
    found: list[Outcome] = []
    failures: list[SolverError] = []
    for part in parts:
        try:
            solution = solve_part(part, solve)
            first = measure(part, solution, part.evaluations // part.rows, fresh).rows()
            for row, one in enumerate(first):
                found.append(one if again is None or part.first + row in stopped else _better(part, one, again, row))
        except SolverError as error:
            if not error.photos:
                raise
            failures.append(error)
    if failures:
        raise SolverError(str(failures[0]), [row for error in failures for row in error.photos])
    return Outcome.cat(found)


def solve_part(part: Objective, solve: Solve) -> Solution:
    """Solve the rows of an objective. A SolverError names the failed rows by their numbers in the whole call."""
    try:
        return solve(part)
    except SolverError as error:
        raise SolverError(str(error), [part.first + row for row in error.photos]) from error


def _better(part: Objective, outcome: Outcome, again: Solve, row: int) -> Outcome:
    """A row's outcome, or a second one where the first is worse than the empty mask."""
    if float(outcome.objective) <= float(outcome.empty_distortion):
        return outcome
    alone = part.alone(row)
    # Other noise for the solver; the measurement's is the same, so that the two masks can be compared.
    other = replace(alone, seed=alone.seed + 1)
    solution = solve_part(other, again)
    second = measure(alone, solution, other.evaluations)
    return replace(
        second if float(second.objective) < float(outcome.objective) else outcome,
        evaluations=outcome.evaluations + second.evaluations,
        measurements=outcome.measurements + second.measurements,
    )


def measure(objective: Objective, solution: Solution, evaluations: int, draws: int | None = None) -> Outcome:
    """Measure masks (R, k) on fresh draws; on a single one where the noise is zero.

    Args:
        evaluations: images that each row's solution sent through the network.
        draws: how many fresh draws; None for `FRESH_DRAWS`.
    """
    mask, random = solution.mask, objective.noise.is_random
    order = solution.order if isinstance(solution, Ordered) else None
    fresh = (FRESH_DRAWS if draws is None else draws) if random else 1
    few = min(fresh, EMPTY_DRAWS) if random else 1
    distortions, reading = objective.measure_draws(mask, fresh)
    # On the same draws as the empty mask: on different ones the two estimates would differ by chance.
    compared = distortions[:, :few].mean(dim=1)
    empty, _ = objective.measure(torch.zeros_like(mask), few)
    rows = torch.arange(objective.first, objective.first + objective.rows, device=mask.device)
    return Outcome(
        mask=mask,
        sparsity=solution.sparsity,
        penalty=_penalty(objective, solution),
        distortion=distortions.mean(dim=1),
        non_sparsity=mask.mean(dim=1),
        empty_distortion=empty,
        # Where even the empty mask distorts nothing, there is nothing to keep and nothing has collapsed.
        collapsed=(compared >= COLLAPSED * empty) & (empty > 1e-8),
        kept_probability=objective.decision.score(reading, rows),
        distortions=solution.distortion.mT,
        rates=solution.non_sparsity.mT,
        order=mask[:, :0] if order is None else order,
        evaluations=torch.full_like(rows, evaluations),
        measurements=torch.full_like(rows, fresh + few),
    )


def _penalty(objective: Objective, solution: Solution) -> Tensor:
    if solution.spatial is None:
        return torch.zeros_like(solution.sparsity)
    return solution.spatial * objective.brightness(solution.mask)


def samples(
    problem: Problem, parts: Sequence[Objective], mask: Tensor, count: int
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Obfuscated images (R, count, c, h, w) and `Decision.shown` of their outputs; None, None for a count of 0."""
    if not count:
        return None, None
    pairs = [_samples(problem, part, mask[part.first : part.first + part.rows], count) for part in parts]
    images, probabilities = (torch.cat(tensors) for tensors in zip(*pairs, strict=True))
    return images, probabilities


def _samples(problem: Problem, objective: Objective, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    run = problem.run

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

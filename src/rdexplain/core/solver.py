"""The one optimisation loop: projected Adam on the mask, batched over rows and draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rdexplain.core.groups import block_sums, blocks
from rdexplain.core.objective import Objective
from rdexplain.core.polish import cut_small
from rdexplain.core.progress import Progress
from rdexplain.core.smoothing import Smoothing
from rdexplain.errors import OptionError, SolverError

SCHEDULES = ("constant", "cosine")
LEAST = 1e-4
"""Where an entry that is given as zero starts, if the mask is a power: from zero it could not rise."""


@dataclass(frozen=True)
class Settings:
    """How the mask is optimised.

    Attributes:
        steps: Adam steps.
        draws: fresh noise draws a step.
        step_size: Adam's learning rate.
        sparsity: λk, the weight of the mean mask value in the loss.
        spatial: the weight of the brightness of what is kept, see `Objective.brightness`. It pulls as the sparsity
            does: with the emphasis, held by the guard, and in a search for λ in the same ratio to it.
        schedule: ``constant``, or ``cosine`` from the step size down to zero.
        betas: Adam's decay rates.
        warmup: share of the steps over which the learning rate rises from nothing.
        emphasis: factor on the sparsity during the first two thirds of the steps; what a mask loses too much then, it
            wins back in the last third, and what it keeps needlessly it would keep to the end.
        power: Adam moves u and the mask is u to this power. With 2 small entries move little, so that the noise of
            the gradient does not lift them again and again; an entry that has come to zero stays there.
        block: side of the blocks of neighbours that move together; 0 for none. The mask is then u times a factor that
            its block shares, and Adam moves both, so that what matters is found by all entries of a block. Only with a
            power of 2, of which this is the form for blocks.
        anchor: how much harder, in the first two thirds, sparsity pulls at entries to which the decision on the clean
            image is not sensitive, see `groups.weights`; 0 for equally hard.
        guard: while a row's distortion is above this share of the empty mask's, sparsity does not pull at it: the
            empty mask is a local optimum from which no gradient leads away. None for no guard.
        cut: whether small entries are cut in the end, see `polish.cut_small`.
        smooth: the standard deviation of a Gaussian, as a share of the shorter side of an image: Adam moves what is
            smoothed, and the mask is smooth, see `smoothing`. 0 for none. Not with blocks, and not cut.
    """

    steps: int
    draws: int
    step_size: float
    sparsity: float
    schedule: str = "constant"
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: float = 0.0
    emphasis: float = 1.0
    power: int = 1
    block: int = 0
    anchor: float = 0.0
    guard: float | None = None
    cut: bool = False
    spatial: float = 0.0
    smooth: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise OptionError(f"steps must be at least 0, got {self.steps}")
        if self.draws < 1:
            raise OptionError(f"draws must be at least 1, got {self.draws}")
        if not (math.isfinite(self.step_size) and self.step_size > 0):
            raise OptionError(f"step size must be a positive number, got {self.step_size}")
        if not (math.isfinite(self.sparsity) and self.sparsity >= 0):
            raise OptionError(f"sparsity must be a number of at least 0, got {self.sparsity}")
        if not (math.isfinite(self.spatial) and self.spatial >= 0):
            raise OptionError(f"spatial must be a number of at least 0, got {self.spatial}")
        if self.schedule not in SCHEDULES:
            raise OptionError(f"schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}")
        if self.power < 1:
            raise OptionError(f"power must be at least 1, got {self.power}")
        if self.block and self.power != 2:
            raise OptionError(f"blocks need a power of 2, got {self.power}")
        if not (math.isfinite(self.smooth) and self.smooth >= 0):
            raise OptionError(f"smoothness must be a number of at least 0, got {self.smooth}")
        if self.smooth and (self.block or self.cut):
            raise OptionError("a smooth mask has no blocks, and is not cut")

    def spatial_at(self, sparsity: Tensor) -> Tensor:
        """(R,) the weight of the brightness for rows whose λk (R,) is not the settings' own."""
        return sparsity * (self.spatial / self.sparsity) if self.sparsity else torch.full_like(sparsity, self.spatial)

    def rate(self, step: int) -> float:
        """The learning rate of a step (from 0)."""
        rise = min(1.0, (step + 1) / max(1.0, self.warmup * self.steps))
        fall = 0.5 * (1 + math.cos(math.pi * step / self.steps)) if self.schedule == "cosine" else 1.0
        return self.step_size * rise * fall


Watch = Callable[[int, float, Tensor], bool | None]
"""Shown the step, the mean loss and the masks (R, k)."""


@dataclass(frozen=True)
class Solution:
    """What the loop found.

    Attributes:
        mask: (R, k) in [0, 1].
        sparsity: (R,) each row's λk.
        distortion, non_sparsity: (steps, R), before each step's update, the distortion on that step's draws.
        spatial: (R,) each row's weight of the brightness; None for none.
    """

    mask: Tensor
    sparsity: Tensor
    distortion: Tensor
    non_sparsity: Tensor
    spatial: Tensor | None = None


def solve(
    objective: Objective,
    start: Tensor,
    settings: Settings,
    progress: Progress | None = None,
    sparsity: Tensor | None = None,
    weights: Tensor | None = None,
    watch: Watch | None = None,
) -> Solution:
    """Minimise D(s) + λk mean(s), plus the spatial penalty, from a mask (R, k): Adam step, then clamp to [0, 1].

    Rows do not influence each other.

    Args:
        sparsity: (R,) each row's own λk, in place of the settings'.
        weights: (R, k) factors on the pull of the sparsity in the first two thirds, see `Settings.anchor`.
        watch: shown the masks when `progress` is told. Where it returns True the steps end, with that mask; in the
            history the rest of the steps is as the last one.

    Raises:
        SolverError: the loss of a row is not finite.
    """
    if sparsity is None:
        sparsity = start.new_full((start.shape[0],), settings.sparsity)
    spatial = settings.spatial_at(sparsity) if settings.spatial else None
    moves = _moves(objective, start, settings)
    mask = moves.smoothed(start) if isinstance(moves, _Smooth) else start.clone()
    guard = None if settings.guard is None or not settings.steps else _Guard(objective, mask, settings.guard)
    distortions, rates, sound = [], [], []
    pull = sparsity / mask.shape[1]
    # Reading a number back stalls a GPU, so there the losses are looked at now and then.
    every = 1 if mask.device.type == "cpu" else 20
    for step in range(settings.steps):
        gradient, distortion = objective.gradient(mask, step, settings.draws)
        distortions.append(distortion)
        rates.append(mask.mean(dim=1))
        price = sparsity * rates[-1]
        # A finite distortion can have an infinite slope.
        sound.append(distortion.isfinite() & gradient.isfinite().all(dim=1))
        early = 3 * step < 2 * settings.steps
        now = pull * (settings.emphasis if early else 1.0)
        free = None if guard is None else guard.free(distortion)
        held = (now if free is None else now.where(free, 0.0)).unsqueeze(1)
        gradient += held if weights is None or not early else held * weights
        if spatial is not None:
            now = spatial * (settings.emphasis if early else 1.0)
            brightness, slope = objective.brightness_and_slope(mask)
            price = price + spatial * brightness
            gradient += (now if free is None else now.where(free, 0.0)).unsqueeze(1) * slope
        mask = moves.step(gradient, settings.rate(step))
        if (step + 1) % every == 0 or step + 1 == settings.steps:
            _check(sound, every)
            loss = float((distortion + price).mean()) if progress or watch else 0.0
            if progress is not None:
                progress(step + 1, loss)
            if watch is not None and watch(step + 1, loss, mask):
                left = settings.steps - len(distortions)
                distortions, rates = distortions + [distortion] * left, rates + [rates[-1]] * left
                break
    empty = mask.new_zeros((0, mask.shape[0]))
    return Solution(
        cut_small(objective, mask, sparsity, spatial) if settings.cut and settings.steps else mask,
        sparsity,
        torch.stack(distortions) if distortions else empty,
        torch.stack(rates) if rates else empty,
        spatial,
    )


def _moves(objective: Objective, start: Tensor, settings: Settings) -> _Entries | _Blocks | _Smooth:
    """How Adam moves the mask; without steps it stays as it was given."""
    if settings.smooth and settings.steps:
        return _Smooth(objective, start, settings)
    return _Blocks(objective, start, settings) if settings.block else _Entries(start, settings)


class _Entries:
    """Adam moves u, and the mask is u to a power."""

    def __init__(self, start: Tensor, settings: Settings) -> None:
        self._power = settings.power
        self._moved = start.clone() if self._power == 1 else start.clamp_min(LEAST) ** (1 / self._power)
        self._adam = _Adam(start, settings.betas)

    def step(self, gradient: Tensor, rate: float) -> Tensor:
        """The mask (R, k) after a step down the gradient (R, k) by the mask."""
        if self._power != 1:
            gradient *= self._power * self._moved ** (self._power - 1)
        self._adam.step(self._moved, gradient, rate)
        return self._moved.clamp_(0, 1) ** self._power


class _Smooth:
    """Adam moves u, or what is a power of it, and the mask is that, smoothed."""

    def __init__(self, objective: Objective, start: Tensor, settings: Settings) -> None:
        self._entries = _Entries(start, settings)
        self._smoothing = Smoothing(objective.transform, settings.smooth, start.dtype, start.device)

    def smoothed(self, mask: Tensor) -> Tensor:
        """A mask (R, k), smoothed; a mean of numbers in [0, 1] is one, but for rounding."""
        return self._smoothing.smooth(mask).clamp_(0, 1)

    def step(self, gradient: Tensor, rate: float) -> Tensor:
        """The mask (R, k) after a step down the gradient (R, k) by the mask."""
        return self.smoothed(self._entries.step(self._smoothing.adjoint(gradient), rate))


class _Blocks:
    """Adam moves u and a factor for each block, and the mask is their product."""

    def __init__(self, objective: Objective, start: Tensor, settings: Settings) -> None:
        self._transform, self._side = objective.transform, settings.block
        self._block = blocks(self._transform, self._side, start.device)
        # Their product is the start itself, so that a warm start loses nothing, and neither is above 1.
        mask = start.clamp_min(LEAST)
        most = mask.new_zeros(len(mask), int(self._block.max()) + 1)
        self._shared = most.scatter_reduce_(1, self._block.expand_as(mask), mask, "amax").sqrt_()
        self._moved = mask / self._shared[:, self._block]
        self._adams = _Adam(self._moved, settings.betas), _Adam(self._shared, settings.betas)

    def step(self, gradient: Tensor, rate: float) -> Tensor:
        """The mask (R, k) after a step down the gradient (R, k) by the mask."""
        shared = self._sums(gradient * self._moved)
        self._adams[0].step(self._moved, gradient * self._shared[:, self._block], rate)
        self._adams[1].step(self._shared, shared, rate)
        return self._moved.clamp_(0, 1) * self._shared.clamp_(0, 1)[:, self._block]

    def _sums(self, values: Tensor) -> Tensor:
        return block_sums(values, self._transform, self._side)


class _Guard:
    """Knows which rows have lost their decision."""

    DRAWS = 8
    MEMORY = 0.5

    def __init__(self, objective: Objective, like: Tensor, share: float) -> None:
        draws = self.DRAWS if objective.noise.is_random else 1
        empty, _ = objective.measure(torch.zeros_like(like), draws, step=2)
        objective.evaluations += objective.rows * draws
        self._limit = share * empty
        self._recent: Tensor | None = None

    def free(self, distortion: Tensor) -> Tensor:
        """Which rows (R,) may be pulled at: not where the recent distortion is above the limit."""
        recent = distortion if self._recent is None else self._recent.lerp(distortion, 1 - self.MEMORY)
        self._recent = recent
        return recent <= self._limit


class _Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980) with the numbers of ``torch.optim.Adam``, which is slow to import."""

    EPSILON = 1e-8

    def __init__(self, like: Tensor, betas: tuple[float, float]) -> None:
        self._betas = betas
        self._mean, self._square = torch.zeros_like(like), torch.zeros_like(like)
        self._steps = 0

    def step(self, parameters: Tensor, gradient: Tensor, rate: float) -> None:
        """Update the parameters in place."""
        self._steps += 1
        first, second = self._betas
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (self._square / (1 - second**self._steps)).sqrt_().add_(self.EPSILON)
        parameters.addcdiv_(self._mean, size, value=-rate / (1 - first**self._steps))


def _check(sound: list[Tensor], recent: int) -> None:
    """SolverError for the first of the recent steps that was not sound, with the rows that were not since."""
    failed = ~torch.stack(sound[-recent:])
    if not bool(failed.any()):
        return
    step = len(sound) - len(failed) + int(failed.any(dim=1).nonzero()[0])
    raise SolverError(
        f"the loss is not finite at step {step}: the network, or its gradient, gives NaN or infinity on the obfuscated "
        "image (half precision that overflows, or a network that divides by what the noise made zero)",
        failed.any(dim=0).nonzero().flatten().tolist(),
    )

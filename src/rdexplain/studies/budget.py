"""How long a reproduction takes on this device, and how it is scaled down to fit a budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from rdexplain.errors import OptionError
from rdexplain.models import Model, accelerated, frozen
from rdexplain.studies.plan import Scale
from rdexplain.studies.recipe import FEWEST, Unit

BATCH, SECONDS = 8, 1.0
OVERHEAD = 1.3
"""What noise, transforms and files add to the network's own time."""
FEW = FEWEST
"""Below so many photos, fewer steps and draws come before fewer photos."""
EFFORTS = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01)
STRIDES = (1, 2, 5, 10)


@dataclass(frozen=True)
class Speed:
    """Seconds of one image through the network, forward only, and forward and backward."""

    forward: float
    backward: float

    def seconds(self, units: Sequence[Unit]) -> float:
        """About how long units take."""
        return sum(self.of(unit) for unit in units)

    def of(self, unit: Unit) -> float:
        """About how long a unit takes."""
        return 0.05 + OVERHEAD * (unit.forwards * self.forward + unit.backwards * self.backward)


def measure(model: Model, size: int, seconds: float = SECONDS) -> Speed:
    """Time the network on this device, about `seconds` for each of the two directions."""
    images = torch.full((BATCH, 3, size, size), 0.5, dtype=model.dtype, device=model.device)
    with frozen(model):
        fast = accelerated(model, images[:1])

        def forward() -> None:
            with torch.no_grad():
                fast(images)

        def backward() -> None:
            with torch.enable_grad():
                leaf = images.clone().requires_grad_()
                torch.autograd.grad(fast(leaf).sum(), leaf)

        return Speed(_time(forward, model, seconds), _time(backward, model, seconds))


def _time(run: Callable[[], None], model: Model, seconds: float) -> float:
    """The mean time of an image; the first call warms up."""

    def wait() -> None:
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)

    run()
    wait()
    started, count = time.perf_counter(), 0
    while count < 1 or time.perf_counter() - started < seconds:
        run()
        wait()
        count += 1
    return (time.perf_counter() - started) / (count * BATCH)


def fit(cost: Callable[[Scale], float], photos: int, seconds: float) -> Scale:
    """The mildest scale whose cost fits: fewer photos first, then fewer steps and draws, then fewer percentages.

    Args:
        cost: of everything at a scale, in seconds.
        photos: how many there are at most.
        seconds: the budget.

    Raises:
        OptionError: even the harshest scale does not fit.
    """
    if cost(Scale()) <= seconds:
        return Scale()
    for stride in STRIDES:
        for effort in EFFORTS if stride == 1 else EFFORTS[-1:]:
            for least in [FEW] if effort > EFFORTS[-1] else [FEW, 2, 1]:
                most = _most(lambda count, e=effort, s=stride: cost(Scale(count, e, s)), photos, seconds)  # type: ignore[misc]
                if most >= min(least, photos):
                    return Scale(most, effort, stride)
    raise OptionError(
        f"--budget {seconds / 60:g} is too little: even one photo at a hundredth of the steps takes "
        f"{cost(Scale(1, EFFORTS[-1], STRIDES[-1])) / 60:.1f} minutes"
    )


def _most(cost: Callable[[int], float], photos: int, seconds: float) -> int:
    """The largest number of photos that fits, 0 if none does."""
    low, high = 0, photos
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(middle) <= seconds else (low, middle - 1)
    return low

"""How long a reproduction takes on this device, and how it is scaled down to fit a budget."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from rdexplain.core.gradients import differentiating
from rdexplain.errors import OptionError
from rdexplain.models import Model, accelerated, frozen
from rdexplain.models.outputs import tensors_of
from rdexplain.work.studies.plan import Scale
from rdexplain.work.studies.recipe import Unit
from rdexplain.work.studies.verdict import FEWEST

BATCH, SECONDS, CALLS = 8, 2.0, 3
OVERHEAD = 1.3
"""Total time over the network's own time: noise, transforms and files add to it."""
_OF_VERDICTS = ("curves", "figure-6", "noise", "networks", "tasks", "shearletx", "startgrad")
GROUPS = {"pictures": 1} | dict.fromkeys(_OF_VERDICTS, FEWEST)
"""Groups of recipes, each with a number of photos: steps and draws are cut sharply before photos fall below it."""
GENTLE, HARSH, HARSHEST = (1.0, 0.75, 0.5, 0.35, 0.25), (0.15, 0.1, 0.05), (0.02, 0.01)
"""Factors on steps and draws. The last of GENTLE gives a quarter of the `best` preset's steps, as `fast` has."""
STRIDES = (2, 5, 10)


@dataclass(frozen=True)
class Speed:
    """Seconds of one image through the network, forward only, and forward and backward."""

    forward: float
    backward: float

    def __post_init__(self) -> None:
        if not all(0 <= one < math.inf for one in (self.forward, self.backward)):
            raise ValueError(f"no times: {self}")

    def seconds(self, units: Sequence[Unit]) -> float:
        """Estimated seconds for units."""
        return sum(self.of(unit) for unit in units)

    def of(self, unit: Unit) -> float:
        """Estimated seconds for a unit."""
        return 0.05 + OVERHEAD * (unit.forwards * self.forward + unit.backwards * self.backward)


def measure(model: Model, size: int, seconds: float = SECONDS, batch: int = BATCH) -> Speed:
    """Time the network on this device, at least `seconds` and `CALLS` calls for each of the two directions."""
    images = torch.full((batch, 3, size, size), 0.5, dtype=model.dtype, device=model.device)
    with frozen(model):
        fast = accelerated(model, images[:1])

        def forward() -> None:
            with torch.no_grad():
                fast(images)

        def backward() -> None:
            with differentiating():
                leaf = images.clone().requires_grad_()
                outputs = [one for one in tensors_of(fast(leaf)) if one.requires_grad]
                torch.autograd.grad(outputs, leaf, [torch.ones_like(one) for one in outputs])

        return Speed(*(_time(run, model, seconds) / batch for run in (forward, backward)))


def _time(run: Callable[[], None], model: Model, seconds: float) -> float:
    """The median time of a call: a process's first ones are slow, even after one that warms up."""

    def wait() -> None:
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)

    run()
    wait()
    times: list[float] = []
    while len(times) < CALLS or sum(times) < seconds:
        started = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def fit(
    cost: Callable[[str, Scale], float],
    groups: Iterable[str],
    photos: int,
    seconds: float,
    start: Mapping[str, Scale] | None = None,
    slack: float = 0.0,
) -> dict[str, Scale]:
    """A scale for each group of recipes, so that their total cost fits the budget.

    While the cost is too high, the costliest group is scaled down a step; groups that keep the photos that their
    verdicts need come first. Time left over goes first to groups with fewer photos than that, and then to the group
    whose next step is cheapest.

    Args:
        cost: of a group at a scale, in seconds; units that groups share are counted in each.
        groups: names of `GROUPS`.
        photos: the number of photos without scaling.
        seconds: the budget.
        start: scales to begin from, where work was done at them; None to begin without scaling.
        slack: seconds by which the cost may exceed the budget.

    Raises:
        OptionError: even the harshest scales do not fit, and there is no `start`.
    """
    begin = {} if start is None else start
    ladders = {group: Ladder(partial(cost, group), GROUPS[group], photos, begin.get(group)) for group in groups}

    def total() -> float:
        return sum(ladder.cost(ladder.place) for ladder in ladders.values())

    while total() > seconds + slack:
        lower = {ladder: place for ladder in ladders.values() if (place := ladder.lower()) is not None}
        if not lower:
            if begin:
                break
            raise OptionError(
                f"`budget` {seconds / 60:g} is too little: even one photo for each figure, at a hundredth of the "
                f"steps, takes {total() / 60:.1f} minutes"
            )
        spared = [ladder for ladder, place in lower.items() if ladder.is_enough(place)]
        worst = max(spared or lower, key=lambda ladder: ladder.cost(ladder.place))
        worst.place = lower[worst]
    while able := [ladder for ladder in ladders.values() if ladder.place and total() + ladder.next_step() <= seconds]:
        short = [ladder for ladder in able if not ladder.is_enough(ladder.place)]
        min(short or able, key=Ladder.next_step).place -= 1
    return {group: ladder.rungs[ladder.place] for group, ladder in ladders.items()}


class Ladder:
    """The scales of a group of recipes from mild to harsh, and the group's current place among them.

    Args:
        cost: of a scale, in seconds.
        least: photos that the group's verdicts need.
        photos: the number of photos without scaling.
        start: the scale to begin at; None for the mildest.
    """

    def __init__(self, cost: Callable[[Scale], float], least: int, photos: int, start: Scale | None = None) -> None:
        self.rungs = list(_rungs(least, photos) if start is None else _rungs_from(start, photos))
        self.place = 0 if start is None else self.rungs.index(start)
        self._least = min(least, photos)
        self._cost, self._known = cost, dict[int, float]()

    def cost(self, place: int) -> float:
        """Seconds that the group costs at a place."""
        if place not in self._known:
            self._known[place] = self._cost(self.rungs[place])
        return self._known[place]

    def lower(self) -> int | None:
        """The next harsher place that costs less, if any; finished photos cost nothing."""
        below = range(self.place + 1, len(self.rungs))
        return next((place for place in below if self.cost(place) < self.cost(self.place)), None)

    def next_step(self) -> float:
        """Additional seconds of the next milder place."""
        return self.cost(self.place - 1) - self.cost(self.place)

    def is_enough(self, place: int) -> bool:
        """Whether a place has enough photos and effort for verdicts."""
        scale = self.rungs[place]
        return scale.effort >= HARSH[-1] and (scale.photos is None or scale.photos >= self._least)


def _rungs(least: int, photos: int) -> Iterable[Scale]:
    """From mild to harsh: effort to a quarter, photos to `least`, then both further, then percentages."""
    yield from (Scale(None, effort) for effort in GENTLE)
    few = min(least, photos)
    above = [count for count in _fewer(photos) if count > few]
    below = [count for count in _fewer(photos) if count < few]
    yield from (Scale(count, GENTLE[-1]) for count in (*above, few))
    yield from (Scale(few, effort) for effort in HARSH)
    yield from (Scale(count, HARSH[-1]) for count in below)
    yield from (Scale(1, effort) for effort in HARSHEST)
    yield from (Scale(1, HARSHEST[-1], stride) for stride in STRIDES)


def _rungs_from(start: Scale, photos: int) -> Iterable[Scale]:
    """Scales near one at which work was done: more steps for all photos; or more or fewer photos with the same steps
    and draws, because results with other ones cannot be reused."""
    yield from (Scale(None, effort) for effort in (*GENTLE, *HARSH, *HARSHEST) if effort > start.effort)
    yield replace(start, photos=None)
    counts = {*_fewer(photos), *((start.photos,) if start.photos else ())}
    yield from (replace(start, photos=count) for count in sorted(counts, reverse=True))


def _fewer(photos: int) -> list[int]:
    """Numbers of photos, from all to one, each about a seventh less than the one before."""
    counts = [photos]
    while counts[-1] > 1:
        counts.append(min(counts[-1] - 1, round(0.85 * counts[-1])))
    return counts

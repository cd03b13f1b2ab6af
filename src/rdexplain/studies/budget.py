"""How long a reproduction takes on this device, and how it is scaled down to fit a budget."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from rdexplain.errors import OptionError
from rdexplain.models import Model, accelerated, frozen
from rdexplain.models.outputs import tensors_of
from rdexplain.studies.plan import Scale
from rdexplain.studies.recipe import FEWEST, Unit

BATCH, SECONDS, CALLS = 8, 2.0, 3
OVERHEAD = 1.3
"""What noise, transforms and files add to the network's own time."""
GROUPS = {"pictures": 1, "curves": FEWEST, "figure-6": FEWEST, "noise": FEWEST, "networks": FEWEST, "tasks": FEWEST}
"""Groups of recipes, with the number of photos below which fewer steps and draws come before fewer photos."""
GENTLE, HARSH, HARSHEST = (1.0, 0.75, 0.5, 0.35, 0.25), (0.15, 0.1, 0.05), (0.02, 0.01)
"""Efforts. A quarter of the `best` preset's steps is what the `fast` preset has: masks that one can look at."""
STRIDES = (2, 5, 10)


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


def measure(model: Model, size: int, seconds: float = SECONDS, batch: int = BATCH) -> Speed:
    """Time the network on this device, at least `seconds` and `CALLS` calls for each of the two directions."""
    images = torch.full((batch, 3, size, size), 0.5, dtype=model.dtype, device=model.device)
    with frozen(model):
        fast = accelerated(model, images[:1])

        def forward() -> None:
            with torch.no_grad():
                fast(images)

        def backward() -> None:
            with torch.enable_grad():
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
) -> dict[str, Scale]:
    """A scale for each group of recipes, so that their whole cost fits.

    Where it is too much, the costliest group gives way first, but none to fewer photos than its verdicts need while
    another has more than that. What is left over goes first to groups that have less than that, and then where the
    next step is cheapest.

    Args:
        cost: of a group at a scale, in seconds; units that groups share are counted in each.
        groups: names of `GROUPS`.
        photos: how many there are at most.
        seconds: the budget.
        start: scales to change as little as that takes, where work was done for them; None for no scaling at all.

    Raises:
        OptionError: even the harshest scales do not fit, and there is no `start`.
    """
    ladders = {group: list(_ladder(GROUPS[group], photos)) for group in groups}
    if start:  # a scale that is none of ours stays
        ladders = {group: ladder if start[group] in ladder else [start[group]] for group, ladder in ladders.items()}
    known: dict[tuple[str, int], float] = {}

    def at(group: str, place: int) -> float:
        if (group, place) not in known:
            known[group, place] = cost(group, ladders[group][place])
        return known[group, place]

    def lower(group: str) -> int | None:
        """The next place down the ladder that costs less: what was done for another effort counts for nothing."""
        below = range(places[group] + 1, len(ladders[group]))
        return next((place for place in below if at(group, place) < at(group, places[group])), None)

    def enough(group: str, place: int) -> bool:
        return _is_enough(ladders[group][place], GROUPS[group], photos)

    def total() -> float:
        return sum(at(group, place) for group, place in places.items())

    places = {group: ladder.index(start[group]) if start else 0 for group, ladder in ladders.items()}
    while total() > seconds:
        steps = {group: place for group in places if (place := lower(group)) is not None}
        spared = [group for group, place in steps.items() if enough(group, place)]
        if not steps:
            if start:
                break
            raise OptionError(
                f"--budget {seconds / 60:g} is too little: even one photo at a hundredth of the steps takes "
                f"{total() / 60:.1f} minutes"
            )
        worst = max(spared or steps, key=lambda group: at(group, places[group]))
        places[worst] = steps[worst]
    while True:
        more = {group: at(group, place - 1) - at(group, place) for group, place in places.items() if place}
        able = [group for group, seconds_more in more.items() if total() + seconds_more <= seconds]
        if not able:
            return {group: ladder[places[group]] for group, ladder in ladders.items()}
        short = [group for group in able if not enough(group, places[group])]
        places[min(short or able, key=lambda group: more[group])] -= 1


def _is_enough(scale: Scale, least: int, photos: int) -> bool:
    """Whether a group's verdicts can be told at a scale."""
    return scale.effort >= HARSH[-1] and (scale.photos is None or scale.photos >= min(least, photos))


def _ladder(least: int, photos: int) -> Iterable[Scale]:
    """From mild to harsh: effort to a quarter, photos to `least`, then both further, then percentages."""
    yield from (Scale(None, effort) for effort in GENTLE)
    fewer = [photos]
    while fewer[-1] > 1:
        fewer.append(min(fewer[-1] - 1, round(0.85 * fewer[-1])))
    few = min(least, photos)
    above = [count for count in fewer if count > few]
    below = [count for count in fewer if count < few]
    yield from (Scale(count, GENTLE[-1]) for count in (*above, few))
    yield from (Scale(few, effort) for effort in HARSH)
    yield from (Scale(count, HARSH[-1]) for count in below)
    yield from (Scale(1, effort) for effort in HARSHEST)
    yield from (Scale(1, HARSHEST[-1], stride) for stride in STRIDES)

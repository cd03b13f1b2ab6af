"""Chooses the next unit, and rescales a plan when its units take longer or shorter than estimated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from rdexplain.errors import OptionError
from rdexplain.work.studies import budget
from rdexplain.work.studies.plan import Plan, Scale
from rdexplain.work.studies.recipe import Recipe, Row, Unit

MARKS = (0.05, 0.6, 0.9)
"""Shares of the budget after which the plan is rescaled: after the first one from scratch, since little is done by
then, after the others with as few changes as possible."""


SLACK, OVER = 0.1, 0.2
"""Shares of the budget: by how much a plan under way may exceed it before photos are left out, and by how much a run
may exceed it without a message."""


@dataclass
class Spent:
    """The time that units took so far.

    Attributes:
        seconds: of the workers of all units.
        measured: seconds of the units that have results.
        expected: seconds that were estimated beforehand for the units in `measured`.
        finished: whether the run within the budget is complete.
    """

    seconds: float = 0.0
    measured: float = 0.0
    expected: float = 0.0
    finished: bool = False

    def __post_init__(self) -> None:
        if not all(0 <= one < math.inf for one in (self.seconds, self.measured, self.expected)):
            raise ValueError(f"no times: {self}")

    @property
    def pace(self) -> float:
        """The measured over the expected time."""
        return self.measured / self.expected if self.expected > 0 and self.measured > 0 else 1.0


def units_of(recipes: Sequence[Recipe], plan: Plan) -> list[Unit]:
    """All units of recipes, each once."""
    return list({unit.name: unit for recipe in recipes for unit in recipe.units(plan)}.values())


class Schedule(Iterator[tuple[Unit, ...]]):
    """Iterates over the units of a plan that are not done, or over those that fit into a budget.

    They come in batches of units that differ in the photo alone. Each unit must be reported by `done`. After
    StopIteration there may be more once others are done: call `next` again.

    With a budget, the plan is rescaled by the measured time of the first units, becomes smaller if it turns out too
    large, and is extended if time is left when its units are done.

    Args:
        recipes: the recipes to run.
        plan: its scales are the first ones for the budget.
        done: names of the units that have a result.
        seconds: estimates the seconds of a unit, 0 where its network cannot be loaded; not needed without a budget.
        budget: seconds of one worker; None for the plan as it is.
        spent: the time that earlier runs took.
        save: called with the plan and the time spent, each time they change.
        together: the most units in a batch.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        plan: Plan,
        done: Sequence[str] = (),
        seconds: Callable[[Unit], float] = lambda unit: 0.0,
        budget: float | None = None,
        spent: Spent | None = None,
        save: Callable[[Plan, Spent], None] = lambda plan, spent: None,
        together: int = 1,
    ) -> None:
        self.recipes, self.plan, self.spent = recipes, plan, Spent() if spent is None else spent
        self._together = together
        self._seconds, self._save = seconds, save
        self._budget = None if self.spent.finished else budget
        self._units = units_of(recipes, plan)
        self._done, self._working = set(done), dict[str, Unit]()
        self._refused: set[tuple[str, str]] = set()
        self._marks = [mark for mark in MARKS if self._budget and self.spent.seconds < mark * self._budget]

    def __next__(self) -> tuple[Unit, ...]:
        while True:
            left = (unit for unit in self._units if not self._has(unit))
            if (first := next(left, None)) is not None:
                alike = (unit for unit in left if unit.alike(first))
                batch = (first, *islice(alike, self._together - 1))
                self._working |= {unit.name: unit for unit in batch}
                return batch
            if self._budget is None or not self._rescale(self._current()):
                raise StopIteration

    @property
    def count(self) -> int:
        """Number of units in the current plan."""
        return len(self._units)

    @property
    def ready(self) -> int:
        """Number of finished units in the current plan."""
        return sum(unit.name in self._done for unit in self._units)

    @property
    def left(self) -> float:
        """Estimated seconds of one worker for the units that are left."""
        units = [unit for unit in self._units if unit.name not in self._done]
        return self.spent.pace * sum(self._expected(unit) for unit in units)

    @property
    def is_over(self) -> bool:
        """Whether the budget is exceeded by more than the share `OVER`; False where an earlier run was complete."""
        return self._budget is not None and self.spent.seconds > (1 + OVER) * self._budget

    def done(self, unit: Unit, seconds: float, result: Row) -> None:
        """Report the result of a unit, and the seconds that it took."""
        self._working.pop(unit.name, None)
        self._done.add(unit.name)
        if "not_applicable" in result:
            self._refused.add((unit.model, unit.method))
        if self._budget is None:
            return
        self.spent.seconds += seconds
        if any("left_out" not in row for row in result.get("rows", ())):  # failures say nothing about the pace
            self.spent.measured += seconds
            self.spent.expected += self._seconds(unit)
        first = self._marks[:1] == list(MARKS[:1])
        passed = [mark for mark in self._marks if self.spent.seconds >= mark * self._budget]
        if passed:
            self._marks = self._marks[len(passed) :]
            self._rescale(None if first else self._current())
        self._save(self.plan, self.spent)

    def finish(self) -> None:
        """Mark the run as complete, so that a later one adds no units."""
        if self._budget is not None:
            self.spent.finished = True
            self._save(self.plan, self.spent)

    def _expected(self, unit: Unit) -> float:
        """Seconds that a unit takes on the device that was timed; 0 where its method was not applicable before."""
        return 0.0 if (unit.model, unit.method) in self._refused else self._seconds(unit)

    def _has(self, unit: Unit) -> bool:
        return unit.name in self._done or unit.name in self._working

    def _current(self) -> dict[str, Scale]:
        return {recipe.group: self.plan.of(recipe.group).scale for recipe in self.recipes}

    def _rescale(self, start: dict[str, Scale] | None) -> bool:
        """Scale the plan to the remaining budget; returns whether that changed it."""
        assert self._budget is not None
        working = sum(self._expected(unit) for unit in self._working.values())
        pace = self.spent.pace
        left = self._budget - self.spent.seconds - pace * working
        slack = 0.0 if start is None else SLACK * self._budget

        def seconds(unit: Unit) -> float:
            return 0.0 if self._has(unit) else pace * self._expected(unit)

        try:
            scales = fitted(self.recipes, self.plan, seconds, left, start, slack)
        except OptionError:  # far slower than estimated: too late to refuse the budget
            scales = fitted(self.recipes, self.plan, seconds, left, self._current(), slack)
        changed = scales != self.plan.scales
        self.plan = replace(self.plan, scales=scales)
        self._units = units_of(self.recipes, self.plan)
        return changed


def fitted(
    recipes: Sequence[Recipe],
    plan: Plan,
    seconds: Callable[[Unit], float],
    limit: float,
    start: dict[str, Scale] | None = None,
    slack: float = 0.0,
) -> dict[str, Scale]:
    """The scales at which a plan's units take at most `limit` seconds; see `budget.fit`."""

    def cost(group: str, scale: Scale) -> float:
        mine = [recipe for recipe in recipes if recipe.group == group]
        return sum(seconds(unit) for unit in units_of(mine, replace(plan, scale=scale, scales={})))

    groups = dict.fromkeys(recipe.group for recipe in recipes)
    return budget.fit(cost, groups, len(plan.photos) or len(plan.scenes or ()), limit, start, slack)

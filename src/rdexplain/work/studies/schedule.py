"""Which unit comes next, and how a plan is scaled again as its units take longer or shorter than was thought."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rdexplain.errors import OptionError
from rdexplain.work.studies import budget
from rdexplain.work.studies.plan import Plan, Scale
from rdexplain.work.studies.recipe import Recipe, Row, Unit

MARKS = (0.05, 0.6, 0.9)
"""Shares of the budget after which the plan is looked at again: at the first one it is made anew, since little is
done by then, at the others as little as possible is changed."""


SLACK, OVER = 0.1, 0.2
"""Shares of the budget: by how much a plan that is under way may go over it before photos are left out, and by how much
a run may have gone over it unsaid."""


@dataclass
class Spent:
    """What units took so far.

    Attributes:
        seconds: of their workers.
        measured: of those that have results.
        expected: what was thought of these beforehand.
        finished: whether the budget is spent, and all is done that it was spent on.
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
        """How many times as long as thought units take."""
        return self.measured / self.expected if self.expected > 0 and self.measured > 0 else 1.0


def units_of(recipes: Sequence[Recipe], plan: Plan) -> list[Unit]:
    """All units of recipes, each once."""
    return list({unit.name: unit for recipe in recipes for unit in recipe.units(plan)}.values())


class Schedule(Iterator[Unit]):
    """Units one after another: those of a plan that are not done, or those that fit into a budget.

    Each unit that is given out has to be reported by `done`. After the last one there may be more once others are
    done: ask again.

    A budget is spent by the clock: what the first units really took scales the plan again, a plan that turns out too
    large becomes smaller, and time that is left when its units are done goes to more of them.

    Args:
        recipes: what is made.
        plan: how; its scales are where the budget begins.
        done: names of the units that have a result.
        seconds: about how long a unit takes; nothing where its network cannot be had. It may be left out without a
            budget.
        budget: seconds of one worker; None for the plan as it is.
        spent: of the budget, in earlier runs.
        save: is given the scales and what is spent, each time they change.
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
    ) -> None:
        self.recipes, self.plan, self.spent = recipes, plan, Spent() if spent is None else spent
        self._seconds, self._save = seconds, save
        self._budget = None if self.spent.finished else budget
        self._units = units_of(recipes, plan)
        self._done, self._working = set(done), dict[str, Unit]()
        self._refused: set[tuple[str, str]] = set()
        self._marks = [mark for mark in MARKS if self._budget and self.spent.seconds < mark * self._budget]

    def __next__(self) -> Unit:
        while True:
            unit = next((unit for unit in self._units if not self._has(unit)), None)
            if unit is not None:
                self._working[unit.name] = unit
                return unit
            if self._budget is None or not self._rescale(self._current()):
                raise StopIteration

    @property
    def count(self) -> int:
        """How many units the plan has, as it is now."""
        return len(self._units)

    @property
    def ready(self) -> int:
        """How many of them are done."""
        return sum(unit.name in self._done for unit in self._units)

    @property
    def left(self) -> float:
        """About how many seconds of one worker are left."""
        units = [unit for unit in self._units if unit.name not in self._done]
        return self.spent.pace * sum(self._expected(unit) for unit in units)

    @property
    def is_over(self) -> bool:
        """Whether much more than the budget was spent; what was finished by an earlier run does not count."""
        return self._budget is not None and self.spent.seconds > (1 + OVER) * self._budget

    def done(self, unit: Unit, seconds: float, result: Row) -> None:
        """A unit has a result, after so many seconds."""
        self._working.pop(unit.name, None)
        self._done.add(unit.name)
        if "not_applicable" in result:
            self._refused.add((unit.model, unit.method))
        if self._budget is None:
            return
        self.spent.seconds += seconds
        if any("left_out" not in row for row in result.get("rows", ())):  # what failed says nothing about the pace
            self.spent.measured += seconds
            self.spent.expected += self._seconds(unit)
        first = self._marks[:1] == list(MARKS[:1])
        passed = [mark for mark in self._marks if self.spent.seconds >= mark * self._budget]
        if passed:
            self._marks = self._marks[len(passed) :]
            self._rescale(None if first else self._current())
        self._save(self.plan, self.spent)

    def finish(self) -> None:
        """All is done: called again, nothing more shall be."""
        if self._budget is not None:
            self.spent.finished = True
            self._save(self.plan, self.spent)

    def _expected(self, unit: Unit) -> float:
        """Seconds that a unit takes on the device that was timed; nothing where its method was refused before."""
        return 0.0 if (unit.model, unit.method) in self._refused else self._seconds(unit)

    def _has(self, unit: Unit) -> bool:
        return unit.name in self._done or unit.name in self._working

    def _current(self) -> dict[str, Scale]:
        return {recipe.group: self.plan.of(recipe.group).scale for recipe in self.recipes}

    def _rescale(self, start: dict[str, Scale] | None) -> bool:
        """Scale the plan to what is left of the budget; whether that changed it."""
        assert self._budget is not None
        working = sum(self._expected(unit) for unit in self._working.values())
        pace = self.spent.pace
        left = self._budget - self.spent.seconds - pace * working
        slack = 0.0 if start is None else SLACK * self._budget

        def seconds(unit: Unit) -> float:
            return 0.0 if self._has(unit) else pace * self._expected(unit)

        try:
            scales = fitted(self.recipes, self.plan, seconds, left, start, slack)
        except OptionError:  # far slower than was thought: it is too late to say that the budget is too little
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
    """The scales at which a plan's units take so many seconds; see `budget.fit`."""

    def cost(group: str, scale: Scale) -> float:
        mine = [recipe for recipe in recipes if recipe.group == group]
        return sum(seconds(unit) for unit in units_of(mine, replace(plan, scale=scale, scales={})))

    groups = dict.fromkeys(recipe.group for recipe in recipes)
    return budget.fit(cost, groups, len(plan.photos) or len(plan.scenes or ()), limit, start, slack)

"""A budget that is spent by the clock, on recipes and units made up here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdexplain.work.studies import Known, Plan, Recipe, Unit
from rdexplain.work.studies.recipe import Findings
from rdexplain.work.studies.schedule import Schedule, Spent, fitted

PHOTOS = tuple(Known(str(number), f"{number:x}", 0, 0) for number in range(20))
WORKED = {"rows": [{}]}
PLAN = Plan("corrected", "net", (), 32, 0, PHOTOS)


def recipe(group: str) -> Recipe:
    """Of 20 photos, with 100 steps each."""

    def units(plan: Plan) -> list[Unit]:
        steps = plan.times(100)
        return [Unit("mask", photo, "net", group, {"steps": steps}, {}, 0, steps) for photo in plan.first(20)]

    return Recipe(group, "", "", 20, units, lambda plan, results: Findings(), group)


def seconds(unit: Unit) -> float:
    return float(unit.backwards)


def run(schedule: Schedule, pace: float, units: int = 10**6) -> list[Unit]:
    """Work on units one after another, each `pace` times as long as was thought, and stop within one."""
    worked = []
    for (unit,) in schedule:
        if len(worked) == units:
            break
        worked.append(unit)
        schedule.done(unit, pace * seconds(unit), WORKED)
    return worked


def make(budget: float, groups=("curves", "noise"), **options) -> Schedule:
    recipes = [recipe(group) for group in groups]
    plan = replace(PLAN, scales=fitted(recipes, PLAN, seconds, budget))
    return Schedule(recipes, plan, seconds=seconds, budget=budget, **options)


def needed(schedule: Schedule) -> float:
    """Seconds that the plan's units were thought to take."""
    return sum(seconds(unit) for one in schedule.recipes for unit in one.units(schedule.plan))


@pytest.mark.parametrize("budget", [300.0, 900.0, 2000.0])
@pytest.mark.parametrize("pace", [0.3, 0.7, 1.0, 1.5, 2.5])
def test_a_budget_is_spent_whatever_the_pace(budget, pace):
    schedule = make(budget)
    run(schedule, pace)
    # What is left would not do for the next step, of three photos or of a third more steps for all of them.
    whole = pace * 2 * 20 * 100
    assert schedule.spent.seconds == pytest.approx(min(budget, whole), rel=0.25)
    assert schedule.ready == schedule.count


def test_a_pace_as_thought_wastes_nothing():
    schedule = make(800.0)
    before = needed(schedule)
    worked = run(schedule, 1.0)
    assert sum(seconds(unit) for unit in worked) == needed(schedule) >= before


def test_a_faster_machine_does_more_and_wastes_little():
    slow, fast = make(800.0), make(800.0)
    run(slow, 1.0)
    worked = run(fast, 0.4)
    assert needed(fast) > 1.5 * needed(slow)
    assert sum(seconds(unit) for unit in worked) < 1.1 * needed(fast)


def test_a_slower_machine_keeps_the_photos_that_verdicts_need():
    schedule = make(800.0)
    run(schedule, 2.0)
    assert all(schedule.plan.of(group).scale.photos >= 6 for group in ("curves", "noise"))


def test_a_machine_that_slows_down_later_makes_the_plan_smaller():
    schedule = make(2500.0)
    before = needed(schedule)
    for number, (unit,) in enumerate(schedule):
        schedule.done(unit, seconds(unit) * (1.0 if number < 8 else 3.0), WORKED)
    assert needed(schedule) < before
    assert schedule.spent.seconds < 1.3 * 2500.0


def test_a_machine_far_too_slow_goes_on_without_an_error():
    schedule = make(40.0)
    assert run(schedule, 50.0)
    assert schedule.ready == schedule.count


def test_a_killed_run_goes_on_with_what_it_has_spent():
    kept: list[tuple[Plan, Spent]] = []

    def save(plan: Plan, spent: Spent) -> None:
        kept.append((plan, replace(spent)))

    first = make(900.0, save=save)
    done = run(first, 0.5, units=20)
    plan, spent = kept[-1]
    assert spent.seconds == sum(0.5 * seconds(unit) for unit in done)
    second = Schedule(first.recipes, plan, [unit.name for unit in done], seconds, 900.0, spent, save)
    again = run(second, 0.5)
    assert not {unit.name for unit in done} & {unit.name for unit in again}
    assert second.spent.seconds == pytest.approx(900.0, rel=0.2)


def test_a_finished_run_does_nothing_more():
    first = make(900.0)
    done = [unit.name for unit in run(first, 0.5)]
    first.finish()
    # Whatever the clock says now.
    again = Schedule(first.recipes, first.plan, done, seconds, 900.0, Spent(10.0, 10.0, 100.0, first.spent.finished))
    assert list(again) == []


def test_without_a_budget_the_plan_is_done_as_it_is():
    schedule = Schedule([recipe("curves")], PLAN)
    assert len(run(schedule, 7.0)) == 20
    assert (schedule.plan, schedule.spent) == (PLAN, Spent())


def test_workers_side_by_side_get_each_unit_once():
    """As a pool asks: two at a time, and again after it was told that there is nothing more for now."""
    schedule, working, worked = make(900.0), [], []
    while True:
        while len(working) < 2 and (batch := next(schedule, None)) is not None:
            working += batch
        if not working:
            break
        unit = working.pop(0)
        worked.append(unit.name)
        schedule.done(unit, 0.5 * seconds(unit), WORKED)
    assert len(set(worked)) == len(worked)
    assert schedule.ready == schedule.count
    assert schedule.spent.seconds == pytest.approx(900.0, rel=0.25)


def test_what_time_is_left_after_the_last_unit_goes_to_more():
    """The last unit is faster than was thought: the units that it makes room for are given out, and all are done."""
    schedule = make(1000.0, groups=("curves",))
    while (batch := next(schedule, None)) is not None:
        (unit,), ended = batch, next(schedule, ())
        schedule.done(unit, (1.0 if ended else 0.1) * seconds(unit), WORKED)
        for one in ended:
            schedule.done(one, seconds(one), WORKED)
    assert schedule.ready == schedule.count


def test_units_that_did_no_work_say_nothing_about_the_pace():
    schedule = make(2000.0)
    for number, (unit,) in enumerate(schedule):
        if number % 3 == 1:
            schedule.done(unit, 0.0, {"failed": "no photo"})
        elif number % 3 == 2:
            schedule.done(unit, 0.0, {"rows": [{"left_out": "nothing is seen"}]})
        else:
            schedule.done(unit, 2.0 * seconds(unit), WORKED)
    assert schedule.spent.pace == pytest.approx(2.0)


def test_a_method_that_is_refused_costs_no_more_of_the_budget():
    """Half of the units are refused: the others have the budget for themselves."""
    schedule = make(500.0)
    assert schedule.plan.of("curves").scale.photos == 10
    for (unit,) in schedule:
        refused = unit.method == "noise"
        schedule.done(unit, 0.0 if refused else seconds(unit), {"not_applicable": "why"} if refused else WORKED)
    assert schedule.plan.of("curves").scale.photos in (20, None)
    assert schedule.spent.seconds == pytest.approx(500.0, rel=0.1)

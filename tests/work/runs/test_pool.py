"""Who gets which task, and what becomes of it when workers die: without processes, in any order of events."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdexplain.errors import OptionError
from rdexplain.work.engines import Local
from rdexplain.work.engines.answers import Answer
from rdexplain.work.engines.pool import DEATHS, Hand, Pool, WorkerError

Task = tuple[int, ...]


class Numbers:
    """Tasks are numbers; the result of each is itself, or why there is none."""

    def make(self, device: str) -> Any:
        raise AssertionError("no worker is made here")

    def parts(self, task: Task) -> list[Task]:
        return [(number,) for number in task]

    def given_up(self, task: Task, reason: str) -> list[tuple[int, str]]:
        return [(number, reason) for number in task]


class Imagined(Pool[Task, list]):
    """A pool whose workers are imagined: some numbers kill them, some starts fail, and some die by chance."""

    def __init__(self, workers: int, ahead: int, seed: int, deadly: set[int], chance: float = 0.0) -> None:
        super().__init__(Numbers(), workers, ahead)
        self.random, self.deadly, self.chance = random.Random(seed), deadly, chance
        self.started = self.ended = 0

    def _start(self, place: int) -> dict[int, Task]:
        self.started += 1
        return {}

    def _give(self, hand: Hand[Task], number: int, task: Task) -> None:
        assert hand.ready
        hand.process[number] = task

    def _events(self, hands: list[Hand[Task]]) -> list[tuple[Hand[Task], int | None, Answer | None]]:
        hand = self.random.choice([hand for hand in hands if not hand.ready or hand.process])
        if hand.ready and self.random.random() < self.chance:
            return [(hand, None, None), (hand, None, None)]  # heard of twice
        if not hand.ready:
            return [(hand, None, Answer())]
        number, task = next(iter(hand.process.items()))
        if self.deadly & set(task):
            return [(hand, number, None)]
        del hand.process[number]
        return [(hand, number, Answer([(one, "done") for one in task]))]

    def _stop(self, hands: list[Hand[Task]]) -> None:
        self.ended += len(hands)


def run(pool: Imagined, count: int, together: int) -> dict[int, str]:
    tasks = iter([tuple(range(start, min(start + together, count))) for start in range(0, count, together)])
    found = [pair for result in pool.results(tasks) for pair in result]
    assert sorted(number for number, _ in found) == list(range(count))  # each once
    assert pool.started == pool.ended
    return dict(found)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    workers=st.integers(1, 4),
    ahead=st.integers(1, 3),
    count=st.integers(0, 12),
    together=st.integers(1, 4),
    deadly=st.sets(st.integers(0, 11), max_size=3),
)
def test_only_what_kills_workers_is_given_up(seed, workers, ahead, count, together, deadly):
    found = run(Imagined(workers, ahead, seed, deadly), count, together)
    assert {number for number, text in found.items() if text != "done"} == {one for one in deadly if one < count}
    assert set(found.values()) <= {"done", f"{DEATHS} workers died with it"}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), workers=st.integers(1, 4), ahead=st.integers(1, 3), together=st.integers(1, 4))
def test_whoever_dies_each_task_has_one_end(seed, workers, ahead, together):
    run(Imagined(workers, ahead, seed, {3}, chance=0.3), 10, together)


def test_nobody_is_started_for_nothing():
    pool = Imagined(2, 2, 0, set())
    assert run(pool, 0, 1) == {}
    assert pool.started == 0


def test_workers_that_never_start_end_it():
    pool = Imagined(2, 2, 0, set())
    pool._events = lambda hands: [(hands[0], None, None)]  # type: ignore[method-assign]
    with pytest.raises(WorkerError, match="3 workers died while they loaded the model"):
        list(pool.results(iter([(1,)])))
    assert pool.started == pool.ended


def test_an_error_ends_all_workers_and_is_raised_here():
    pool = Imagined(3, 1, 0, set())
    pool._events = lambda hands: [(hands[1], None, Answer(error=OptionError("no such option"), traceback="there"))]  # type: ignore[method-assign]
    with pytest.raises(OptionError, match="no such option") as caught:
        list(pool.results(iter([(1,)])))
    assert "there" in str(caught.value.__cause__)
    assert pool.started == pool.ended == 3


class Growing:
    """Three tasks; and two more, but only once `known` says so."""

    def __init__(self) -> None:
        self.tasks, self.known = [(0,), (1,), (2,)], False

    def __iter__(self):
        return self

    def __next__(self) -> Task:
        if self.known and not self.tasks:
            self.tasks, self.known = [(3,), (4,)], False
        if not self.tasks:
            raise StopIteration
        return self.tasks.pop(0)


@pytest.mark.parametrize("engine", ["pool", "local"])
def test_tasks_that_are_known_of_late_are_done_too(engine):
    class Worker:
        def load(self, task: Task) -> Task:
            return task

        def work(self, loaded: Task) -> list[tuple[int, str]]:
            return [(number, "done") for number in loaded]

    tasks, found = Growing(), []
    for result in (Imagined(2, 1, 0, set()) if engine == "pool" else Local(Worker())).results(tasks):
        found += [number for number, _ in result]
        tasks.known = len(found) == 3  # when all that were given out are done
    assert sorted(found) == [0, 1, 2, 3, 4]

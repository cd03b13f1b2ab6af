"""The base of engines with several workers: assigns tasks to workers, and replaces workers that die."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic

from rdexplain.errors import RDExplainError
from rdexplain.work.engines.answers import Answer
from rdexplain.work.engines.engine import Recipe, Result, Task

AHEAD = 2
"""Tasks that a worker has at a time: one that it works on, and one that it loads meanwhile."""
DEATHS = 3
"""Number of workers that die on a task before it is given up; or while they start, before the job is."""
TOGETHER = 2
"""Number of workers that die on a task before its parts are tried one by one."""


class WorkerError(RDExplainError):
    """Workers died while they started."""


@dataclass
class Job(Generic[Task]):
    """A task, and how many workers have died on it."""

    task: Task
    deaths: int = 0


@dataclass(eq=False)
class Hand(Generic[Task]):
    """A worker as the pool sees it.

    Attributes:
        process: the engine's handle of the worker.
        place: from 0 to the number of workers - 1; one that replaces a dead one takes its place.
        ready: whether its model is loaded.
        jobs: the jobs that it has, by numbers that the pool gives.
        alone: whether it has a job on which a worker has died; it then gets no other, so that the cause is clear if it
            dies too.
    """

    process: Any
    place: int
    ready: bool = False
    jobs: dict[int, Job[Task]] = field(default_factory=dict)
    alone: bool = False


class Pool(ABC, Generic[Task, Result]):
    """An engine of many workers, each in a process of its own, that take tasks as they get free.

    A worker that dies is replaced, and its tasks are done again: first as they were, then part by part, so that only a
    part on which workers die repeatedly is given up.

    Args:
        recipe: makes the workers.
        workers: number of workers.
        ahead: tasks that a worker has at a time; 1 where tasks are long, so that none waits behind another at the end.
    """

    def __init__(self, recipe: Recipe[Task, Result], workers: int, ahead: int = AHEAD) -> None:
        self.recipe, self.workers, self.ahead = recipe, workers, ahead
        self._hands: list[Hand[Task]] = []
        self._first: list[Task] = []
        self._again: deque[Job[Task]] = deque()
        self._stillborn = [0] * workers
        self._number = 0

    def results(self, tasks: Iterator[Task]) -> Generator[Result, None, None]:
        try:
            first = next(tasks, None)
            if first is None:  # no worker is started without a task
                return
            self._first = [first]
            self._hands = [Hand(self._start(place), place) for place in range(self.workers)]
            while True:
                for hand in self._hands:
                    self._fill(hand, tasks)
                if any(hand.ready for hand in self._hands) and not any(hand.jobs for hand in self._hands):
                    return
                for hand, number, answer in self._events(self._hands):
                    if hand in self._hands:  # a dead worker may be reported twice
                        yield from self._dead(hand) if answer is None else self._heard(hand, number, answer)
        finally:
            self.close()

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        hands, self._hands = self._hands, []
        self._stop(hands)

    @abstractmethod
    def _start(self, place: int) -> Any:
        """Start a worker without waiting for it; returns `Hand.process`."""

    @abstractmethod
    def _give(self, hand: Hand[Task], number: int, task: Task) -> None:
        """Give a worker a task. A dead worker is no error here: `_events` reports it."""

    @abstractmethod
    def _events(self, hands: list[Hand[Task]]) -> Iterable[tuple[Hand[Task], int | None, Answer | None]]:
        """Wait a second at most for events: (worker, its job's number, answer). The number is None for a worker that is
        ready, the answer None for one that is dead."""

    @abstractmethod
    def _stop(self, hands: list[Hand[Task]]) -> None:
        """End workers at once, even in the middle of a task."""

    def _fill(self, hand: Hand[Task], tasks: Iterator[Task]) -> None:
        while hand.ready and not hand.alone and len(hand.jobs) < self.ahead:
            if self._again:
                if hand.jobs:
                    return
                job, hand.alone = self._again.popleft(), True
            else:
                task = self._first.pop() if self._first else next(tasks, None)
                if task is None:
                    return
                job = Job(task)
            self._number += 1
            hand.jobs[self._number] = job
            self._give(hand, self._number, job.task)

    def _heard(self, hand: Hand[Task], number: int | None, answer: Answer) -> Iterator[Result]:
        value = answer.value()
        if number is None:
            hand.ready = True
            self._stillborn[hand.place] = 0
            return
        del hand.jobs[number]
        hand.alone = False
        yield value

    def _dead(self, hand: Hand[Task]) -> Iterator[Result]:
        self._hands.remove(hand)
        self._stop([hand])
        if not hand.ready:
            self._stillborn[hand.place] += 1
            if self._stillborn[hand.place] >= DEATHS:
                raise WorkerError(
                    f"{DEATHS} workers died while they loaded the model, perhaps for want of memory: choose fewer "
                    "`workers`"
                )
        self._hands.append(Hand(self._start(hand.place), hand.place))
        for job in hand.jobs.values():
            yield from self._retried(job)

    def _retried(self, job: Job[Task]) -> Iterator[Result]:
        """Queue the job of a worker that died, whole or part by part; or give up a job of one part."""
        deaths = job.deaths + 1
        parts = self.recipe.parts(job.task)
        if len(parts) > 1:
            self._again.extend(Job(part, deaths) for part in (parts if deaths >= TOGETHER else [job.task]))
        elif deaths >= DEATHS:
            yield self.recipe.given_up(job.task, f"{deaths} workers died with it")
        else:
            self._again.append(Job(job.task, deaths))

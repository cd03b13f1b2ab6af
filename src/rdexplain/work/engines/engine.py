"""The protocols of an engine, and of the workers and recipes that it uses."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
_Task = TypeVar("_Task", contravariant=True)
_Result = TypeVar("_Result", covariant=True)


class Worker(Protocol[_Task, _Result]):
    """Does tasks, one after another. It is made once in its process, so that it can hold a model."""

    def load(self, task: _Task) -> Any:
        """Prepare a task, such as decode its photos, in another thread while the task before it is worked on."""

    def work(self, loaded: Any) -> _Result:
        """The result of a loaded task.

        Raises:
            RDExplainError: an error that does not concern this task alone; it ends the whole job.
        """


class Recipe(Protocol[Task, _Result]):
    """What a worker is made from: plain data that can be sent to another process or machine, as tasks and results
    are. A task is never None."""

    def make(self, device: str) -> Worker[Task, _Result]:
        """A worker on a device."""

    def parts(self, task: Task) -> Sequence[Task]:
        """The task divided into its smallest pieces, after workers have crashed on it."""

    def given_up(self, task: Task, reason: str) -> _Result:
        """The result of an indivisible task on which workers crash."""


class Engine(Protocol[_Task, _Result]):
    """Distributes tasks to workers."""

    def results(self, tasks: Iterator[_Task]) -> Generator[_Result, None, None]:
        """The result of each task, each once, in any order.

        Tasks are taken from the iterator in the thread of the caller, when a worker is free or nearly so. An exhausted
        iterator is asked again after each result, since it may have more tasks then. Workers end when the generator is
        closed.

        Raises:
            RDExplainError: an error that does not concern a single task.
        """

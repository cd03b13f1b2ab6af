"""What an engine is, and what it needs to know of the work that it carries."""

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
        """What can be done while another task is worked on, such as decoding its photos; in another thread."""

    def work(self, loaded: Any) -> _Result:
        """The task that was loaded.

        Raises:
            RDExplainError: something that is not the task's own fault: it ends everything.
        """


class Recipe(Protocol[Task, _Result]):
    """What a worker is made from: plain data that can be sent to another process or machine, as tasks and results
    are. A task is never None."""

    def make(self, device: str) -> Worker[Task, _Result]:
        """A worker on a device."""

    def parts(self, task: Task) -> Sequence[Task]:
        """The task in its smallest pieces, for one that workers die with."""

    def given_up(self, task: Task, reason: str) -> _Result:
        """The result of a task of one piece that workers die with."""


class Engine(Protocol[_Task, _Result]):
    """Carries tasks to workers."""

    def results(self, tasks: Iterator[_Task]) -> Generator[_Result, None, None]:
        """What became of each task, each once, in any order.

        Tasks are taken from the iterator when a worker is free or nearly so, in the thread of the caller. One that has
        ended is asked again after each result: it may know of more then. Workers end when the generator is closed.

        Raises:
            RDExplainError: something that is no single task's fault.
        """

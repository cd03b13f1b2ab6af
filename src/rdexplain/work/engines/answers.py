"""Results, errors and warnings of a worker in another process, as data that is sent back."""

from __future__ import annotations

import pickle
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from rdexplain.work.engines.engine import Recipe, Worker
from rdexplain.work.heap import keep_freed_memory


@dataclass
class Answer:
    """A result or an error, and the warnings that came before it, as (class, text)."""

    result: Any = None
    error: BaseException | None = None
    traceback: str = ""
    warnings: list[tuple[type[Warning], str]] = field(default_factory=list)

    def value(self) -> Any:
        """The result, or the error raised here, with its traceback there as its cause; the warnings are issued."""
        for category, text in self.warnings:
            warnings.warn(text, category, stacklevel=2)
        if self.error is not None:
            raise self.error from RuntimeError(f"in a worker:\n{self.traceback}")
        return self.result


class Answering:
    """A worker in a process of its own, whose methods never raise.

    Args:
        recipe: makes the worker, when `ready` is called.
        device: of the worker.
        threads: number of PyTorch's threads; None for its default.
    """

    def __init__(self, recipe: Recipe[Any, Any], device: str, threads: int | None) -> None:
        self._recipe, self._device, self._threads = recipe, device, threads
        self._worker: Worker[Any, Any] | None = None
        self._warnings: list[tuple[type[Warning], str]] = []

    def ready(self) -> Answer:
        """Make the worker."""
        warnings.showwarning = self._keep
        return self._with_warnings(_answer(self._make))

    def load(self, task: Any) -> Answer:
        """Load a task for `work`; may run in parallel with it."""
        assert self._worker is not None
        return _answer(self._worker.load, task)

    def work(self, loaded: Answer) -> Answer:
        """Work on a loaded task."""
        assert self._worker is not None
        return self._with_warnings(loaded if loaded.error else _answer(self._worker.work, loaded.result))

    def _make(self) -> None:
        keep_freed_memory()  # here is a process of its own
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        self._worker = self._recipe.make(self._device)

    def _with_warnings(self, answer: Answer) -> Answer:
        answer.warnings, self._warnings = self._warnings, []
        return answer

    def _keep(self, message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        self._warnings.append((category, str(message)))


def _answer(work: Callable[..., Any], *arguments: Any) -> Answer:
    try:
        return Answer(work(*arguments))
    except Exception as error:
        return Answer(error=_portable(error), traceback=traceback.format_exc())


def _portable(error: Exception) -> Exception:
    """The error, or a RuntimeError with its text if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error

"""Ray: workers on this machine or on a cluster, each with the model loaded once, that take batches as they get free."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from rdexplain.errors import OptionError, one_line
from rdexplain.text.extras import RAY, needed
from rdexplain.work.engines.answers import Answer, Answering
from rdexplain.work.engines.engine import Recipe, Result, Task
from rdexplain.work.engines.pool import AHEAD, Hand, Pool


class RayWorker:
    """A worker as Ray's actor. It runs two calls at a time, of which one works and one loads."""

    def __init__(self, recipe: Recipe[Any, Any], folder: str, path: Sequence[str], device: str, threads: int) -> None:
        # The user's own models are imported from the current folder or sys.path of the starting process, as with
        # processes; a machine of a cluster need not have these folders.
        with contextlib.suppress(OSError):
            os.chdir(folder)
        sys.path.extend(place for place in path if place not in sys.path)
        self._answering = Answering(recipe, device, threads)
        self._working = threading.Lock()

    def ready(self) -> Answer:
        """Load the model; not in the constructor, whose errors Ray wraps."""
        return self._answering.ready()

    def answer(self, task: Any) -> Answer:
        """Load a task and work on it."""
        loaded = self._answering.load(task)
        with self._working:
            return self._answering.work(loaded)


class _Actor(NamedTuple):
    handle: Any
    calls: dict[Any, int | None]  # unanswered: number of the job, None for `ready`


class RayEngine(Pool[Task, Result]):
    """An engine of many workers, on this machine or on a cluster; see `Pool` for what is done when one dies.

    Args:
        recipe: makes the workers.
        device: of each worker; None for a GPU where Ray has any, else the CPU.
        address: of a cluster; None for an instance on this machine that ends with the engine.
        workers: number of workers; None for one on each GPU, or on each CPU where there is no GPU.
        cpus: number of CPUs of each worker.
        ahead: see `Pool`.

    Raises:
        OptionError: Ray is not installed, or there is no cluster.
    """

    def __init__(
        self,
        recipe: Recipe[Task, Result],
        device: str | None = None,
        address: str | None = None,
        workers: int | None = None,
        cpus: int = 1,
        ahead: int = AHEAD,
    ) -> None:
        ray = needed("ray", "`engine` ray", RAY)
        self._ray, self._cpus = ray, cpus
        self._own = not ray.is_initialized()
        if self._own:
            self._connect(address, workers)
        have = ray.cluster_resources()
        self._gpus = 0 if device == "cpu" else int(have.get("GPU", 0))
        self._device = device or ("cuda" if self._gpus else "cpu")
        super().__init__(recipe, workers or max(self._gpus or int(have.get("CPU", 1)) // cpus, 1), ahead)
        if self.workers * cpus > have.get("CPU", 0):
            self.close()
            raise OptionError(
                f"{self.workers} workers of {cpus} CPUs do not fit into Ray's {have.get('CPU', 0):g}: "
                "choose fewer `workers` or `worker_cpus`"
            )

    def _connect(self, address: str | None, workers: int | None) -> None:
        if address is not None:
            _knock(address)
        options: dict[str, Any] = {"address": address or "local"}
        if address is None:
            # Enough CPUs for the workers that were asked for, even if the machine has fewer.
            if workers is not None:
                options["num_cpus"] = max(workers * self._cpus, os.cpu_count() or 1)
            options["include_dashboard"] = False
        try:
            self._ray.init(**options, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise OptionError(f"no Ray at {address or 'this machine'}: {one_line(error)}") from error

    def close(self) -> None:
        """End the workers, and Ray itself if this engine has started it."""
        super().close()
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()

    def _start(self, place: int) -> _Actor:
        # With fewer GPUs than workers, they share them.
        share = min(1.0, self._gpus / self.workers)
        remote = self._ray.remote(RayWorker).options(num_cpus=self._cpus, num_gpus=share, max_concurrency=AHEAD)
        handle = remote.remote(self.recipe, os.getcwd(), sys.path, self._device, self._cpus)
        return _Actor(handle, {handle.ready.remote(): None})

    def _give(self, hand: Hand[Task], number: int, task: Task) -> None:
        hand.process.calls[hand.process.handle.answer.remote(task)] = number

    def _events(self, hands: list[Hand[Task]]) -> Iterable[tuple[Hand[Task], int | None, Answer | None]]:
        calls = {call: hand for hand in hands for call in hand.process.calls}
        done, _ = self._ray.wait(list(calls), num_returns=1, timeout=1)
        return [(calls[call], calls[call].process.calls.pop(call), self._answer(call)) for call in done]

    def _answer(self, call: Any) -> Answer | None:
        errors = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(call)
        except errors.RayTaskError:  # the worker is alive: a defect in its code
            raise
        except errors.RayError:  # the worker is gone, its machine, or the memory that held its answer
            return None
        return answer

    def _stop(self, hands: list[Hand[Task]]) -> None:
        for hand in hands:
            self._ray.kill(hand.process.handle)


def _knock(address: str) -> None:
    """Check that something listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return  # `auto` and the like
    try:
        socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=10).close()
    except OSError as error:
        raise OptionError(f"no Ray at {address}: {error.strerror or error}") from error

"""Several processes of this machine, one for each device, or as many as are wanted on its CPUs."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import queue
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from rdexplain.work.engines.answers import Answer, Answering
from rdexplain.work.engines.engine import Recipe, Result, Task
from rdexplain.work.engines.pool import AHEAD, Hand, Pool


class _Process(NamedTuple):
    process: BaseProcess
    pipe: Connection


class Processes(Pool[Task, Result]):
    """An engine of several processes; see `Pool` for what is done when one dies.

    Args:
        recipe: makes the workers.
        devices: of this machine; workers are assigned to them in turn.
        workers: number of workers; None for one on each device.
        threads: number of PyTorch's threads in each worker; None for its default.
        ahead: see `Pool`.
    """

    def __init__(
        self,
        recipe: Recipe[Task, Result],
        devices: Sequence[str],
        workers: int | None = None,
        threads: int | None = None,
        ahead: int = AHEAD,
    ) -> None:
        super().__init__(recipe, workers or len(devices), ahead)
        self.devices, self.threads = devices, threads

    def _start(self, place: int) -> _Process:
        # A forked process can use neither the GPU nor PyTorch's threads.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        device = self.devices[place % len(self.devices)]
        process = context.Process(
            target=serve, args=(there, self.recipe, device, self.threads), daemon=True, name=f"rdexplain-worker-{place}"
        )
        with _without_control_c():
            process.start()
        there.close()
        return _Process(process, here)

    def _give(self, hand: Hand[Task], number: int, task: Task) -> None:
        with contextlib.suppress(OSError):
            hand.process.pipe.send_bytes(pickle.dumps((number, task)))

    def _events(self, hands: list[Hand[Task]]) -> Iterable[tuple[Hand[Task], int | None, Answer | None]]:
        pipes = {hand.process.pipe: hand for hand in hands}
        found: list[tuple[Hand[Task], int | None, Answer | None]] = []
        for pipe in connection.wait(list(pipes), timeout=1):
            try:
                number, answer = pickle.loads(pipe.recv_bytes())  # type: ignore[union-attr]
            except (EOFError, OSError):  # dead, and all that it sent has been read
                number = answer = None
            found.append((pipes[pipe], number, answer))  # type: ignore[index]
        return found

    def _stop(self, hands: list[Hand[Task]]) -> None:
        for hand in hands:
            hand.process.process.kill()
        for hand in hands:
            hand.process.process.join()
            hand.process.pipe.close()


def serve(pipe: Connection, recipe: Recipe[Any, Any], device: str, threads: int | None) -> None:
    """The main function of a worker process: answers each task, and ends with the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches all; the one that started this ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answering = Answering(recipe, device, threads)
    loaded: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()

    def load() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, task = pickle.loads(pipe.recv_bytes())
                loaded.put((number, answering.load(task)))

    with contextlib.suppress(OSError):  # the pipe's other end is closed
        pipe.send_bytes(pickle.dumps((None, answering.ready())))
        threading.Thread(target=load, daemon=True).start()
        while True:
            number, task = loaded.get()
            pipe.send_bytes(pickle.dumps((number, answering.work(task))))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    signal.raise_signal(getattr(signal, "SIGKILL", signal.SIGTERM))


@contextlib.contextmanager
def _without_control_c() -> Iterator[None]:
    """Block SIGINT while a process starts; it inherits the block, and prints no traceback on Ctrl-C."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

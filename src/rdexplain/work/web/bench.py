"""Who waits for the network: one piece of work at a time, in a thread of its own, in the order in which they came."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rdexplain.errors import RDExplainError
from rdexplain.work.progress import Cancelled
from rdexplain.work.web.desk import said_of

Tell = Callable[[dict[str, Any]], None]


@dataclass(eq=False)
class Work:
    """A piece of work.

    Attributes:
        number: of all since the page was opened.
        tab: whose it is.
        do: does it; gets the work, to look at `enough` and `gone`.
        tell: is told what happens, in the thread of the work.
        enough: the user has seen enough: what there is is kept.
        gone: nobody wants it any more.
    """

    number: int
    tab: str
    do: Callable[[Work], dict[str, Any]]
    tell: Tell
    enough: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    started: float = 0.0

    def look(self) -> bool:
        """Whether the user has seen enough.

        Raises:
            Cancelled: nobody wants it any more.
        """
        if self.gone.is_set():
            raise Cancelled
        return self.enough.is_set()


class Bench:
    """The queue and its thread."""

    def __init__(self) -> None:
        self._waiting: list[Work] = []
        self._now: Work | None = None
        self._change = threading.Condition()
        self._count, self._closed = 0, False
        self._thread = threading.Thread(target=self._run, name="rdexplain", daemon=True)
        self._thread.start()

    def put(self, tab: str, do: Callable[[Work], dict[str, Any]], tell: Tell) -> Work:
        """Add a piece of work at the end."""
        with self._change:
            self._count += 1
            work = Work(self._count, tab, do, tell)
            self._waiting.append(work)
            self._change.notify()
        self._say_places()
        return work

    def stop(self, number: int, tab: str) -> bool:
        """End a piece of work with what there is; one that waits is dropped. False where there is no such work."""
        for work in self._all():
            if (work.number, work.tab) == (number, tab):
                work.enough.set()
                with self._change:
                    waits = work in self._waiting
                    if waits:
                        self._waiting.remove(work)
                if waits:
                    work.tell({"kind": "dropped", "job": number})
                    self._say_places()
                return True
        return False

    def leave(self, tab: str) -> None:
        """Forget all work of a tab."""
        with self._change:
            self._waiting = [work for work in self._waiting if work.tab != tab]
        for work in self._all():
            if work.tab == tab:
                work.gone.set()
        self._say_places()

    def close(self, seconds: float = 5.0) -> bool:
        """Drop all work and wait for the thread, so long; whether it has ended.

        A thread that is inside PyTorch while Python ends aborts the process.
        """
        with self._change:
            self._closed = True
            self._waiting.clear()
            if self._now is not None:
                self._now.gone.set()
            self._change.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def waiting(self, tab: str) -> int:
        """How many pieces of work of a tab are not done."""
        return sum(work.tab == tab for work in self._all())

    def _all(self) -> list[Work]:
        with self._change:
            return [*([] if self._now is None else [self._now]), *self._waiting]

    def _say_places(self) -> None:
        for place, work in enumerate(self._all()):
            if place:
                work.tell({"kind": "queued", "job": work.number, "place": place})

    def _run(self) -> None:
        while True:
            with self._change:
                self._now = None
                while not self._waiting and not self._closed:
                    self._change.wait()
                if self._closed:
                    return
                work = self._now = self._waiting.pop(0)
            work.started = time.monotonic()
            self._say_places()
            try:
                work.tell({"kind": "started", "job": work.number})
                work.tell({"kind": "done", "job": work.number, **work.do(work)})
            except Cancelled:
                continue
            except Exception as error:
                if not isinstance(error, RDExplainError):
                    traceback.print_exc()
                work.tell({"kind": "failed", "job": work.number, "error": said_of(error)})

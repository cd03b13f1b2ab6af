"""The queue of work for the network: a thread does one piece at a time, in the order in which they came."""

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
        number: counts all work since the server was started.
        tab: the browser tab that asked for it.
        do: does the work; it is given this object, and calls `look` now and then.
        tell: called with each event, in the thread that does the work.
        enough: set when the user ends the work early and keeps the result so far.
        gone: set when the tab is closed, so that nobody needs a result.
        started: `time.monotonic` when the work began.
    """

    number: int
    tab: str
    do: Callable[[Work], dict[str, Any]]
    tell: Tell
    enough: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    started: float = 0.0

    def look(self) -> bool:
        """Whether to end early, with the result so far.

        Raises:
            Cancelled: nobody needs a result.
        """
        if self.gone.is_set():
            raise Cancelled
        return self.enough.is_set()


class Bench:
    """The queue, and the thread that works on it."""

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
        """End a piece of work early, or drop it if it has not begun; False if there is no such work."""
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
        """Cancel all work of a tab."""
        with self._change:
            self._waiting = [work for work in self._waiting if work.tab != tab]
        for work in self._all():
            if work.tab == tab:
                work.gone.set()
        self._say_places()

    def close(self, seconds: float = 5.0) -> bool:
        """Cancel all work, and wait up to `seconds` for the thread to end; returns whether it has ended.

        If Python ended while the thread was inside PyTorch, the process would abort.
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
        """The number of a tab's pieces of work that are not done."""
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

"""A bar in a notebook: its kernel has no terminal, and shows one output again and again."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

from rdexplain.text.times import span

PACE = 0.2
"""The least seconds between two pictures of the bar: each is a message to the browser."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def seconds_left(ends: float | None) -> float | None:
    """Seconds until a time of `time.monotonic`; None where there is none, or where an estimate was too short."""
    return None if ends is None or ends <= time.monotonic() else ends - time.monotonic()


class NotebookBar:
    """What `text.bar` asks of rich's bar, which would need ipywidgets here."""

    def __init__(self) -> None:
        self._now: dict[str, Any] = {"description": "starting"}
        self._handle: Any = None
        self._drawn = 0.0

    def start(self) -> None:
        """Show it."""
        from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

        self._handle = display(self, display_id=True)

    def stop(self) -> None:
        """Take it away: its output stays, with nothing in it."""
        self._now = {}
        self._show()
        self._handle = None

    def update(self, _: object, **changes: Any) -> None:
        """Something has changed, and is shown if the last picture is old enough."""
        stage = changes.get("description") != self._now.get("description")
        self._now = {**self._now, **changes}
        if stage or time.monotonic() - self._drawn >= PACE:
            self._show()

    def _show(self) -> None:
        self._drawn = time.monotonic()
        if self._handle is not None:
            self._handle.update(self)

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, str]:
        now = self._now
        left = seconds_left(now.get("ends"))
        shown = None if left is None else f"{span(left)} left"
        text = "  ".join(filter(None, (now.get("description"), now.get("figures"), shown)))
        total = now.get("total")
        place = f' value="{now["completed"]:g}" max="{total:g}"' if total else ""
        return {"text/plain": text, "text/html": f"<progress{place}></progress> {escape(text)}" if now else ""}

"""What the bar shows, as a line now and then: for logs, in which a bar has no place."""

from __future__ import annotations

import time
from typing import Any

from rdexplain.cli.guard import say
from rdexplain.text.times import span

EVERY = 60.0
"""Seconds between two lines."""


class Lines:
    """In place of a bar of rich, with those of its methods that `Bar` calls."""

    def __init__(self) -> None:
        self._shown: dict[str, Any] = {}
        self._said = time.monotonic()

    def start(self) -> None:
        """There is nothing to begin."""

    def stop(self) -> None:
        """There is nothing to take away."""

    def update(self, task: Any, **changes: Any) -> None:
        """Take a change in, and say how far it is if nothing has been said for long."""
        self._shown |= changes
        now = time.monotonic()
        if now - self._said < EVERY:
            return
        self._said = now
        ends = self._shown.get("ends")
        left = "" if ends is None else f"{span(ends - now)} left"
        say(", ".join(filter(None, (self._shown.get("description"), self._shown.get("figures"), left))))

"""The progress of a job: a bar on a terminal or in a notebook, else a line on stderr each minute."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from rdexplain.text.notebook import NotebookBar, in_notebook, seconds_left
from rdexplain.text.say import say
from rdexplain.text.times import span

EVERY = 60.0
"""Seconds between two lines."""


def can_draw() -> bool:
    """Whether a bar would be seen: on a terminal, and in a notebook."""
    return sys.stderr.isatty() or in_notebook()


class Bar:
    """Shows the current stage, the progress and the time left.

    Args:
        shown: whether to show anything at all.
    """

    def __init__(self, shown: bool = True) -> None:
        self._drawn: Any = None
        self._task: Any = None
        if shown and in_notebook():
            self._drawn = NotebookBar()
        elif shown and sys.stderr.isatty():
            self._drawn, self._task = _bar()
        self._lines = shown and self._drawn is None
        self._said = time.monotonic()

    def __enter__(self) -> Bar:
        if self._drawn is not None:
            self._drawn.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn is not None:
            self._drawn.stop()

    def stage(self, text: str) -> None:
        """Show a stage without a count."""
        self._show(text, "", description=text, figures="")

    def advance(self, place: float, total: float, text: str, figures: str = "", left: float | None = None) -> None:
        """Show `place` out of `total`, and `left` seconds, which count down between two calls until none is left."""
        ends = None if left is None else time.monotonic() + left
        rest = f"{span(left)} left" if left else ""
        shown = f"{figures}, {rest}" if figures and rest else figures or rest
        self._show(text, shown, description=text, completed=place, total=total, figures=figures, ends=ends)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away while a line is printed to stdout."""
        if self._drawn is None:
            yield
            return
        self._drawn.stop()
        try:
            yield
        finally:
            self._drawn.start()

    def _show(self, text: str, rest: str, **changes: Any) -> None:
        if self._drawn is not None:
            self._drawn.update(self._task, **changes)
        elif self._lines and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            say(", ".join(filter(None, (text, rest))))


def _bar() -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = seconds_left(task.fields["ends"])
            return Text("" if left is None else f" {_clock(left)} left", "dim")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn(" {task.fields[figures]}", style="cyan"),
        Left(),
    )
    # Results go to stdout directly; only lines on stderr are printed above the bar.
    rich = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    return rich, rich.add_task("starting", total=None, figures="", ends=None)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

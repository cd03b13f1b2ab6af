"""How far a whole run is: a bar on a terminal, else a line on stderr each minute."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from typing import Any

from rdexplain.cli.lines import Lines


class Bar:
    """Which photos of how many, the step, the loss and the time left for all.

    Args:
        shown: False for `--quiet`.
    """

    def __init__(self, shown: bool = True) -> None:
        self._rich: Any = None
        self._task: Any = None
        if shown:
            self._rich, self._task = _bar() if sys.stderr.isatty() else (Lines(), None)
        self._photos = self._done = self._failed = self._batch = 0
        self._steps = 1
        self._place = 0.0  # in photos
        self._measuring = 0.0
        self._started = 0.0

    def __enter__(self) -> Bar:
        if self._rich is not None:
            self._rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._rich is not None:
            self._rich.stop()

    def stage(self, text: str) -> None:
        """What is being done while there is nothing to count."""
        self._update(description=text, figures="")

    def expect(self, photos: int, steps: int, measuring: float) -> None:
        """How much there is to do. `measuring` is the share of a photo's time that comes after its steps."""
        self._photos, self._steps, self._measuring = photos, max(steps, 1), measuring
        self._started = time.monotonic()
        self._update(total=float(photos))

    def begin(self, count: int, name: str) -> None:
        """The next `count` photos are explained."""
        self._batch = count
        first, last = self._done + 1, self._done + count
        which = name if self._photos == 1 else f"{first} of {self._photos}"
        if count > 1:
            which = f"{first}-{last} of {self._photos}"
        self.stage(f"explaining {which}")

    def step(self, step: int, loss: float) -> None:
        """A step is done; of the solver's `Progress` form. A baseline has no loss: it is NaN."""
        share = min(step / self._steps, 1.0)
        self._place = self._done + self._batch * share * (1 - self._measuring)
        figures = f"step {step:>{len(str(self._steps))}}/{self._steps}  loss {loss:.4f}"
        if math.isnan(loss):
            figures = f"{share:.0%}"
        elif step == self._steps:
            figures = "measuring"
        self._update(completed=self._place, figures=figures, ends=self._ends())

    def draw(self) -> None:
        """The photos of the batch are explained, now their results are drawn and written."""
        self._update(figures="drawing")

    def finish(self, count: int, failed: bool = False) -> None:
        """`count` photos are written, or have failed."""
        self._done += count
        self._failed += count * failed
        self._batch = max(self._batch - count, 0)
        self._place = max(self._place, self._done)
        self._update(completed=self._place, ends=self._ends())

    def overall(self, total: int, place: int, left: float | None, description: str, figures: str) -> None:
        """How far a run is that counts for itself."""
        ends = None if left is None else time.monotonic() + left
        self._update(description=description, total=total, completed=place, figures=figures, ends=ends)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away while a line is printed to stdout."""
        if self._rich is None:
            yield
            return
        self._rich.stop()
        try:
            yield
        finally:
            self._rich.start()

    def _ends(self) -> float | None:
        """When the whole run will be done, as far as can be told; in between two steps the clock runs on."""
        worked = self._place - self._failed  # photos that fail take no time
        if worked <= 0:
            return None
        now = time.monotonic()
        return now + (now - self._started) * (self._photos - self._place) / worked

    def _update(self, **changes: Any) -> None:
        if self._rich is not None:
            self._rich.update(self._task, **changes)


def _bar() -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            ends = task.fields["ends"]
            return Text("" if ends is None else f" {_clock(ends - time.monotonic())} left", "dim")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn(" {task.fields[figures]}", style="cyan"),
        Left(),
    )
    # Results go to stdout, whatever stderr is: only stderr's own lines pass through the bar.
    rich = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    return rich, rich.add_task("starting", total=None, figures="", ends=None)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

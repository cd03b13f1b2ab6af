"""What a run over a data set says while it works."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rdexplain.cli.bar import Bar
from rdexplain.cli.guard import say
from rdexplain.runs.execute import Progress

EVERY = 60.0
"""Seconds between two lines where there is no terminal."""
SHOWN = 20
"""Errors that are shown; all of them are in the log and the ledger."""


class RunReport:
    """Progress on stderr: a bar on a terminal, else a line now and then; and the errors of photos."""

    def __init__(self, bar: Bar, quiet: bool) -> None:
        self._bar, self._quiet = bar, quiet
        self._said = time.monotonic()
        self._errors = 0

    def progress(self, progress: Progress) -> None:
        """After each batch."""
        if self._quiet:
            return
        self._bar.overall(progress.total, progress.done + progress.failed, progress.left, pace(progress))
        if not sys.stderr.isatty() and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            left = "" if progress.left is None else f", {span(progress.left)} left"
            say(f"{progress.done} of {progress.total}, {pace(progress)}{left}")

    def failed(self, text: str) -> None:
        """A photo that has an error in place of a result."""
        self._errors += 1
        if self._errors <= SHOWN:
            say(f"error: {text}")
        elif self._errors == SHOWN + 1:
            say("more errors are in the run's log.txt")

    def summary(self, end: Progress, folder: Path) -> None:
        """The last line."""
        if end.failed:
            say(f"explained {end.done or 'none'} of {end.total}, {end.failed} failed, in {folder}")
        elif not self._quiet:
            quickly = f"{pace(end)}, " if end.here else ""
            with self._bar.paused():
                print(f"explained {end.done} of {end.total}, {quickly}in {folder}", flush=True)


def pace(progress: Progress) -> str:
    """`1.3 photos/s, 2 failed`; seconds for each photo where that is more telling."""
    rate = progress.rate
    shown = f"{rate:.3g} photos/s" if rate >= 0.1 or not rate else f"{1 / rate:.3g} s a photo"
    return f"{shown}, {progress.failed} failed" if progress.failed else shown


def span(seconds: float) -> str:
    """A time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"

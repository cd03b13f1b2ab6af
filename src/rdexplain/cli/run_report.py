"""What a run over a data set says while it works."""

from __future__ import annotations

from pathlib import Path

from rdexplain.cli.bar import Bar
from rdexplain.cli.guard import say
from rdexplain.runs.execute import Progress

SHOWN = 20
"""Errors that are shown; all of them are in the log and the ledger."""


class RunReport:
    """Progress in a bar, and the errors of photos."""

    def __init__(self, bar: Bar, quiet: bool) -> None:
        self._bar, self._quiet = bar, quiet
        self._errors = 0

    def progress(self, progress: Progress) -> None:
        """After each batch."""
        explained = progress.done + progress.failed
        description = f"explained {explained} of {progress.total}"
        self._bar.overall(progress.total, explained, progress.left, description, pace(progress))

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

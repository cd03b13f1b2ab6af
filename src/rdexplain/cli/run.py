"""``rdexplain run``: explains a whole data set; a run can be stopped or killed, and continued."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from rdexplain.cli.command import QUIET, Command
from rdexplain.cli.guard import FINE
from rdexplain.cli.report import Report, ended
from rdexplain.text.bar import Bar
from rdexplain.text.say import say
from rdexplain.work.requests import Run

SHOWN = 20
"""Number of errors that are printed; all of them are in the log and the ledger."""
_EXAMPLES = """\
  rdexplain run --photos photos/ --method cartoonx --out run --dry-run
  rdexplain run --photos photos/ --method cartoonx --out run
  rdexplain run study.yaml --out run --engine ray
  rdexplain run run"""


def _run(options: Run, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.run import RunEnd, run

    report = Report(COMMAND, bar, extras["quiet"], SHOWN)
    with _terminable():
        found = run.of(options, report)
    if not isinstance(found, RunEnd):
        with bar.paused():
            print("\n".join(found.lines()), flush=True)
        return FINE
    end = found.reached
    if end.failed:
        say(f"explained {end.done or 'none'} of {end.total}, {end.failed} failed, in {found.folder}")
        if not end.here:
            say(f"rdexplain status {found.folder} says why, and --retry-failed tries them again")
    else:
        quickly = f"{end.pace}, " if end.here else ""
        report.line(f"explained {end.done} of {end.total}, {quickly}in {found.folder}")
    report.note(found.note)
    return ended(end.done, end.failed)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: finished results are written, and a line says how to continue."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: signals are another's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


COMMAND = Command("run", Run, _run, {"quiet": ("running", QUIET)}, _EXAMPLES)

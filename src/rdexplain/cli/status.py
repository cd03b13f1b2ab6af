"""``rdexplain status``: prints the progress of a run, also while another process works on it."""

from __future__ import annotations

from rdexplain.cli.command import FAILURES, Command
from rdexplain.text.bar import Bar
from rdexplain.text.times import span
from rdexplain.work.requests import Status

FIRST = 5
"""Number of failures that are printed by default."""


def _run(options: Status, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.progress import Silent
    from rdexplain.work.status import status

    now = status.of(options, Silent())
    ended = "finished" if now.is_finished else f"stopped: go on with rdexplain run {now.folder}"
    print(f"{now.folder}: {'worked on by ' + now.worker if now.worker else ended}")
    print(f"{', '.join(now.methods)} of {now.model}, identity {now.identity}")
    begun = f", {now.running} begun" if now.running else ""
    print(f"{now.done} of {now.total} done, {len(now.failures)} failed{begun}")
    if now.left is not None:
        rest = f", {span(now.left)} of work left" if now.left else ""
        print(f"{now.seconds / now.done:.3g} s of work each{rest}")
    shown = now.failures if extras["failures"] else now.failures[:FIRST]
    for one in shown:
        error = one.error if one.photo in one.error else f"{one.photo}: {one.error}"
        print(f"failed: {one.method}, attempt {one.attempts}: {error}")
    if len(now.failures) > len(shown):
        print(f"and {len(now.failures) - len(shown)} more: --failures shows all")
    return 0


COMMAND = Command("status", Status, _run, {"failures": ("run", FAILURES)}, "  rdexplain status run", loads=False)

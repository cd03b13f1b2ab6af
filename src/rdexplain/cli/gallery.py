"""``rdexplain report``: a gallery of explanations, for a browser."""

from __future__ import annotations

from rdexplain.cli.command import Command
from rdexplain.cli.report import Report as Lines
from rdexplain.text.bar import Bar
from rdexplain.work.requests import Report

_EXAMPLES = """\
  rdexplain report run
  rdexplain report explanations --out gallery"""


def _run(options: Report, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.report import report

    lines = Lines(COMMAND, bar)
    found = report.of(options, lines)
    return lines.wrote(found.count, len(found.failures), found.page)


COMMAND = Command("report", Report, _run, {}, _EXAMPLES)

"""``rdexplain export``: explanations as pictures, arrays or a data set."""

from __future__ import annotations

from rdexplain.cli.command import Command
from rdexplain.cli.report import Report
from rdexplain.text.bar import Bar
from rdexplain.work.requests import Export

_EXAMPLES = """\
  rdexplain export run --to pictures --out pictures
  rdexplain export run --to quantus --out arrays
  rdexplain export explanations --to fiftyone --out data"""


def _run(options: Export, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.export import export

    report = Report(COMMAND, bar)
    found = export.of(options, report)
    return report.wrote(found.count, len(found.failures), found.folder)


COMMAND = Command("export", Export, _run, {}, _EXAMPLES)

"""``rdexplain detect``: the objects that a detector finds in photos, with their numbers for ``explain --object``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdexplain.cli.command import Command
from rdexplain.cli.report import Report, ended
from rdexplain.cli.tables import Column, print_table
from rdexplain.text.bar import Bar
from rdexplain.work.requests import Detect

if TYPE_CHECKING:
    from rdexplain.work.detect import Detected

_COLUMNS = (Column("object", "bold", True), Column("class"), Column("confidence", numbers=True), Column("pixels"))
_EXAMPLES = """\
  rdexplain detect street.jpg --model yolov5s --weights yolov5s.pt
  rdexplain explain street.jpg --model yolov5s --weights yolov5s.pt --object 0"""


class _Listed(Report):
    """Prints the objects of each photo.

    Attributes:
        confidence: the least confidence of an object.
    """

    confidence = 0.0

    def done(self, result: Detected) -> None:
        from rdexplain.work.detect import counted

        with self.bar.paused():
            count = counted(result.objects)
            print(f"{result.name}: {count} with a confidence of {self.confidence:g} or more", flush=True)
            if not result.objects:
                return
            rows = [
                (
                    str(one.number),
                    one.label,
                    f"{one.confidence:.1%}",
                    "{:.0f}, {:.0f} to {:.0f}, {:.0f}".format(*one.box),
                )
                for one in result.objects
            ]
            print_table(_COLUMNS, rows)
            print(result.picture, flush=True)


def _run(options: Detect, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.detect import detect

    report = _Listed(COMMAND, bar)
    report.confidence = options.confidence
    found = detect.of(options, report)
    return ended(len(found), len(found.failures))


COMMAND = Command("detect", Detect, _run, {}, _EXAMPLES)

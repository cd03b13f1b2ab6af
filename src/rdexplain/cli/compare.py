"""``rdexplain compare``: several methods or networks side by side, the panel that papers print."""

from __future__ import annotations

from rdexplain.cli.command import QUIET, Command
from rdexplain.cli.guard import ERROR
from rdexplain.cli.report import Explained, ended
from rdexplain.text.bar import Bar
from rdexplain.work.requests import Compare

_EXAMPLES = """\
  rdexplain compare sample:cat --methods cartoonx,pixel_rde,grad_cam
  rdexplain compare photos/ --methods cartoonx,lrp,lime --target "Egyptian cat"
  rdexplain compare photo.jpg --models efficientnet_lite0,resnet50,mobilenet_v2"""


def _run(options: Compare, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.compare import compare

    report = Explained(COMMAND, bar, extras["quiet"])
    report.of = ("method", "model") if options.models else ("method",)
    found = compare.of(options, report)
    if not found.files:
        return ERROR
    report.compared(list(found.files), found.seconds)
    return ended(1, len(found.failures))


COMMAND = Command("compare", Compare, _run, {"quiet": ("running", QUIET)}, _EXAMPLES)

"""``rdexplain evaluate``: compares methods by curves and scores."""

from __future__ import annotations

from rdexplain.cli.command import QUIET, Command
from rdexplain.cli.report import Report, ended
from rdexplain.text.bar import Bar
from rdexplain.work.requests import Evaluate

_EXAMPLES = """\
  rdexplain evaluate photos/ --out evaluation
  rdexplain evaluate photos/ --methods cartoonx,pixel_rde --draws 16
  rdexplain evaluate photos/ --scores insertion,localisation --boxes boxes.csv
  rdexplain evaluate --explanations explanations/ --model resnet50
  rdexplain evaluate run/"""


def _run(options: Evaluate, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.cli.evaluation_table import print_evaluation
    from rdexplain.work.evaluate import evaluate

    report = Report(COMMAND, bar, extras["quiet"])
    found = evaluate.of(options, report)
    if found.done and not report.quiet:
        with bar.paused():
            print_evaluation(found.evaluation, found.methods, found.distortion, found.over, found.seed)
            print(f"\n{found.done} of {found.expected} evaluated, in {found.folder}", flush=True)
        report.note(found.note)
    return ended(found.done, len(found.failures))


COMMAND = Command("evaluate", Evaluate, _run, {"quiet": ("running", QUIET)}, _EXAMPLES)

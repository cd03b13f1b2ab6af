"""``rdexplain explain``: explains photos."""

from __future__ import annotations

from rdexplain.cli.command import QUIET, Command
from rdexplain.cli.report import Explained, ended
from rdexplain.text.bar import Bar
from rdexplain.text.say import say
from rdexplain.text.times import span
from rdexplain.work.requests import Explain

_EXAMPLES = """\
  rdexplain explain sample:cat
  rdexplain explain photos/ --out explanations --overwrite
  rdexplain explain zebra.jpg --target zebra --target "horse cart"
  rdexplain explain zebra.jpg --method grad_cam
  rdexplain explain zebra.jpg --model resnet50 --top-k 3 --preset paper
  rdexplain explain scan.png --model my_nets:factory --weights my.safetensors"""


def _run(options: Explain, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.explain import explain

    report = Explained(COMMAND, bar, extras["quiet"])
    found = explain.of(options, report)
    if found.failures and found.photos > 1:
        say(f"explained {found.explained or 'none'} of {found.photos} photos, {len(found.failures)} failed")
    elif found.photos > 1:
        report.line(f"explained {found.photos} photos in {span(found.seconds)}")
    report.note(found.note)
    return ended(found.explained, len(found.failures))


COMMAND = Command("explain", Explain, _run, {"quiet": ("running", QUIET)}, _EXAMPLES)

"""``rdexplain train-explainer``: trains a network that explains photos at once."""

from __future__ import annotations

from rdexplain.cli.command import QUIET, Command
from rdexplain.cli.report import Report, ended
from rdexplain.text.bar import Bar
from rdexplain.text.times import span
from rdexplain.work.requests import TrainExplainer

_EXAMPLES = """\
  rdexplain train-explainer photos/ --out explainer.safetensors
  rdexplain train-explainer photos/ --model resnet50 --rounds 2000 --device cuda
  rdexplain explain photo.jpg --preset instant --init explainer.safetensors
  rdexplain explain photo.jpg --init explainer.safetensors --steps 25"""


def _run(options: TrainExplainer, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.train_explainer import train_explainer

    report = Report(COMMAND, bar, extras["quiet"])
    found = train_explainer.of(options, report)
    report.line(f"trained on {found.photos} photos in {span(found.seconds)}: {found.file}")
    report.line(
        f"on {found.checked} photo{'s' * (found.checked > 1)} it never saw: keeps {found.non_sparsity:.1%} with "
        f"distortion {found.distortion:.3f}; nothing kept has {found.empty_distortion:.3f}"
    )
    return ended(found.photos, len(found.failures))


COMMAND = Command("train-explainer", TrainExplainer, _run, {"quiet": ("running", QUIET)}, _EXAMPLES)

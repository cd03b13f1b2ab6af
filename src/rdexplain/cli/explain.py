"""``rdexplain explain``: why a model saw in a photo what it saw."""

from __future__ import annotations

import argparse

from rdexplain.cli.command import Command, Parser
from rdexplain.cli.options import BASELINES, METHOD, MODEL, PHOTOS, RESULTS, RUNNING, TARGETS, WAVELET, add

_EXAMPLES = """\
  rdexplain explain sample:cat
  rdexplain explain photos/ --out explanations --overwrite
  rdexplain explain zebra.jpg --method pixel_rde --target zebra --target "horse cart"
  rdexplain explain zebra.jpg --method grad_cam
  rdexplain explain zebra.jpg --model resnet50 --top-k 3 --preset paper
  rdexplain explain scan.png --model my_package.nets:factory --weights net.safetensors --classes names.txt"""


def _declare(parser: Parser) -> None:
    add(parser, (PHOTOS, TARGETS, MODEL, METHOD, WAVELET, BASELINES, RESULTS, RUNNING))


def _run(arguments: argparse.Namespace) -> int:
    # Until here nothing has imported PyTorch, which takes seconds: the bar says so.
    from rdexplain.cli.bar import Bar

    with Bar(shown=not arguments.quiet) as bar:
        bar.stage("loading PyTorch")
        from rdexplain.cli.explaining import run

        return run(arguments, bar)


COMMAND = Command("explain", "Explain photos", "PHOTO ...", _declare, _run, _EXAMPLES)

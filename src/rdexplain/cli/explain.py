"""``rdexplain explain``: why a model saw in a photo what it saw."""

from __future__ import annotations

from rdexplain.cli.command import Command, Parser, under_a_bar
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


_run = under_a_bar("rdexplain.cli.explaining")
COMMAND = Command("explain", "Explain photos", "PHOTO ...", _declare, _run, _EXAMPLES)

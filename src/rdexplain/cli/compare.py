"""``rdexplain compare``: several methods or networks side by side, the panel that papers print."""

from __future__ import annotations

from rdexplain.cli.command import Command, Parser, under_a_bar
from rdexplain.cli.options import BASELINES, COMPARED, MODEL, PHOTOS, RUNNING, TARGETS, WAVELET, WRITING, add

_EXAMPLES = """\
  rdexplain compare sample:cat --methods cartoonx,pixel_rde,grad_cam
  rdexplain compare photos/ --methods cartoonx,lrp,lime --target "Egyptian cat" --out comparison
  rdexplain compare photo.jpg --models efficientnet_lite0,resnet50,mobilenet_v2"""


def _declare(parser: Parser) -> None:
    add(parser, (PHOTOS, TARGETS, MODEL, COMPARED, WAVELET, BASELINES, WRITING, RUNNING))


_run = under_a_bar("rdexplain.cli.comparing")
COMMAND = Command("compare", "Compare methods, or networks, on photos", "PHOTO ...", _declare, _run, _EXAMPLES)

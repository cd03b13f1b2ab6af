"""``rdexplain reproduce``: the figures and tables of the reproduction study, made again."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rdexplain.cli.command import Command, Parser, UsageError, under_a_bar
from rdexplain.cli.evaluate import PROTOCOLS
from rdexplain.cli.options import CARRIED, MODEL, Group, Option, add
from rdexplain.cli.values import names, one_of, positive, whole

DEFAULT_MODEL = "mobilenet_v3_small"
SEGMENTER, DETECTOR = "deeplabv3_resnet50", "yolov5s"
NETWORKS = ("mobilenet_v3_small", "resnet18", "resnet50", "vit_b_16")
_EXAMPLES = """\
  rdexplain reproduce --list --model efficientnet_lite0
  rdexplain reproduce figure-5 accuracy --photos photos/ --out repro --budget 60
  rdexplain reproduce all --photos photos/ --out repro --protocol published --limit 20
  rdexplain reproduce figure-8 figure-9 --photos photos/ --detector-weights yolov5s.pt --out tasks"""


WHAT = Group(
    "what is made again",
    (
        Option("targets", "figure-1 to figure-21, table-1, accuracy, or all", str, "TARGET", extra={"nargs": "*"}),
        Option("--list", "explain each target, with its estimated cost on this device"),
        Option("--photos", "a folder, a glob pattern or a photo", str, "DIR"),
        Option(
            "--protocol",
            "corrected, or published: as the study's scripts ran, defects included (default corrected)",
            one_of("protocol", PROTOCOLS),
            "{corrected,published}",
            "corrected",
        ),
        Option("--limit", "the first N photos alone", whole(1), "N"),
        Option("--budget", "scale down to what this device does in so many minutes", positive, "MINUTES"),
        Option("--size", "side of the square photos, in pixels (default 256, figure-9 480)", whole(1), "PIXELS"),
        Option("--seed", "of all noise (default 0)", whole(0), "N", 0),
    ),
)
NETWORK = Group(
    "model",
    (
        *(
            replace(option, default=DEFAULT_MODEL, help=option.help.replace("efficientnet_lite0", DEFAULT_MODEL))
            if option.name == "model"
            else option
            for option in MODEL.options
            if option.name in ("model", "weights", "classes")
        ),
        Option(
            "--models",
            f"the networks of figure-10, with commas between them (default {','.join(NETWORKS)})",
            names,
            "NAME,NAME",
            NETWORKS,
        ),
    ),
)
TASKS = Group(
    "other tasks (figure-8 and figure-9)",
    (
        Option(
            "--segmenter",
            f"the network of figure-8: a name or a file (default {SEGMENTER})",
            str,
            "NAME",
            SEGMENTER,
        ),
        Option("--segmenter-weights", "its weights, if not its own", str, "FILE"),
        Option("--detector", f"the network of figure-9 (default {DETECTOR})", str, "NAME", DETECTOR),
        Option("--detector-weights", "its weights: YOLOv5 comes without", str, "FILE"),
        Option("--scenes", "a folder, a glob pattern or a photo for them (default those of --photos)", str, "DIR"),
    ),
)
RESULTS = Group(
    "results",
    (
        Option("--out", "folder for the results; called again, it goes on where it was", Path, "DIR"),
        Option("--overwrite", "begin anew, without the results that are there"),
        Option("--quiet", "print nothing but errors"),
    ),
)


def _declare(parser: Parser) -> None:
    add(parser, (WHAT, NETWORK, TASKS, RESULTS, Group("running", CARRIED)))


def _are_scenes(targets: list[str]) -> bool:
    """Whether --scenes alone will do."""
    return {text.lower().replace("_", "-") for text in targets} <= {"figure-8", "figure-9"}


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.list:
        if arguments.photos is None and (arguments.scenes is None or not _are_scenes(arguments.targets)):
            raise UsageError("--photos DIR is missing")
        if arguments.out is None:
            raise UsageError("--out DIR is missing")
        if not arguments.targets:
            raise UsageError("which figures or tables? `rdexplain reproduce --list` explains them, all is every one")
    return under_a_bar("rdexplain.cli.reproducing")(arguments)


COMMAND = Command(
    "reproduce",
    "Make the study's figures and tables again, with verdicts",
    "TARGET ...",
    _declare,
    _run,
    _EXAMPLES,
)

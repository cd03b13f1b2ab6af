"""``rdexplain evaluate``: how good the explanations of some methods are, on some photos."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from rdexplain.cli.command import Command, Parser, UsageError, under_a_bar
from rdexplain.cli.options import DISTORTIONS, METHOD, MODEL, PHOTOS, WORKING, Group, Option, add
from rdexplain.cli.values import number, one_of, whole
from rdexplain.methods.registry import METHODS

# Repeated here because their modules import PyTorch; a test compares them.
SCORES = (
    "insertion",
    "deletion",
    "sparseness",
    "complexity",
    "infidelity",
    "max_sensitivity",
    "localisation",
    "randomisation",
)
DEFAULT_SCORES = SCORES[:4]
DOMAINS = ("own", "pixel", "wavelet")
PROTOCOLS = ("corrected", "published")
LEDGER = "ledger.sqlite"  # what the folder of a run has

_EXAMPLES = """\
  rdexplain evaluate photos/ --out evaluation
  rdexplain evaluate photos/ --methods cartoonx,pixel_rde --percentages 0:100:5 --draws 16
  rdexplain evaluate photos/ --scores insertion,deletion,localisation --boxes boxes.csv
  rdexplain evaluate --explanations explanations/ --model resnet50
  rdexplain evaluate run/"""


def several(kind: str, names: tuple[str, ...], none: bool = False) -> Callable[[str], tuple[str, ...]]:
    """Names with commas between them, or `all`, or, where that makes sense, `none`."""
    one = one_of(kind, names)

    def value(text: str) -> tuple[str, ...]:
        if text.lower() == "all":
            return names
        if none and text.lower() == "none":
            return ()
        return tuple(dict.fromkeys(one(part.strip()) for part in text.split(",")))

    return value


MOST = 10_000
"""Percentages: a slip in a step shall not fill the memory."""


def percentages(text: str) -> tuple[float, ...]:
    """`0,5,10,100`, or `0:100:5`: from, to and step."""
    if ":" in text:
        parts = [number(part) for part in text.split(":")]
        if len(parts) != 3 or parts[2] <= 0:
            raise argparse.ArgumentTypeError(f"must be FROM:TO:STEP, such as 0:100:5, not {text!r}")
        start, stop, step = parts
        if (stop - start) / step > MOST:
            raise argparse.ArgumentTypeError(f"must be at most {MOST} percentages, not {text!r}")
        values = tuple(start + step * place for place in range(int((stop - start) / step + 1e-9) + 1))
    else:
        values = tuple(number(part) for part in text.split(","))
    rises = all(a < b for a, b in pairwise(values))
    if len(values) < 2 or not rises or values[0] < 0 or values[-1] > 100:
        raise argparse.ArgumentTypeError(f"must be at least two rising numbers from 0 to 100, not {text!r}")
    return values


WHAT = Group(
    "what is evaluated",
    (
        Option(
            "--methods",
            "names that `rdexplain methods` lists, with commas between them (default all)",
            several("method", tuple(METHODS)),
            "NAMES",
            tuple(METHODS),
        ),
        Option(
            "--explanations",
            "in place of photos: a folder that `rdexplain explain` or `run` wrote; nothing is explained again",
            Path,
            "DIR",
        ),
        Option("--percentages", "of components, 0,5,10,100 or FROM:TO:STEP (default 15 of them)", percentages, "LIST"),
        Option("--draws", "noise draws a point (default 8)", whole(1), "N", 8),
        Option(
            "--distortions",
            "distances between decisions (default l2,label)",
            several("distortion", DISTORTIONS),
            "NAMES",
            ("l2", "label"),
        ),
        Option(
            "--domains",
            "where components are ranked: own,pixel,wavelet (default all)",
            several("domain", DOMAINS),
            "NAMES",
            DOMAINS,
        ),
        Option(
            "--scores",
            f"beside the curves: {', '.join(SCORES)}, all or none (default {','.join(DEFAULT_SCORES)})",
            several("score", SCORES, none=True),
            "NAMES",
            DEFAULT_SCORES,
        ),
        Option(
            "--boxes",
            "where the objects are, for localisation: a CSV file with the columns photo, left, top, right, bottom, "
            "in pixels of the photo",
            Path,
            "FILE",
        ),
        Option(
            "--protocol",
            "corrected, or published: the study's ties and pixel noise (default corrected)",
            one_of("protocol", PROTOCOLS),
            "{corrected,published}",
            "corrected",
        ),
    ),
)
_OPTIONAL_PHOTOS = Group(
    PHOTOS.title,
    tuple(replace(option, extra={"nargs": "*"}) if option.flags == "photos" else option for option in PHOTOS.options),
)
# Without a default: explanations that are there may say which model they are of.
_MODEL = Group(
    MODEL.title,
    tuple(replace(option, default=None) if option.name == "model" else option for option in MODEL.options),
)
# Methods take those of these that they have.
HOW = Group(
    "methods",
    tuple(option for option in METHOD.options if option.name in ("preset", "steps", "seed")),
)
RESULTS = Group(
    "results",
    (
        Option("--out", "folder for the results (default evaluation)", Path, "DIR", Path("evaluation")),
        Option("--overwrite", "replace results that are there already"),
    ),
)


def _declare(parser: Parser) -> None:
    add(parser, (_OPTIONAL_PHOTOS, WHAT, _MODEL, HOW, RESULTS, WORKING))


def _run(arguments: argparse.Namespace) -> int:
    if len(arguments.photos) == 1 and arguments.explanations is None and (Path(arguments.photos[0]) / LEDGER).is_file():
        arguments.explanations, arguments.photos = Path(arguments.photos[0]), []
    if bool(arguments.photos) == (arguments.explanations is not None):
        raise UsageError("give either photos or --explanations")
    return under_a_bar("rdexplain.cli.evaluating")(arguments)


COMMAND = Command(
    "evaluate",
    "Compare methods: rate-distortion curves and scores",
    "PHOTO ...",
    _declare,
    _run,
    _EXAMPLES,
)

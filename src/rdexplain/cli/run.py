"""``rdexplain run``: explain a whole data set, in a folder that can be killed and continued."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rdexplain.cli.command import Command, Parser, under_a_bar
from rdexplain.cli.options import (
    BASELINES,
    CLASSES,
    METHOD,
    MODEL,
    PHOTOS,
    WAVELET,
    WORKING,
    Group,
    Option,
    add,
)
from rdexplain.cli.values import one_of, part, several_of
from rdexplain.methods.registry import METHODS

# Repeated here because their modules import PyTorch; a test compares them.
LAYOUTS = ("auto", "folder", "tree", "manifest", "webdataset", "huggingface")
MASKS = ("float32", "bf16", "uint8")

_EXAMPLES = """\
  rdexplain run --photos photos/ --method cartoonx --out run --dry-run
  rdexplain run --photos photos/ --method cartoonx --out run
  rdexplain run study.yaml --out run --engine ray
  rdexplain run run"""

SOURCE = Group(
    "photos",
    (
        Option(
            "--photos",
            "a folder, a glob pattern, a tree with a folder for each class, a CSV or Parquet manifest, a WebDataset "
            "tar or a folder of them, or a Hugging Face data set on disk",
            str,
            "SOURCE",
        ),
        Option(
            "--layout", f"what that is: {', '.join(LAYOUTS)} (default auto)", one_of("layout", LAYOUTS), "L", "auto"
        ),
        Option("--part", "only the K-th of N parts of the photos, for runs that are merged", part, "K/N"),
        *(option for option in PHOTOS.options if option.name != "photos"),
    ),
)
HOW = Group(
    "method",
    (
        Option(
            "--method",
            "names that `rdexplain methods` lists, with commas between them (default cartoonx)",
            several_of("method", tuple(METHODS)),
            "NAMES",
            ("cartoonx",),
        ),
        *(option for option in METHOD.options if option.name != "method"),
    ),
)
KEPT = Group(
    "results",
    (
        Option("--out", "folder of the run (default run)", Path, "RUN", Path("run")),
        Option(
            "--masks", f"how masks are kept: {', '.join(MASKS)} (default bf16)", one_of("masks", MASKS), "KIND", "bf16"
        ),
    ),
)
DOING = Group(
    "doing",
    (
        Option(
            "config", "a YAML file with any of these options as keys; or the folder of a run, to go on", Path, "CONFIG"
        ),
        Option("--dry-run", "time one batch, and say what the whole will cost; writes nothing"),
        Option("--retry-failed", "try the photos again that have failed"),
    ),
)
CONFIGURED = (SOURCE, MODEL, CLASSES, HOW, WAVELET, BASELINES, KEPT, WORKING)
NOT_KEYS = ("quiet", *(option.name for option in DOING.options))


def keys() -> dict[str, Option]:
    """The options that a configuration may have, by name."""
    return {option.name: option for group in CONFIGURED for option in group.options if option.name not in NOT_KEYS}


def _declare(parser: Parser) -> None:
    # What is not given stays away, so that a configuration file can give it.
    groups = [replace(group, options=tuple(map(_absent, group.options))) for group in (DOING, *CONFIGURED)]
    add(parser, groups)


def _absent(option: Option) -> Option:
    if option.flags == "config":
        return replace(option, extra={"nargs": "?"})
    return replace(option, extra={**option.extra, "default": argparse.SUPPRESS})


COMMAND = Command(
    "run",
    "Explain a whole data set",
    "[CONFIG]",
    _declare,
    under_a_bar("rdexplain.cli.running"),
    _EXAMPLES,
)

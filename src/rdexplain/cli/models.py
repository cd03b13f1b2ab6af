"""``rdexplain models``: what can be explained by name."""

from __future__ import annotations

import argparse
import fnmatch

from rdexplain.cli.command import Command, Parser, UsageError
from rdexplain.cli.tables import Column, print_table
from rdexplain.errors import unknown


def _declare(parser: Parser) -> None:
    parser.add_argument("pattern", nargs="?", metavar="PATTERN", help="part of a name, or a glob pattern")


def _run(arguments: argparse.Namespace) -> int:
    from rdexplain.models import list_models

    models = list_models()
    found = models
    if arguments.pattern is not None:
        found = [model for model in models if _matches(model.name, arguments.pattern)]
        if not found:
            raise UsageError(unknown("model", arguments.pattern, [model.name for model in models]))
    columns = (
        Column("model", "bold"),
        Column("source"),
        Column("pixels", numbers=True),
        Column("classes", numbers=True),
        Column("weights"),
    )
    print_table(
        columns,
        [(model.name, model.source, str(model.input_size), str(model.classes), model.weights) for model in found],
    )
    return 0


def _matches(name: str, pattern: str) -> bool:
    pattern = pattern.lower().replace("-", "_")
    return fnmatch.fnmatch(name, pattern) if any(character in pattern for character in "*?[") else pattern in name


COMMAND = Command(
    "models",
    "List the models that load by name",
    "[PATTERN]",
    _declare,
    _run,
    "  rdexplain models resnet\n  rdexplain models 'vit_*'",
)

"""``rdexplain models``: lists the models that load by name."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from rdexplain.cli.command import Command, UsageError
from rdexplain.cli.tables import Column, print_table
from rdexplain.errors import unknown
from rdexplain.text.bar import Bar
from rdexplain.work.options import Options, option

_COLUMNS = (
    Column("model", "bold"),
    Column("source"),
    Column("pixels", numbers=True),
    Column("classes", numbers=True),
    Column("weights"),
)


@dataclass(frozen=True, kw_only=True)
class _Models(Options, title="models"):
    """List the models that load by name."""

    pattern: str | None = option("part of a name, or a glob pattern", str, "PATTERN", positional=True)


def _run(options: _Models, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.models import list_models

    models = list_models()
    found = models
    if options.pattern is not None:
        found = [model for model in models if _matches(model.name, options.pattern)]
        if not found:
            raise UsageError(unknown("model", options.pattern, [model.name for model in models]))
    rows = [(model.name, model.source, str(model.input_size), str(model.classes), model.weights) for model in found]
    with bar.paused():
        print_table(_COLUMNS, rows)
    return 0


def _matches(name: str, pattern: str) -> bool:
    pattern = pattern.lower().replace("-", "_")
    return fnmatch.fnmatch(name, pattern) if any(character in pattern for character in "*?[") else pattern in name


COMMAND = Command("models", _Models, _run, {}, "  rdexplain models resnet\n  rdexplain models 'vit_*'")

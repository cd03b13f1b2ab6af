"""``rdexplain models``: lists the models that load by name."""

from __future__ import annotations

from dataclasses import dataclass

from rdexplain.cli.command import Command
from rdexplain.cli.tables import Column, matching, print_table
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
    names = matching("model", options.pattern, [model.name for model in models])
    found = [model for model in models if model.name in names]
    rows = [(model.name, model.source, str(model.input_size), str(model.classes), model.weights) for model in found]
    with bar.paused():
        print_table(_COLUMNS, rows)
    return 0


COMMAND = Command("models", _Models, _run, {}, "  rdexplain models resnet\n  rdexplain models 'vit_*'")

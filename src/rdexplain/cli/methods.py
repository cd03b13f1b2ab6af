"""``rdexplain methods``: lists the methods."""

from __future__ import annotations

from dataclasses import dataclass

from rdexplain.cli.command import Command
from rdexplain.cli.tables import Column, print_table
from rdexplain.methods.registry import METHODS
from rdexplain.text.bar import Bar
from rdexplain.work.options import Options


@dataclass(frozen=True, kw_only=True)
class _Methods(Options):
    """List the methods."""


def _run(options: _Methods, bar: Bar, extras: dict[str, bool]) -> int:
    columns = (Column("method", "bold"), Column("explains by"), Column("source", "dim"))
    print_table(columns, [(method.name, method.summary, method.paper) for method in METHODS.values()])
    return 0


COMMAND = Command("methods", _Methods, _run, {}, loads=False)

"""``rdexplain methods``: lists the methods."""

from __future__ import annotations

from dataclasses import dataclass

from rdexplain.cli.command import Command
from rdexplain.cli.tables import Column, matching, print_table
from rdexplain.methods.registry import METHODS
from rdexplain.text.bar import Bar
from rdexplain.work.options import Options, option


@dataclass(frozen=True, kw_only=True)
class _Methods(Options, title="methods"):
    """List the methods."""

    pattern: str | None = option("part of a name, or a glob pattern", str, "PATTERN", positional=True)


def _run(options: _Methods, bar: Bar, extras: dict[str, bool]) -> int:
    columns = (Column("method", "bold"), Column("explains by"), Column("source", "dim"))
    found = [METHODS[name] for name in matching("method", options.pattern, list(METHODS))]
    print_table(columns, [(method.name, method.summary, method.paper) for method in found])
    return 0


COMMAND = Command("methods", _Methods, _run, {}, "  rdexplain methods rde\n  rdexplain methods 'random_*'", loads=False)

"""``rdexplain methods``: what there is to explain with."""

from __future__ import annotations

import argparse

from rdexplain.cli.command import Command, Parser
from rdexplain.cli.tables import Column, print_table
from rdexplain.methods.registry import METHODS


def _declare(parser: Parser) -> None:
    pass


def _run(arguments: argparse.Namespace) -> int:
    columns = (Column("method", "bold"), Column("explains by"), Column("source", "dim"))
    print_table(columns, [(method.name, method.summary, method.paper) for method in METHODS.values()])
    return 0


COMMAND = Command("methods", "List the methods", "", _declare, _run)

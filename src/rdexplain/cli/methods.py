"""``rdexplain methods``: what there is to explain with."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from typing import Any

from rdexplain.cli.command import Command, Parser
from rdexplain.cli.tables import Column, print_table


@dataclass(frozen=True)
class Method:
    """A method as the command line knows it: where its class is, without importing it."""

    name: str
    home: str
    summary: str
    paper: str

    def load(self) -> Any:
        """The method's class."""
        module, _, name = self.home.partition(":")
        return getattr(importlib.import_module(module), name)


METHODS = {
    method.name: method
    for method in (
        Method(
            "cartoonx",
            "rdexplain.methods:CartoonX",
            "the wavelet coefficients that the model needs",
            "Kolek et al., ECCV 2022, arXiv 2110.03485",
        ),
        Method(
            "pixel_rde",
            "rdexplain.methods:PixelRDE",
            "the pixels that the model needs",
            "Macdonald et al., arXiv 1905.11092",
        ),
    )
}


def _declare(parser: Parser) -> None:
    pass


def _run(arguments: argparse.Namespace) -> int:
    columns = (Column("method", "bold"), Column("explains by"), Column("source", "dim"))
    print_table(columns, [(method.name, method.summary, method.paper) for method in METHODS.values()])
    return 0


COMMAND = Command("methods", "List the methods", "", _declare, _run)

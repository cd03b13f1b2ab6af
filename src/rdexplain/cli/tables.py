"""Tables on stdout: lines on a terminal, plain columns elsewhere."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rdexplain.errors import OptionError, unknown


@dataclass(frozen=True)
class Column:
    """A column: its heading, rich's style, and whether it holds numbers."""

    title: str
    style: str = ""
    numbers: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text. Off a terminal columns are two blanks apart, and no row is cut or folded."""
    if sys.stdout.isatty():
        _print_rich(columns, rows)
        return
    titles = tuple(column.title for column in columns)
    widths = [max(map(len, texts)) for texts in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = [
            text.rjust(width) if column.numbers else text.ljust(width)
            for text, width, column in zip(row, widths, columns, strict=True)
        ]
        print("  ".join(cells).rstrip())


def matching(what: str, pattern: str | None, names: Sequence[str]) -> list[str]:
    """The names that hold a text, or that a glob pattern fits; all where there is none.

    Raises:
        OptionError: there is no such name.
    """
    if pattern is None:
        return list(names)
    text = pattern.lower().replace("-", "_")
    fits = any(character in text for character in "*?[")
    found = [name for name in names if (fnmatch.fnmatch(name, text) if fits else text in name)]
    if not found:
        raise OptionError(unknown(what, pattern, names))
    return found


def _print_rich(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, style=column.style, justify="right" if column.numbers else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)

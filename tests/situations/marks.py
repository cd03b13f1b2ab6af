"""The mark that makes a test a row of the table, and the table of all such tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
TABLE = HERE / "README.md"
OWNERS = {
    "captum": "meta-pytorch/captum",
    "lime": "marcotcr/lime",
    "pytorch-grad-cam": "jacobgil/pytorch-grad-cam",
    "Quantus": "understandable-machine-intelligence-lab/Quantus",
    "shap": "shap/shap",
    "torch-cam": "frgfm/torch-cam",
    "xplique": "deel-ai/xplique",
    "zennit": "chr5tphr/zennit",
}
"""Where the tools' threads are; any other source is written as owner/name#number."""

INTRODUCTION = """\
# Situations

What people ran into with other explanation tools, or may run into with any: each is tried on rdexplain by a test, which
asserts the right value or message. This table is made of the tests' marks by `python -m tests.situations.marks`, and a
test says when it is out of date. A source is a public thread; without one the situation was thought of.
"""


class Row(NamedTuple):
    """A situation: where its test is, what happens, who reported it (or ``-``), and what is right."""

    file: str
    test: str
    situation: str
    source: str
    right: str


def situation(text: str, *, source: str, right: str) -> pytest.MarkDecorator:
    """Marks a test: the situation in words, its source as name#number, what is right."""
    return pytest.mark.situation(text, source=source, right=right)


def rows() -> Iterator[Row]:
    """The situations of all tests, file by file."""
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield from _rows(path, node)


def _rows(path: Path, function: ast.FunctionDef) -> Iterator[Row]:
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "situation":
            words = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in mark.keywords}
            yield Row(path.stem, function.name, ast.literal_eval(mark.args[0]), words["source"], words["right"])


def link(source: str) -> str:
    """A source as Markdown."""
    if source == "-":
        return "-"
    name, number = source.split("#")
    return f"[{source}](https://github.com/{OWNERS.get(name, name)}/issues/{number})"


def table() -> str:
    """The whole page."""
    lines, before = [INTRODUCTION], ""
    for row in rows():
        if row.file != before:
            before = row.file
            title = row.file.removeprefix("test_").replace("_", " ").capitalize()
            lines += [f"\n## {title}\n", "| situation | source | right is | test |", "|---|---|---|---|"]
        cells = (row.situation, link(row.source), row.right, f"`{row.test}`")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())

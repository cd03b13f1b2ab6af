"""The table says what the tests do."""

from __future__ import annotations

import ast
import re

from tests.situations.marks import HERE, OWNERS, TABLE, rows, table


def test_the_table_is_that_of_the_tests():
    assert TABLE.read_text() == table(), "make it again: python -m tests.situations.marks"


def test_every_test_is_a_situation():
    marked = {(row.file, row.test) for row in rows()}
    for path in sorted(HERE.glob("test_*.py")):
        if path.stem != "test_table":
            names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
            assert all((path.stem, name) in marked for name in names if name.startswith("test_")), path


def test_the_sources_are_threads():
    found = list(rows())
    for row in found:
        assert row.source == "-" or re.fullmatch(r"[\w./-]+#\d+", row.source), row
        assert row.source == "-" or row.source.split("#")[0] in OWNERS or "/" in row.source, row
    assert len({row.source for row in found} - {"-"}) >= 45

"""The notebooks of `examples`: without outputs as they are kept, and they run from their first cell to their last."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def cells(notebook):
    """The source of its code cells."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]


def test_both_are_there():
    assert [one.stem for one in NOTEBOOKS] == ["compare-methods", "first-explanation"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda one: one.stem)
def test_no_outputs(notebook):
    text = notebook.read_text(encoding="utf-8")
    found = json.loads(text)
    for cell in found["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
    assert set(found["metadata"]) == {"kernelspec", "language_info"}
    assert text == json.dumps(found, indent=1, ensure_ascii=False) + "\n"  # as Jupyter writes it: small differences


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda one: one.stem)
def test_the_cells_compile(notebook):
    assert all(ast.parse(cell) for cell in cells(notebook))


# A kernel would run them with the last value of each cell shown; here that value's picture is made too.
KERNEL = """
import ast, json, sys
names = {"__name__": "__main__"}
for cell in json.load(sys.stdin):
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
        for shown in ("_repr_png_", "_repr_html_", "__repr__"):
            if callable(getattr(value, shown, None)):
                getattr(value, shown)()
"""


@pytest.mark.workers
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda one: one.stem)
def test_it_runs(notebook, tmp_path):
    """In a process of its own, as a kernel is, without one: a kernel is ten packages more."""
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        input=json.dumps(cells(notebook)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []  # nothing is left behind

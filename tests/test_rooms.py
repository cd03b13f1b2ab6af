"""The order of the rooms, as `docs/architecture.md` draws it: a module imports its own room and those before it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import rdexplain

ROOT = Path(rdexplain.__file__).parent
ORDER = (
    ("errors",),
    ("text",),
    ("photos",),
    ("models",),
    ("core",),
    ("results",),
    ("methods",),
    ("render",),
    ("evaluation",),
    ("work",),
    ("cli",),
    ("__init__", "__main__"),
)
PLACE = {room: place for place, rooms in enumerate(ORDER) for room in rooms}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file): file for file in ROOT.rglob("*.py")}


def imported(tree: ast.AST) -> set[str]:
    """The modules of the package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rdexplain":
            names = {f"{node.module}.{one.name}" for one in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names if one.name in MODULES}
    return found


ALLOWED = {("rdexplain.results.result", "rdexplain.render.files")}
"""Arrows that run back, when they are asked for: a result can show itself."""
GRAPH = {
    name: {one for one in imported(ast.parse(file.read_text())) if one != name and (name, one) not in ALLOWED}
    for name, file in MODULES.items()
}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_every_room_has_its_place():
    entries = {one.stem for one in ROOT.iterdir() if one.suffix == ".py" or (one / "__init__.py").is_file()}
    assert entries == PLACE.keys()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_arrow_runs_back(module):
    back = {one for one in GRAPH[module] if PLACE[room(one)] > PLACE[room(module)]}
    assert not back, f"{module} imports {', '.join(sorted(back))}, which come after it"


def test_no_circles():
    """Modules whose imports are all done are taken away, until none is left."""
    # A package's __init__ gathers names for users; its own modules do not import it.
    left = {name: {one for one in needs if one in GRAPH} for name, needs in GRAPH.items()}
    while done := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in done}
    assert not left, f"these import each other: {', '.join(sorted(left))}"

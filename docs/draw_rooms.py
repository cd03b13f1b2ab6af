"""Draws `docs/images/rooms.png`: the rooms in their order, their lines of code, and who imports whom.

Run with ``python docs/draw_rooms.py``.
"""

from __future__ import annotations

import ast
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "rdexplain"
ORDER = ("text", "photos", "models", "core", "results", "methods", "render", "evaluation", "work", "cli")
COLOUR, INK, FAINT = "#dfe9f3", "#1f2d3d", "#8aa0b8"


def lines_of(room: str) -> int:
    """Lines of code of a room."""
    return sum(len(file.read_text().splitlines()) for file in (SOURCE / room).rglob("*.py"))


def imports_of(room: str) -> dict[str, int]:
    """How many modules of a room import from each other room."""
    found: dict[str, int] = {}
    for file in (SOURCE / room).rglob("*.py"):
        names = [
            node.module or "" for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)
        ]
        for other in {name.split(".")[1] for name in names if name.startswith("rdexplain.")} & set(ORDER) - {room}:
            found[other] = found.get(other, 0) + 1
    return found


def figure() -> Figure:
    """The drawing."""
    drawn = Figure(figsize=(11, 3.6), dpi=150, layout="constrained")
    axes = drawn.add_subplot()
    axes.set(xlim=(-0.6, len(ORDER) - 0.4), ylim=(-1.05, 2.5))
    axes.axis("off")
    for place, room in enumerate(ORDER):
        axes.add_patch(FancyBboxPatch((place - 0.4, -0.3), 0.8, 0.6, "round,pad=0.02", fc=COLOUR, ec=INK, lw=1))
        axes.text(place, 0.06, room, ha="center", va="center", color=INK, fontsize=10, weight="bold")
        axes.text(place, -0.16, f"{lines_of(room):,} lines", ha="center", va="center", color=INK, fontsize=7.5)
        for other, count in imports_of(room).items():
            there = ORDER.index(other)
            bend, width = 0.35, 0.4 + min(count, 25) / 8
            ends = ((place, 0.34), (there, 0.34)) if place > there else ((place, -0.34), (there, -0.34))
            axes.add_patch(
                FancyArrowPatch(
                    *ends,
                    connectionstyle=f"arc3,rad={bend}",
                    arrowstyle="-|>",
                    mutation_scale=9,
                    color=FAINT if place > there else "#c0392b",
                    lw=width,
                    alpha=0.75,
                )
            )
    text = "An arrow leads to what a room imports; wider: more of its modules do. Red: back, when it is asked for."
    axes.text(-0.5, -0.9, text, color=INK, fontsize=8.5)
    return drawn


if __name__ == "__main__":
    figure().savefig(ROOT / "docs" / "images" / "rooms.png")

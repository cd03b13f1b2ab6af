"""Two JSON files of ``python -m benchmarks --json``, figure by figure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIGURES = {
    "step": ("step_over_floor",),
    "growth": ("step_ms_per_image", "peak_mib"),
    "transform": ("over_rdexplain",),
    "quality": ("objective", "evaluations"),
    "peers": ("seconds", "area_pixels", "area_wavelets"),
}
"""What is compared of each part. Everything in a row that is no measurement says which row it is."""
_MEASURED = {
    "floor_ms_per_image",
    "step_ms_per_image",
    "step_over_floor",
    "peak_mib",
    "ms_per_image",
    "over_rdexplain",
    *("seconds", "seconds_a_step", "area_pixels", "area_wavelets"),
    *("objective", "evaluations", "low", "high", "collapsed", "runs", "ratio_of_means", "worst_ratio"),
}


def compare(before: Path, after: Path) -> Iterator[str]:
    """A line for each figure that both files have: before, after, and after over before."""
    old, new = (json.loads(file.read_text()) for file in (before, after))
    differing = [key for key in old["machine"] if old["machine"][key] != new["machine"][key]]
    if differing:
        yield f"not the same machine: {', '.join(differing)} differ, so compare ratios alone"
    for part, figures in FIGURES.items():
        known = {_identity(row): row for row in old.get(part, [])}
        for row in new.get(part, []):
            was = known.get(_identity(row))
            for figure in figures if was is not None else ():
                if was and was.get(figure):
                    name = " ".join(str(value) for _, value in _identity(row))
                    yield (
                        f"{part:<10} {name:<48} {figure:<18} {was[figure]:>10.3f} {row[figure]:>10.3f} "
                        f"{row[figure] / was[figure]:>7.2f}x"
                    )


def _identity(row: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((key, value) for key, value in row.items() if key not in _MEASURED)

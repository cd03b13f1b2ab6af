"""Many small shards become a few large ones when a run ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rdexplain.work.runs import shards
from rdexplain.work.runs.ledger import Done, Ledger

MANY = 16
"""Fewer shards than that are left as they are."""
BYTES = 64_000_000
"""Approximate limit on the masks of a joined shard, which are held in memory."""


def compact(folder: Path, ledger: Ledger) -> None:
    """Join shards. A result is durable in its new place before the ledger says so, and the old place is removed after
    that: a kill at any moment leaves at most files that the ledger does not know, which the next start removes.

    Args:
        folder: of the shards.
        ledger: open for writing.

    Raises:
        OSError: the disk is full; no result is lost.
    """
    results: dict[int, list[Done]] = {}
    for one in ledger.finished():
        results.setdefault(one.shard, []).append(one)
    if len(results) < MANY:
        return
    following = max(results) + 1
    for group in _groups(folder, sorted(results)):
        rows: list[shards.Row] = []
        moved: list[Done] = []
        for number in group:
            there = _rows(folder, number)
            for one in results[number]:
                moved.append(replace(one, shard=following, first=len(rows)))
                rows += there[one.first : one.first + one.rows]
        shards.write(folder, following, rows)
        ledger.move(moved)
        for number in group:
            for path in shards.paths(folder, number):
                path.unlink(missing_ok=True)
        following += 1


def _groups(folder: Path, numbers: list[int]) -> Iterator[list[int]]:
    """Groups of at least two consecutive shards that fit into one."""
    group: list[int] = []
    total = 0
    for number in numbers:
        size = shards.paths(folder, number)[0].stat().st_size
        if group and total + size > BYTES:
            if len(group) > 1:
                yield group
            group, total = [], 0
        group.append(number)
        total += size
    if len(group) > 1:
        yield group


def _rows(folder: Path, number: int) -> list[shards.Row]:
    figures = shards.read_rows(folder, number).to_pylist()
    masks, headers = shards.read_masks(folder, number, range(len(figures)))
    return [
        shards.Row({name: value for name, value in row.items() if name != "header"}, headers[row["header"]], *mask)
        for row, mask in zip(figures, masks, strict=True)
    ]

"""How far a run is, seen from beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rdexplain.work.runs.ledger import Ledger


def counts(folder: str = "a") -> dict[str, int]:
    """The photos of each state."""
    with Ledger(Path(folder) / "ledger.sqlite", read_only=True) as ledger:
        return ledger.counts()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait; fails when it takes too long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)

"""What an engine is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rdexplain.runs.work import Batch, Outcome


class Engine(Protocol):
    """Carries batches to workers."""

    def outcomes(self, batches: Iterator[Batch]) -> Iterator[Outcome]:
        """What became of each batch, each once, in any order.

        Batches are taken from the iterator when a worker is free or nearly so, in the thread of the caller.

        Raises:
            RDExplainError: something that is no single photo's fault.
        """

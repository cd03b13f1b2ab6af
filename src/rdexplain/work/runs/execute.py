"""Computes the pending units of a run: sends batches to an engine, and writes the outcomes to shards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rdexplain.work.engines import Engine
from rdexplain.work.runs import shards
from rdexplain.work.runs.compacting import compact
from rdexplain.work.runs.folder import LOG, SHARDS
from rdexplain.work.runs.ledger import Done, Failed, Ledger, LedgerError, Unit
from rdexplain.work.runs.shards import Row
from rdexplain.work.runs.work import Batch, Outcome

COMMIT_SECONDS = 5.0
"""Results are written when this much time has passed since the last write, so that quick methods do not wait for the
disk, and slow ones lose at most a batch."""
COMMIT_ROWS = 512
"""Or when there are so many of them, which bounds the memory."""


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        total: number of units, which are pairs of a photo and a method.
        done, failed: units of the whole run, including those of earlier processes.
        here: units that were finished by this process.
        seconds: since this process began to work.
    """

    total: int
    done: int
    failed: int
    here: int
    seconds: float

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.here / self.seconds if self.seconds > 0 else 0.0

    @property
    def pace(self) -> str:
        """`1.3 photos/s, 2 failed`; seconds per photo where the rate is low."""
        rate = self.rate
        shown = f"{rate:.3g} photos/s" if rate >= 0.1 or not rate else f"{1 / rate:.3g} s a photo"
        return f"{shown}, {self.failed} failed" if self.failed else shown

    @property
    def left(self) -> float | None:
        """Estimated seconds for the rest; None before the first outcome."""
        return (self.total - self.done - self.failed) / self.rate if self.here else None


def batches(ledger: Ledger, methods: list[str], per_batch: int) -> Iterator[Batch]:
    """Batches of pending units, in the order of the photos: all methods on a batch's photos, then the next photos.

    A photo's batch depends on its number, not on what else is pending: an interrupted batch is formed again with the
    same photos, so that its masks are the same, bit for bit.
    """
    left = {method: ledger.pending(method) for method in methods}
    cut: dict[tuple[int, int], list[Unit]] = {}
    for place, units in enumerate(left.values()):
        for unit in units:
            cut.setdefault((unit.number // per_batch, place), []).append(unit)
    for key in sorted(cut):
        yield Batch(methods[key[1]], tuple(cut.pop(key)))


class Execution:
    """Computes the pending units of a run. The caller must hold the run's lock.

    Args:
        folder: the run's.
        ledger: its ledger, open for writing.
        report: called with the progress after each outcome.
        failed: called with the text of each photo's error.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        report: Callable[[Progress], None] = lambda progress: None,
        failed: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder, self.ledger = folder, ledger
        self._report, self._failed = report, failed
        self._shards = folder / SHARDS
        self._outcomes: list[Outcome] = []
        self._rows = self._here = 0
        self._written = time.monotonic()

    def over(self, engine: Engine[Batch, Outcome], methods: list[str], per_batch: int) -> Progress:
        """Compute all pending units.

        Raises:
            RDExplainError: an error that does not concern a single photo; finished results are kept.
            OSError: results cannot be written.
            KeyboardInterrupt: passed on, after finished results are written.
        """
        self._shards.mkdir(exist_ok=True)
        known = self.ledger.shards()
        shards.remove_others(self._shards, known)
        self._next = max(known, default=-1) + 1
        self.ledger.recover()
        counts = self.ledger.counts()
        self._counts, self._total = dict(counts), sum(counts.values())
        started = time.monotonic()
        log(self.folder, f"start: {counts['pending']} of {self._total} to do")
        self._report(self._progress(started))
        try:
            with contextlib.closing(engine.results(self._started(methods, per_batch))) as outcomes:
                for outcome in outcomes:
                    self._take(outcome)
                    self._report(self._progress(started))
            self._write()
        except OSError:
            raise  # what could not be written will be done again
        except BaseException as error:
            self._write()
            log(self.folder, f"stopped: {type(error).__name__} {error}".strip())
            raise
        with contextlib.suppress(OSError, LedgerError):  # optional: all results are there
            compact(self._shards, self.ledger)
        progress = self._progress(started)
        log(self.folder, f"end: {progress.done} done, {progress.failed} failed")
        return progress

    def _started(self, methods: list[str], per_batch: int) -> Iterator[Batch]:
        for batch in batches(self.ledger, methods, per_batch):
            self.ledger.start([unit.number for unit in batch.units], batch.method)
            yield batch

    def _take(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._rows += sum(map(len, outcome.rows.values()))
        self._here += len(outcome.batch.units)
        self._counts["done"] += len(outcome.rows)
        self._counts["failed"] += len(outcome.errors)
        for text in outcome.errors.values():
            self._failed(text)
            log(self.folder, f"failed: {outcome.batch.method}: {text}")
        if self._rows >= COMMIT_ROWS or time.monotonic() - self._written >= COMMIT_SECONDS:
            self._write()

    def _write(self) -> None:
        """Write finished results to the disk, and only then record them in the ledger."""
        outcomes, self._outcomes, self._rows = self._outcomes, [], 0
        rows: list[Row] = []
        done: list[Done] = []
        failed: list[Failed] = []
        for outcome in outcomes:
            method = outcome.batch.method
            failed += [Failed(number, method, text) for number, text in outcome.errors.items()]
            for number, found in outcome.rows.items():
                seconds = sum(float(row.figures["seconds"]) for row in found)
                done.append(Done(number, method, seconds, self._next, len(rows), len(found)))
                rows += found
        if rows:
            shards.write(self._shards, self._next, rows)
        if done or failed:
            self.ledger.commit(done, failed)
            self._next += bool(rows)
        self._written = time.monotonic()

    def _progress(self, started: float) -> Progress:
        counts = self._counts
        return Progress(
            self._total,
            counts["done"],
            counts["failed"],
            self._here,
            time.monotonic() - started,
        )


def log(folder: Path, text: str) -> None:
    """Add a line to the run's log. Failures are ignored: where they matter, writing the results fails too."""
    with contextlib.suppress(OSError), (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {' '.join(text.split())}\n")

"""Estimates the cost of a run from its first batch."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from rdexplain.errors import PhotoError
from rdexplain.text.times import span
from rdexplain.work.runs import shards
from rdexplain.work.runs.entries import Entry
from rdexplain.work.runs.ledger import Unit
from rdexplain.work.runs.work import Batch, Worker


@dataclass(frozen=True)
class Cost:
    """The cost of a whole run, estimated from its first batch.

    Attributes:
        photos: number of photos.
        seconds: to decode and explain a photo, by method.
        explanations: number for a photo, by method.
        bytes: on the disk, for one photo by all methods.
        memory: peak memory of this process, and on the GPU if there is one, in bytes.
        free: free bytes on the disk of the run.
        workers: approximate speedup of all workers over one.
    """

    photos: int
    seconds: dict[str, float]
    explanations: dict[str, float]
    bytes: float
    memory: dict[str, float]
    free: int
    workers: int = 1

    @property
    def total_seconds(self) -> float:
        """Seconds of one worker."""
        return self.photos * sum(self.seconds.values())

    @property
    def total_bytes(self) -> float:
        return self.photos * self.bytes

    def lines(self) -> list[str]:
        """The cost as lines of text."""
        each = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.seconds.items())
        count = round(self.photos * sum(self.explanations.values()))
        shared = f", {span(self.total_seconds / self.workers)} with {self.workers} workers" if self.workers > 1 else ""
        short = "" if self.total_bytes < self.free else ": TOO LITTLE"
        memory = ", ".join(f"{_size(size)} {where}" for where, size in self.memory.items())
        return [
            f"{self.photos} photos, {count} explanations (a photo: {each})",
            f"time    {span(self.total_seconds)}{shared}",
            f"memory  {memory}",
            f"disk    {_size(self.total_bytes)} of {_size(self.free)} free{short}",
        ]


def trial(worker: Worker, entries: Sequence[Entry], per_batch: int, out: Path) -> Cost:
    """Explain one batch of the photos by every method, and write nothing but a temporary file.

    Raises:
        PhotoError: none of the batch's photos can be explained.
    """
    units = tuple(Unit(number, entry) for number, entry in enumerate(entries[:per_batch]))
    seconds: dict[str, float] = {}
    explanations: dict[str, float] = {}
    rows: list[shards.Row] = []
    for method in worker.methods:
        started = time.perf_counter()
        outcome = worker(Batch(method, units))
        if not outcome.rows:
            reason = next(iter(outcome.errors.values()))
            raise PhotoError(f"none of the first {len(units)} photos could be explained: {reason}")
        # Failed photos are taken to cost no time.
        seconds[method] = (time.perf_counter() - started) / len(outcome.rows)
        found = [row for several in outcome.rows.values() for row in several]
        explanations[method] = len(found) / len(outcome.rows)
        rows += found
    with tempfile.TemporaryDirectory() as folder:
        shards.write(Path(folder), 0, rows)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    memory = {"in memory": _resident()}
    if worker.model.device.type == "cuda":
        memory["on the GPU"] = torch.cuda.max_memory_allocated(worker.model.device)
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    return Cost(len(entries), seconds, explanations, size / len(units), memory, shutil.disk_usage(there).free)


def _resident() -> float:
    """The peak memory of this process in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else most * 1024)


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"

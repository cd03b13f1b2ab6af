"""What a figure was measured on, and how a time is taken."""

from __future__ import annotations

import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rdexplain.text.versions import versions


def machine() -> dict[str, Any]:
    """Hardware and versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "versions": versions(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


class Peak:
    """The most memory that is held from now on, beside what is held already.

    On Linux the process's own high-water mark, begun anew: `getrusage` counts what the process that started this one
    held, too. Elsewhere that is all there is, and a peak that was higher before hides this one.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._linux = device, sys.platform == "linux"
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif self._linux:
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark becomes what is held now
        self._before = self._highest()

    def mib(self) -> float:
        """MiB so far."""
        return self._highest() - self._before

    def _highest(self) -> float:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / 2**20
        if self._linux:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
            assert found is not None
            return int(found[1]) / 2**10
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def interleaved(works: dict[str, Callable[[], Any]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each work in each round. The works take turns, so that a machine that slows down slows all."""
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            _wait(device)
            started = time.perf_counter()
            work()
            _wait(device)
            seconds[name].append(time.perf_counter() - started)
    return seconds


def median_ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

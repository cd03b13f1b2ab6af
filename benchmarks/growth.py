"""How cost grows with draws, image size and photos: time of a step and peak memory, each case in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

import rdexplain as rx
from benchmarks.machine import Peak
from rdexplain.core.solver import Settings, solve
from rdexplain.methods.registry import METHODS

BASE = {"photos": 1, "draws": 16, "size": 128, "internal_batch_size": 8, "method": "cartoonx"}
VARIED = {
    "draws": (4, 16, 64),
    "size": (64, 128, 256),
    "photos": (1, 8, 32),
    "internal_batch_size": (4, 8, 16, 32),
    "method": ("cartoonx", "shearletx"),
}


def cases() -> list[dict[str, Any]]:
    """The base case with one of its numbers changed at a time."""
    found: list[dict[str, Any]] = []
    for key, values in VARIED.items():
        found += [case for value in values if (case := {**BASE, key: value}) not in found]
    return found


def measure(
    device: str, known: Sequence[dict[str, Any]] = (), model: str = "efficientnet_lite0"
) -> Iterator[dict[str, Any]]:
    """A row for each case that is not known: milliseconds of a step for each image sent through, and peak MiB."""
    for case in cases():
        if any(case.items() <= row.items() for row in known):
            continue
        command = [sys.executable, "-m", "benchmarks.growth", json.dumps({**case, "device": device, "model": model})]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        yield json.loads(done.stdout.splitlines()[-1])


def one(case: dict[str, Any]) -> dict[str, Any]:
    """A case in this process. Its memory is what the explanation takes beside the loaded network and the photos."""
    device = torch.device(case["device"])
    model = rx.load_model(case["model"], device=str(device))
    size, photos = case["size"], case["photos"]
    images = torch.rand(photos, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    method = METHODS[case["method"]].load()(model, internal_batch_size=case["internal_batch_size"])
    spatial = method.options.settings.spatial
    peak = Peak(device)
    with method.problem(images) as problem:
        mask = torch.full((photos, problem.objective.transform.count), 0.5, device=device)
        solve(problem.objective, mask, Settings(1, case["draws"], 0.1, 20.0, spatial=spatial))
        started = time.perf_counter()
        solve(problem.objective, mask, Settings(2, case["draws"], 0.1, 20.0, spatial=spatial))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - started
    return {
        **case,
        "step_ms_per_image": 1e3 * seconds / (2 * photos * case["draws"]),
        "peak_mib": round(peak.mib(), 1),
    }


if __name__ == "__main__":
    print(json.dumps(one(json.loads(sys.argv[1]))))

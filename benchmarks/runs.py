"""What the machinery of runs costs: time over a bare loop of `explain`, bytes on the disk, growth of memory.

    python benchmarks/runs.py PHOTOS [--size 64] [--count 64] [--steps 2]

A bare loop and a run explain the same photos in the same batches, in turn, in one process; the best of three counts.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import torch

import rdexplain as rx
from rdexplain.photos.images import find_photos
from rdexplain.work.engines import Local
from rdexplain.work.runs.execute import Execution
from rdexplain.work.runs.folder import LEDGER
from rdexplain.work.runs.ledger import Ledger
from rdexplain.work.runs.sources import list_photos
from rdexplain.work.runs.work import Recipe, Worker

BATCH = 4


def bare(method: rx.PixelRDE, files: list[str], size: int) -> float:
    """Seconds of a loop that reads photos and explains them."""
    started = time.perf_counter()
    for first in range(0, len(files), BATCH):
        photos = [rx.load_photo(file, size).pixels for file in files[first : first + BATCH]]
        method.explain(torch.stack(photos))
    return time.perf_counter() - started


def through_a_run(worker: Worker, source: str, count: int) -> tuple[float, float]:
    """Seconds of the same work in a run, and its bytes for each explanation."""
    entries = list_photos(source).entries[:count]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Ledger(folder / LEDGER) as ledger:
            ledger.add(entries, list(worker.methods))
            started = time.perf_counter()
            Execution(folder, ledger).over(Local(worker), list(worker.methods), BATCH)
            seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return seconds, size / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="a folder")
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2)
    options = parser.parse_args()
    files = find_photos([options.photos])[: options.count]
    settings = {"steps": options.steps, "draws": 1}
    recipe = Recipe(
        model={"name": options.model},
        methods={"pixel_rde": ("rdexplain.methods.pixel_rde:PixelRDE", settings)},
        size=options.size,
        fit="squash",
        targets=("auto",),
        top_k=None,
        masks="bf16",
        root=str(Path(options.photos).absolute()),
    )
    worker = recipe.make("cpu")
    plain, run, memory = [], [], []
    for _ in range(3):
        plain.append(bare(worker.methods["pixel_rde"], files, options.size))
        seconds, size = through_a_run(worker, options.photos, len(files))
        run.append(seconds)
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    count = len(files)
    print(f"bare loop  {min(plain) / count:.4f} s a photo ({', '.join(f'{one:.1f}' for one in plain)} s)")
    print(f"run        {min(run) / count:.4f} s a photo ({', '.join(f'{one:.1f}' for one in run)} s)")
    print(f"ratio      {min(run) / min(plain):.3f}")
    print(f"disk       {size:.0f} bytes an explanation of {options.size} x {options.size} pixels, bf16")
    print(f"memory     at most {' then '.join(f'{one:.0f}' for one in memory)} MB after each run")


if __name__ == "__main__":
    main()

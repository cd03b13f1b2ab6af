"""A tiny network and tiny photos: the machinery of runs is tried here, not the methods."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rdexplain.cli import main
from rdexplain.work.runs import Run, open_run

pytest.importorskip("pyarrow")
pytest.importorskip("yaml")

NETS = '''
import os
import time
import torch
from torch import nn
from tests.dying import DiesOnce

class Mean(nn.Module):
    """Logits of 4 classes from the colours."""
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.linear = nn.Linear(3, 4)
    def forward(self, x):
        return 8 * self.linear(x[:, :, ::2, ::2].mean(dim=(2, 3)))

class Slow(Mean):
    """Takes its time, so that it can be killed."""
    def forward(self, x):
        if torch.is_grad_enabled():
            time.sleep(0.02)
        return super().forward(x)

class Fragile(Mean):
    """NaN for what is obfuscated of a photo whose first pixel is black."""
    def forward(self, x):
        bad = (x[:, :, 0, 0].sum(dim=1) < 0.01) & torch.tensor(torch.is_grad_enabled())
        return super().forward(x) * torch.where(bad, torch.nan, 1.0)[:, None]

class Hungry(Mean):
    """Out of memory with more than two images, and with any that holds a pixel of pure white."""
    def forward(self, x):
        if torch.is_grad_enabled() and (len(x) > 2 or bool((x.flatten(1).amax(dim=1) > 0.9999).any())):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().forward(x)

class Deadly(Mean):
    """The process dies of a photo that is all white."""
    def forward(self, x):
        if bool((x.flatten(1).min(dim=1).values > 0.99).any()):
            os._exit(9)
        return super().forward(x)

class Uneven(Mean):
    """Sums in an order that depends on how many images there are."""
    def forward(self, x):
        order = torch.arange(x[0].numel()).roll(17 * len(x))
        generator = torch.Generator().manual_seed(5)
        weight = torch.randn(4, len(order), generator=generator)
        return torch.stack([(weight[:, order] * image.flatten()[order]).sum(dim=1) / 3 for image in x])

class Once(DiesOnce, Mean):
    pass
'''
PHOTOS = 10


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the networks' module and `photos/`, 10 of them."""
    (tmp_path / "run_test_nets.py").write_text(NETS)
    (tmp_path / "photos").mkdir()
    generator = np.random.default_rng(1)
    for number in range(PHOTOS):
        pixels = generator.integers(40, 220, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number:02}.png")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("run_test_nets", None)


OPTIONS = {
    "--photos": "photos",
    "--model": "run_test_nets:Mean",
    "--activation": "softmax",
    "--method": "pixel_rde",
    "--size": "8",
    "--steps": "2",
    "--draws": "2",
    "--masks": "float32",
}


def arguments(*parts: str) -> list[str]:
    given = " ".join(parts).split()
    return ["run", *given, *(word for pair in OPTIONS.items() if pair[0] not in given for word in pair)]


@pytest.fixture
def argv(place: Path) -> Callable[..., list[str]]:
    """The arguments of a small run, with options of one's own."""
    return arguments


@pytest.fixture
def command(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """`command("run", "--out a")`: status, out and err lines; a run has small options."""

    def call(name: str, *parts: str, small: bool = True) -> SimpleNamespace:
        given = " ".join(parts).split()
        status = main(arguments(*parts) if name == "run" and small else [name, *given])
        captured = capsys.readouterr()
        return SimpleNamespace(status=status, out=captured.out.splitlines(), err=captured.err.splitlines())

    return call


@pytest.fixture
def process(place: Path) -> Callable[..., subprocess.Popen[str]]:
    """`process("--out a")` starts a small run in a process of its own."""

    def start(*parts: str, **how: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rdexplain", *arguments(*parts)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            **how,
        )

    return start


def same(one: Run, other: Run) -> bool:
    """Whether two runs have the same rows, but for times, and the same masks, bit for bit."""
    rows = [run.table().drop_columns(["seconds"]).to_pylist() for run in (one, other)]
    return rows[0] == rows[1] and all(one.mask(row).equal(other.mask(row)) for row in range(len(one)))


@pytest.fixture
def equal() -> Callable[[str, str], bool]:
    """Whether the runs in two folders are the same."""
    return lambda one, other: same(open_run(one), open_run(other))

"""A small network and small photos: the command line is tried here, not the methods."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from rdexplain.cli import main

NETS = '''
import os
import torch
from torch import nn
from rdexplain.models import Model

class Mean(nn.Module):
    """Logits of 4 classes from the colours and the brightness."""
    def __init__(self, outputs=4):
        super().__init__()
        torch.manual_seed(3)
        self.linear = nn.Linear(3, outputs)
    def forward(self, x):
        return 20 * self.linear(x.mean(dim=(2, 3)))

def tiny():
    return Mean()

def fixed():
    return Model(Mean(), name="fixed", input_size=12, fixed_size=True)

def double():
    return Mean().double()

class Corner(Mean):
    """Sees one pixel, so that noise matters to it."""
    def forward(self, x):
        pixel = x[:, :, 0, 0]
        return 8 * torch.cat((pixel, 1 - pixel[:, :1]), dim=1)

class Map(Mean):
    """Not (n, classes)."""
    def forward(self, x):
        return x[:, :2]

class Flat(Mean):
    """Nothing for any image."""
    def forward(self, x):
        return x.mean(dim=(1, 2, 3))[:0]

class Fragile(Mean):
    """NaN for what is obfuscated of a photo whose first pixel is black."""
    def forward(self, x):
        bad = (x[:, :, 0, 0].sum(dim=1) < 0.01) & torch.tensor(torch.is_grad_enabled())
        return super().forward(x) * torch.where(bad, torch.nan, 1.0)[:, None]

class Hungry(Mean):
    """Out of memory with more than two images."""
    def forward(self, x):
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().forward(x)

class Slow(Mean):
    """Says that it has been reached, then takes its time."""
    def forward(self, x):
        if torch.is_grad_enabled():
            open("reached", "w").close()
            torch.randn(2000, 2000) @ torch.randn(2000, 2000)
        return super().forward(x)

class Interrupted(Mean):
    """The user loses patience while the third image is optimised."""
    seen = 0
    def forward(self, x):
        if torch.is_grad_enabled():
            Interrupted.seen += 1
            if Interrupted.seen > int(os.environ.get("PATIENCE", "0")):
                raise KeyboardInterrupt
        return super().forward(x)

def broken():
    raise RuntimeError("this factory\\nis broken")
'''


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the networks' module and three photos."""
    folder = tmp_path_factory.mktemp("originals")
    (folder / "cli_test_nets.py").write_text(NETS)
    (folder / "names.txt").write_text("tabby cat\nzebra\ncrane\nCrane\n")
    (folder / "photos").mkdir()
    generator = np.random.default_rng(1)
    for name, size in (("bird.png", (20, 30)), ("cat.jpg", (24, 18)), ("dog.png", (16, 16))):
        pixels = generator.integers(60, 200, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / name)
    return folder


@pytest.fixture
def place(originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with copies of the originals."""
    shutil.copytree(originals, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("cli_test_nets", None)


@pytest.fixture
def quick_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels take a second each to draw, and have tests of their own."""
    from rdexplain import render
    from rdexplain.render import save_picture

    monkeypatch.setattr(render, "save_panel", lambda one, path, **_: save_picture(path, one.picture[0]))


Run = Callable[..., SimpleNamespace]


@pytest.fixture
def run(place: Path, quick_panels: None, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("explain photos", "--top-k 2")`: status, out and err lines; with small and quick options."""

    def call(*parts: str, small: bool = True) -> SimpleNamespace:
        argv = " ".join(parts).split()
        if small:
            given = {"--model": "cli_test_nets:tiny", "--method": "pixel_rde", "--size": "16", "--steps": "2"}
            if argv[0] == "explain":
                given["--activation"] = "softmax"
            for option, value in given.items():
                if option not in argv:
                    argv += [option, value]
        status = main([part.replace("~", " ") for part in argv])
        captured = capsys.readouterr()
        return SimpleNamespace(status=status, out=captured.out.splitlines(), err=captured.err.splitlines())

    return call

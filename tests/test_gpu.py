"""Every command on a GPU, where there is one: what lies on the wrong device is only found there.

Continuous integration has no GPU. Whoever has one runs `pytest tests/test_gpu.py -n 0`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

import rdexplain as rx
from rdexplain.cli import main
from rdexplain.photos.images import sample_names

DEVICE = os.environ.get("RDEXPLAIN_GPU_TESTS_ON", "cuda")
"""Another device tries the tests themselves."""
pytestmark = pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="needs a GPU")

PHOTOS = "sample:cat sample:coffee"
METHODS = (
    "cartoonx pixel_rde waveletx shearletx smooth_pixel_rde integrated_gradients smooth_grad guided_backprop grad_cam "
    "lrp lime occlusion"
)
SCORES = "insertion,deletion,sparseness,complexity,conciseness,hallucination,road,irof infidelity,small_changes"
SCORES += " max_sensitivity randomisation seeds"
TARGETS = "figure-1 figure-4 figure-5 figure-6 figure-7 table-1 accuracy shearletx-conciseness"
TARGETS += " shearletx-hallucination startgrad"


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command in a folder of its own, on the GPU."""
    monkeypatch.chdir(tmp_path)

    def call(text: str, device: str = DEVICE) -> str:
        status = main([*text.split(), "--device", device])
        out, err = capsys.readouterr()
        assert status == 0, err
        return out + err

    return call


def with_photos(count: int) -> None:
    """A folder of them."""
    Path("photos").mkdir()
    for name in sample_names()[:count]:
        pixels = rx.load_photo(f"sample:{name}", 64).pixels
        Image.fromarray((255 * pixels.permute(1, 2, 0)).byte().numpy()).save(f"photos/{name}.png")


@pytest.mark.parametrize("method", METHODS.split())
def test_explains(command, method):
    steps = "--steps 4 " if "x" in method or "rde" in method else ""
    size = 128 if method == "shearletx" else 64
    command(f"explain {PHOTOS} --method {method} --size {size} {steps}--out out")


@pytest.mark.parametrize(
    "options",
    [
        "--repeats 2",
        "--max-distortion 0.1",
        "--rate 0.1",
        "--precision bfloat16",
        "--no-accelerate",
        "--init sensitivity --order path",
        "--init gradient",
        "--against 3",
        "--top-k 2 --samples 2 --original-size",
        "--distortion l2 --noise uniform --noise-scaling linear",
        "--noise zero",
        "--wavelet db8 --levels 2",
        "--photos-per-batch 2 --internal-batch-size 3",
    ],
)
def test_explains_with(command, options):
    command(f"explain {PHOTOS} --size 64 --steps 4 --out out {options}")


def test_an_explanation_is_that_of_the_cpu(command):
    """The same noise, so that few steps differ by rounding alone."""
    found = []
    for folder, device in (("one", "cpu"), ("other", DEVICE)):
        command(f"explain sample:cat --size 64 --steps 6 --order none --out {folder}", device)
        found.append(rx.load_explanation(next(Path(folder).glob("*.json"))))
    for one, other in zip(found[0].mask, found[1].mask, strict=True):
        assert (one - other).abs().mean() < 0.01
    assert found[1].distortion == pytest.approx(found[0].distortion, abs=0.02)


def test_compares(command):
    command(f"compare {PHOTOS} --size 64 --steps 4 --methods cartoonx,pixel_rde,grad_cam,lime --out both")
    two = "--models efficientnet_lite0,mobilenet_v3_small --weights random"
    command(f"compare sample:cat --size 64 --steps 4 {two} --out two")


@pytest.mark.parametrize("scores", SCORES.split())
def test_evaluates(command, scores):
    command(f"evaluate sample:cat --size 64 --steps 4 --draws 2 --scores {scores} --methods cartoonx,lrp --out scores")


@pytest.mark.parametrize("order", ["kept", "random", "magnitude", "sensitivity"])
def test_evaluates_what_is_stored(command, order):
    command(f"explain {PHOTOS} --size 64 --steps 4 --out out", "cpu")
    command(f"evaluate --explanations out --draws 2 --order {order} --scores road,irof,insertion --out scores")


def test_runs_and_goes_on(command):
    with_photos(3)
    command("run --photos photos --size 64 --steps 4 --out run")
    command("run --photos photos --size 64 --steps 4 --out run")


def test_trains_an_explainer(command):
    with_photos(4)
    command("train-explainer photos --size 64 --rounds 1 --out e.safetensors")
    command(f"explain {PHOTOS} --size 64 --preset instant --init e.safetensors --out out")


@pytest.mark.parametrize("protocol", ["corrected", "published"])
@pytest.mark.parametrize("target", TARGETS.split())
def test_reproduces(command, target, protocol):
    with_photos(2)
    text = command(
        f"reproduce {target} --photos photos --limit 2 --size 64 --effort 0.002 --protocol {protocol} "
        f"--model efficientnet_lite0 --out out --photos-per-batch 2"
    )
    assert "failed" not in text

"""Every command and kind of target on a GPU, where there is one: what lies on the wrong device is only found there.

Continuous integration has no GPU. Whoever has one runs `pytest tests/test_gpu.py -n 0`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import rdexplain as rx
from rdexplain.cli import main
from rdexplain.models.detections import RawDetections
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


@pytest.fixture
def quick():
    """Options with which a method takes no time."""
    return lambda method: {"steps": 2, "draws": 2} if method is rx.PixelRDE else {}


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


class Shifted(nn.Module):
    """A network of an image and a second input."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images, numbers):
        return self.network(images) + numbers


class Maps(nn.Module):
    """A segmentation."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images):
        return 5 * self.layer(images)


class Boxes(nn.Module):
    """A detector of squares of 8 x 8 pixels."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 8, stride=8)

    def forward(self, images):
        logits = self.layer(images).flatten(2).mT + 1
        place, across = torch.arange(logits.shape[1], device=images.device), images.shape[-1] // 8
        corner = 8.0 * torch.stack((place % across, place // across), dim=1)
        boxes = torch.cat((corner, corner + 8), dim=1).expand(len(images), -1, -1)
        return RawDetections(boxes, logits.sigmoid(), logits)


@pytest.mark.parametrize("where", ["cpu", DEVICE])
@pytest.mark.parametrize("method", [rx.PixelRDE, rx.GradCAM])
def test_a_second_input_follows_the_photos_to_the_gpu(smooth_network, make_photos, quick, method, where):
    network, numbers = Shifted(smooth_network()), torch.linspace(-1, 1, 10).view(2, 5)
    options = quick(method)
    found = method(network, device=DEVICE, **options).explain(
        make_photos(2).to(where), 1, additional_forward_args=numbers.to(where)
    )
    expected = method(network, **options).explain(make_photos(2), 1, additional_forward_args=numbers)
    torch.testing.assert_close(found.probability, expected.probability, rtol=0, atol=1e-3)


@pytest.mark.parametrize("method", [rx.PixelRDE, rx.Occlusion])
def test_a_function_gets_photos_where_they_are(smooth_network, make_photos, quick, method):
    network = smooth_network().to(DEVICE)
    explainer = method(lambda images: network(images), **quick(method))
    found = explainer.explain(make_photos(1).to(DEVICE))
    assert found.images.device.type == "cpu"
    assert explainer.attribute(make_photos(1).to(DEVICE), target=1).device.type == DEVICE


TASKS = {
    "contrast": rx.Contrast(None, 3),
    "labels": rx.Above(0.01),
    "value": lambda output: output[1],
    "batched": rx.Value(batched=lambda output: output[:, 1]),
}


@pytest.mark.parametrize("task", TASKS)
def test_tasks_of_a_classifier(smooth_network, make_photos, quick, task):
    method = rx.PixelRDE(smooth_network(), device=DEVICE, **quick(rx.PixelRDE))
    found = method.explain(make_photos(2), TASKS[task], samples=2, repeats=2)
    assert found.mask[0].device.type == found.samples.device.type == "cpu"


@pytest.mark.parametrize("over", ["region", "image"])
def test_segments(make_photos, quick, over):
    method = rx.PixelRDE(rx.as_model(Maps(), task="segmentation"), device=DEVICE, **quick(rx.PixelRDE))
    assert method.explain(make_photos(2), rx.Segment("all", over=over)).region.device.type == "cpu"


@pytest.mark.parametrize("study", [False, True])
@pytest.mark.parametrize("which", [0, "all", "anchors"])
def test_detects(make_photos, quick, which, study):
    method = rx.PixelRDE(rx.as_model(Boxes(), task="detection"), device=DEVICE, **quick(rx.PixelRDE))
    assert len(method.explain(make_photos(1), rx.Detect(which, study=study))) >= 1

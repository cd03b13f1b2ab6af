"""A tiny network and photos, on which every recipe runs from end to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from rdexplain.errors import ModelError
from rdexplain.models import Model, as_model
from rdexplain.models.classes import ClassName
from rdexplain.work.studies import Plan, Scale
from rdexplain.work.studies.plan import TaskNetwork
from rdexplain.work.studies.work import know

SIZE = 40
"""Small, so that the measuring of each mask is quick."""
CLASSES = tuple(ClassName(f"class {number}", f"n0000000{number}") for number in range(5))


class Network(nn.Module):
    """Pools first, so that it is fast; with a ReLU, for Guided Backprop."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.pool, self.relu, self.network = nn.AvgPool2d(5), nn.ReLU(), network

    def forward(self, images):
        return self.network(self.relu(self.pool(images)))


@pytest.fixture
def model(smooth_network: Callable[..., nn.Sequential]) -> Model:
    return Model(Network(smooth_network()), name="tiny", classes=CLASSES)


class Regions(nn.Module):
    """Sees what is red and what is green."""

    def forward(self, images):
        return {"out": 20 * torch.cat((torch.full_like(images[:, :1], 0.5), images[:, :2]), dim=1)}


class Objects(nn.Module):
    """Sees how red the left half is, and how green the right half."""

    def forward(self, images):
        height, width = images.shape[2:]
        red, green = images[:, 0, :, : width // 2].mean((1, 2)), images[:, 1, :, width // 2 :].mean((1, 2))
        box = [height / 2, 0.4 * width, 0.5 * height]
        rest = torch.zeros_like(red)
        rows = [[width / 4, *box, red, 1, 0], [3 * width / 4, *box, green, 0, 1]] + [[8, 8, 2, 2, 0, 0, 0]] * 6
        return torch.stack([torch.stack([rest + value for value in row], 1) for row in rows], 1)


@pytest.fixture
def load(model: Model) -> Callable[[str], Model]:
    """The networks by name, for every task."""
    regions = Model(Regions(), name="regions", task="segmentation", classes=["background", "red", "green"])
    objects = as_model(Objects(), name="objects", task="detection", classes=["cat", "dog"])
    networks = {"tiny": model, "regions": regions, "objects": objects}

    def find(name: str) -> Model:
        if name not in networks:
            raise ModelError(f"the weights of {name} are missing")
        return networks[name]

    return find


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A folder of three wide photos: one with something red and something green, a red one, and a blue one."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for name, red, green in (("both", 1, 1), ("red", 1, 0), ("blue", 0, 0)):
        pixels = torch.randint(0, 40, (36, 48, 3), generator=generator)
        pixels[4:32, 2:22, 0] += 200 * red
        pixels[6:30, 26:46, 1] += 200 * green
        pixels[..., 2] += 60
        Image.fromarray(pixels.byte().numpy()).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def make_scene_plan(make_plan: Callable[..., Plan], scenes: Path) -> Callable[..., Plan]:
    """A plan for figures 8 and 9."""

    def make(protocol: str = "corrected", **changes: object) -> Plan:
        known, failures = know(sorted(str(file) for file in scenes.iterdir()), None, SIZE)
        assert not failures
        networks = {"segmenter": TaskNetwork("regions", None, SIZE), "detector": TaskNetwork("objects", None, SIZE)}
        scale = Scale(photos=3, effort=0.02)
        return make_plan(protocol, scale, **({"scenes": tuple(known)} | networks | changes))

    return make


@pytest.fixture
def photos(tmp_path: Path, make_photos: Callable[..., object]) -> list[str]:
    """Files of three photos, whose names hold WordNet ids: the classes 0, 1 and 2."""
    folder, names = tmp_path / "photos", []
    folder.mkdir()
    for number, pixels in enumerate(make_photos(3, 48)):  # type: ignore[arg-type,var-annotated]
        path = folder / f"n0000000{number}_photo.png"
        Image.fromarray((255 * pixels).byte().permute(1, 2, 0).numpy()).save(path)
        names.append(str(path))
    return names


@pytest.fixture
def make_plan(model: Model, photos: list[str]) -> Callable[..., Plan]:
    def make(protocol: str = "corrected", scale: Scale | None = None, **changes: object) -> Plan:
        known, failures = know(photos, model, SIZE)
        assert not failures
        # The network is right about the first two, and wrong about the third.
        known = [replace(one, truth=one.predicted if at < 2 else one.predicted + 1) for at, one in enumerate(known)]
        scale = scale or Scale(photos=2, effort=0.002, stride=50 if protocol == "published" else 12)
        given = {"photos": tuple(known), "scale": scale, "models": ("tiny", "resnet18")} | changes
        return Plan(protocol, "tiny", size=SIZE, seed=0, **given)  # type: ignore[arg-type]

    return make

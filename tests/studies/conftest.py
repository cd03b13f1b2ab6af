"""A tiny network and photos, on which every recipe runs from end to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from torch import nn

from rdexplain.errors import ModelError
from rdexplain.models import Model
from rdexplain.models.classes import ClassName
from rdexplain.studies import Plan, Scale
from rdexplain.studies.work import know

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


@pytest.fixture
def load(model: Model) -> Callable[[str], Model]:
    def find(name: str) -> Model:
        if name != "tiny":
            raise ModelError(f"the weights of {name} are missing")
        return model

    return find


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

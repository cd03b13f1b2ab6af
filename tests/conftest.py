"""What the tests of the numerical core share: small networks and images with numbers of their own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rdexplain.core.memory import BatchLimit
from rdexplain.core.noise import Noise
from rdexplain.core.objective import Objective
from rdexplain.core.philox import photo_key
from rdexplain.models.decisions import Label, Probabilities
from rdexplain.models.decisions.distortions import find_distortion

pytest_plugins = ["tests.skips"]
CLASSES = 5


@pytest.fixture
def heeds_control_c():
    """A shell that runs the tests in the background has its children ignore SIGINT; a person's terminal does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """The networks are tiny: threads would wait for each other, on a busy machine for long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _smooth_network(dtype: torch.dtype = torch.float32, seed: int = 0) -> nn.Sequential:
    """Two convolutions with smooth activations, and weights that make it decide something; in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 5, stride=2, padding=2),
            nn.Tanh(),
            nn.Conv2d(6, 8, 3, stride=2),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, CLASSES),
        )
    with torch.no_grad():
        network[0].weight.mul_(3)
        network[6].weight.mul_(12)
    return network.to(dtype).eval()


def _photos(count: int, size: int | tuple[int, int] = 32, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Smooth random images (count, 3, h, w) from 0 to 1, all different, and each the same whatever the count."""
    size = (size, size) if isinstance(size, int) else size
    images = []
    for number in range(count):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        coarse = torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64)
        image = nn.functional.interpolate(coarse, size=size, mode="bicubic", align_corners=False)
        image = image + 0.1 * torch.randn(image.shape, generator=generator, dtype=torch.float64)
        image = ((image - image.mean()) * 6).tanh()  # of much contrast, so that noise leaves [0, 1]
        images.append((image - image.min()) / (image.max() - image.min()))
    return torch.cat(images).to(dtype)


def _objective(representation: Any, images: Tensor, network: Callable[..., Any], **options: Any) -> Objective:
    """An objective with one row for each photo, or for each of `photos`."""
    photos = options.pop("photos", torch.arange(len(images)))
    targets = options.pop("targets", [1] * len(photos))
    distortion = find_distortion(options.pop("distortion", "label"))

    def probabilities(output: Tensor) -> Tensor:
        return output.softmax(1)

    decision = Label(targets, probabilities) if distortion.reads == "label" else Probabilities(probabilities)
    with torch.no_grad():
        output = network(images[photos])
    return Objective(
        images=images,
        photos=photos,
        keys=options.pop("keys", tuple(photo_key(images[photo]) for photo in photos)),
        forward=lambda batch, rows: network(batch),
        decision=decision,
        distortion=distortion,
        output=output,
        transform=representation.transform(tuple(images.shape[-2:]), images.dtype, images.device),
        noise=options.pop("noise", Noise()),
        seed=options.pop("seed", 0),
        clamp=options.pop("clamp", True),
        limit=BatchLimit(options.pop("batch", 100), images),
        **options,
    )


class Recorder:
    """A model that keeps what it sees, apart from what it is asked for its clean images."""

    def __init__(self, network: Callable[[Tensor], Tensor]) -> None:
        self.network = network
        self.seen: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return self.network(images)


@pytest.fixture
def smooth_network() -> Callable[..., nn.Sequential]:
    return _smooth_network


@pytest.fixture
def make_photos() -> Callable[..., Tensor]:
    return _photos


@pytest.fixture
def make_objective() -> Callable[..., Objective]:
    return _objective


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder

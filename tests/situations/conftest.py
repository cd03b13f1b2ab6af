"""Small networks and photos, and what most situations come down to: the same explanation as of the plain network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import rdexplain as rx
from rdexplain.methods import outcome

CLASSES = 5


@pytest.fixture(autouse=True)
def _few_fresh_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The situations are about other things than how exactly a finished mask is measured."""
    monkeypatch.setattr(outcome, "FRESH_DRAWS", 8)
    monkeypatch.setattr(outcome, "EMPTY_DRAWS", 4)


def plain_network(seed: int = 4) -> nn.Sequential:
    """Two convolutions and a linear layer that decide something, in eval mode; the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, CLASSES),
        )
    with torch.no_grad():
        network[0].weight.mul_(2)
        network[7].weight.mul_(8)
    return network.eval()


def some_photos(count: int = 1, size: tuple[int, int] = (32, 32), seed: int = 0) -> Tensor:
    """Photos (n, 3, h, w) from 0 to 1, coarse spots with grain."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    fine = torch.rand(count, 3, *size, generator=generator)
    return (0.8 * nn.functional.interpolate(coarse, size=size, mode="nearest") + 0.2 * fine).clamp(0, 1)


def explained(network: object, images: Tensor, target: object = None, **options: object) -> rx.Explanation:
    """A quick Pixel RDE, whose mask depends on the network: of a larger sparsity three steps would only shrink it."""
    calls = {name: options.pop(name) for name in ("additional_forward_args", "top_k") if name in options}
    method = rx.PixelRDE(network, **{"steps": 3, "draws": 2, "sparsity": 1e-4, "step_size": 0.1, **options})
    return method.explain(images, target, **calls)


def same(one: rx.Explanation, other: rx.Explanation, tolerance: float = 1e-3) -> None:
    """Two explanations are the same up to rounding.

    Rounding may turn the sign of a slope that is nearly 0, and so move a single entry by a step, but not many.
    """
    assert one.target.tolist() == other.target.tolist()
    torch.testing.assert_close(one.probability.double(), other.probability.double(), rtol=0, atol=tolerance)
    assert difference(one, other) <= tolerance


def difference(one: rx.Explanation, other: rx.Explanation) -> float:
    """The mean difference of two explanations' masks; of those of two photos it is about 0.1."""
    pairs = zip(one.mask, other.mask, strict=True)
    return max(float((band.double() - expected.double()).abs().mean()) for band, expected in pairs)


@pytest.fixture
def network() -> nn.Sequential:
    return plain_network()


@pytest.fixture
def photo() -> Tensor:
    return some_photos()

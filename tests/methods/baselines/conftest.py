"""A small network with rectifiers, and every baseline with options that make it quick."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rdexplain as rx

pytest.importorskip("captum")
pytest.importorskip("skimage")

QUICK = {
    rx.IntegratedGradients: {"steps": 4, "references": 2},
    rx.SmoothGrad: {"n_samples": 3},
    rx.GuidedBackprop: {},
    rx.GradCAM: {},
    rx.LRP: {},
    rx.Lime: {"n_samples": 12, "segments": 6},
    rx.Occlusion: {"window": 8, "stride": 6},
    rx.RandomPixel: {},
    rx.RandomWavelet: {"wavelet": "haar", "levels": 2},
}
CLASSES = 5


def relu_network(inplace: bool = False, bias: bool = True) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=bias),
            nn.ReLU(inplace),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1, bias=bias),
            nn.ReLU(inplace),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, CLASSES, bias=bias),
        )
    with torch.no_grad():
        network[0].weight.mul_(2)
        network[7].weight.mul_(8)
    return network.eval()


class Linear(nn.Module):
    """Logits that are linear in the pixels, so that gradients and differences have a closed form."""

    def __init__(self, size: tuple[int, int] = (16, 16)) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.weight = nn.Parameter(torch.randn(CLASSES, 3, *size, generator=generator) / 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,kchw->nk", images, self.weight)


@pytest.fixture
def network() -> nn.Sequential:
    return relu_network()


@pytest.fixture
def build():
    return relu_network


@pytest.fixture
def linear() -> Linear:
    return Linear()


@pytest.fixture
def make_linear() -> type[Linear]:
    return Linear


@pytest.fixture(params=list(QUICK), ids=lambda method: method.name)
def method(request, network):
    return request.param(network, **QUICK[request.param])


@pytest.fixture
def quick():
    return QUICK

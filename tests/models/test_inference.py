"""Networks made in inference mode."""

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError


class Small(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 5),
        )


class Alone(Small):
    """Objects to being copied."""

    def __deepcopy__(self, memo):
        raise TypeError("there is only one")


def made(kind, inference):
    with torch.random.fork_rng(devices=[]), torch.inference_mode(inference):
        torch.manual_seed(0)
        return kind()


@pytest.mark.parametrize("kind", [rx.PixelRDE, rx.CartoonX])
@pytest.mark.parametrize("inside", [False, True])
def test_it_is_explained_as_any_other_and_left_as_it_was(kind, inside):
    options = {"steps": 2, "draws": 2} | ({"levels": 2, "wavelet": "haar"} if kind is rx.CartoonX else {})
    images = torch.rand(2, 3, 8, 8)
    network = made(Small, True)
    before = [(p.requires_grad, p.is_inference()) for p in network.parameters()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.inference_mode(inside):
        found = kind(network, **options).explain(images)
    expected = kind(made(Small, False), **options).explain(images)
    assert all(torch.equal(a, b) for a, b in zip(found.mask, expected.mask, strict=True))
    assert network.training
    assert [(p.requires_grad, p.is_inference()) for p in network.parameters()] == before
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_one_that_cannot_be_copied_is_refused_at_once():
    with pytest.raises(ModelError, match=r"^Alone was made in torch.inference_mode\(\) and cannot be copied"):
        rx.as_model(made(Alone, True))


def test_any_other_is_not_copied():
    network = made(Alone, False)
    assert rx.as_model(network).network is network


def test_inside_a_callable_it_is_one_line():
    network = made(Small, True).eval()
    with pytest.raises(ModelError, match="not differentiable: Inference tensors"):
        rx.PixelRDE(lambda images: network(images), steps=1).explain(torch.rand(1, 3, 8, 8))

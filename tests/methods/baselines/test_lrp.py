"""LRP against captum called directly, closed forms, and what it must conserve."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError

captum_attr = pytest.importorskip("captum.attr")
EpsilonRule = pytest.importorskip("captum.attr._utils.lrp_rules").EpsilonRule


def test_it_is_captum_s(build, make_photos):
    network, photos = build(), make_photos(2)
    network[6].rule = EpsilonRule()  # captum has none for nn.Flatten
    expected = captum_attr.LRP(network).attribute(photos.clone().requires_grad_(), target=[1, 2]).detach()
    found = rx.LRP(build(), rule="epsilon", epsilon=1e-9)
    torch.testing.assert_close(found.attribute(photos, target=[1, 2]), expected, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.explain(photos, [1, 2]).scores[0], expected.sum(1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("inplace", [False, True])
def test_the_epsilon_rule_without_biases_is_gradient_times_input(inplace, build, make_photos):
    network, photos = build(inplace, bias=False).double(), make_photos(2, dtype=torch.float64)
    leaf = photos.clone().requires_grad_()
    network(leaf)[:, 1].sum().backward()
    found = rx.LRP(network, rule="epsilon", epsilon=1e-12).attribute(photos, target=1)
    torch.testing.assert_close(found, leaf.grad * photos, rtol=1e-4, atol=1e-7)


def test_the_z_plus_rule_by_hand():
    """Of each output's relevance an input gets its share of the positive contributions, also where it is negative."""
    convolution, head = nn.Conv2d(3, 2, 1).double(), nn.Linear(2, 3, bias=False).double()
    network = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[1.0, -2.0, 3.0], [-1.0, 1.0, 0.5]]).view(2, 3, 1, 1))
        convolution.bias.copy_(torch.tensor([0.3, 0.1]))
    image = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64).view(1, 3, 1, 1)
    model = rx.as_model(network, mean=0.4, std=0.5)
    found = rx.LRP(model, epsilon=1e-12).attribute(image, target=2).flatten()
    with torch.no_grad():
        a = (image.flatten() - 0.4) / 0.5
        w = convolution.weight.flatten(1)
        z = w @ a + convolution.bias
        relevance = head.weight[2] * z
        share = (w * a).clamp_min(0)
        expected = (share / share.sum(1, keepdim=True) * relevance[:, None]).sum(0)
    torch.testing.assert_close(found, expected)


class Residual(nn.Module):
    """Depthwise convolutions, a sum of branches, one rectifier in place for all of them, and no biases."""

    def __init__(self, act: nn.Module, how: str) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.pointwise = nn.Conv2d(8, 8, 1, bias=False)
        self.norm, self.drop, self.act, self.how = nn.BatchNorm2d(8), nn.Dropout(), act, how
        self.head = nn.Linear(8, 4, bias=False)

    def forward(self, images):
        x = self.act(self.stem(images))
        y = self.pointwise(self.act(self.depthwise(x)))
        if self.how == "in place":
            y += x
        else:
            y = torch.add(y, x) if self.how == "function" else x + y
        y = self.drop(self.act(self.norm(y)))
        pooled = nn.functional.adaptive_avg_pool2d(y, 1).flatten(1) if self.how == "function" else y.mean([2, 3])
        return self.head(pooled)


@pytest.mark.parametrize(
    ("act", "how", "rule"),
    [
        (nn.ReLU(True), "in place", "epsilon"),
        (nn.ReLU(True), "operator", "epsilon_plus"),
        (nn.ReLU6(), "function", "epsilon"),
        (nn.ReLU6(), "in place", "epsilon_plus"),
        # Negative activations can leave an output without positive contributions, which z+ cannot share out.
        (nn.Hardswish(True), "operator", "epsilon"),
    ],
)
def test_relevance_is_conserved(act, how, rule, make_photos):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = Residual(act, how).double().eval()
        nn.init.uniform_(network.pointwise.weight, -0.2, 0.6)
        nn.init.uniform_(network.depthwise.weight, -0.2, 0.6)
        network.stem.weight.data.mul_(4)
    photos = make_photos(3, dtype=torch.float64)
    found = rx.LRP(network, rule=rule, epsilon=1e-10).explain(photos, 1).scores[0]
    with torch.no_grad():
        torch.testing.assert_close(found.sum((1, 2)), network(photos)[:, 1], rtol=1e-3, atol=1e-6)


class Excited(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.squeeze, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, images):
        x = self.body(images)
        return self.head((x * torch.relu(self.squeeze(x.mean((2, 3), keepdim=True)))).mean((2, 3)))


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.attention, self.head = nn.Conv2d(3, 4, 8, 8), nn.MultiheadAttention(4, 2), nn.Linear(4, 3)

    def forward(self, images):
        x = self.body(images).flatten(2).permute(2, 0, 1)
        return self.head(self.attention(x, x, x)[0].mean(0))


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)

    def forward(self, images):
        return self.body(images.mean((2, 3)) if images.sum() > 0 else images.amax((2, 3)))


class Shifted(nn.Module):
    """Adds what is not of the images: a parameter, what is computed of it, or another argument."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.shift = how, nn.Parameter(torch.ones(4, 1, 1))
        self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, images, other=None):
        if self.how == "layer":
            return self.head(self.body(images).mean((2, 3))) + self.head(self.shift.flatten())
        shift = {"parameter": self.shift, "step": self.shift.relu()}.get(self.how, other)
        return self.head((self.body(images) + shift).mean((2, 3)))


@pytest.mark.parametrize("rule", ["epsilon", "epsilon_plus"])
@pytest.mark.parametrize("how", ["parameter", "step", "argument"])
def test_a_sum_with_what_is_not_of_the_images(how, rule, make_photos):
    arguments = torch.ones(4, 1, 1) if how == "argument" else None
    with pytest.raises(ModelError, match="LRP has no rule for add in the forward method of Shifted"):
        rx.LRP(Shifted(how), rule=rule).explain(make_photos(1), additional_forward_args=arguments)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Shifted("layer"), "LRP has no rule for head of Shifted, whose input is not of the images"),
        (Excited(), "LRP has no rule for mul in the forward method of Excited"),
        (nn.Sequential(Excited()), "LRP has no rule for mul in 0 of Sequential"),
        (Attending(), "attention"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.LazyLinear(3)), r"1 \(GroupNorm\)"),
        (Branching(), "LRP cannot follow the layers of Branching"),
    ],
)
def test_networks_it_cannot_do(network, message, make_photos):
    photos = make_photos(1)
    network(photos)  # makes the lazy layer
    with pytest.raises(ModelError, match=message):
        rx.LRP(network).explain(photos)

"""Integrated Gradients, SmoothGrad and Guided Backprop against captum called directly, and closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.core.philox import photo_key
from rdexplain.errors import ModelError

captum_attr = pytest.importorskip("captum.attr")


@pytest.fixture
def references(monkeypatch):
    """The random images that Integrated Gradients starts from."""
    seen = []
    reference = rx.IntegratedGradients.reference

    def keep(self, rows, row, draw):
        seen.append(reference(self, rows, row, draw))
        return seen[-1]

    monkeypatch.setattr(rx.IntegratedGradients, "reference", keep)
    return seen


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_integrated_gradients_are_captum_s(score, network, make_photos, references):
    photos = make_photos(2)
    found = rx.IntegratedGradients(network, steps=7, references=3, score=score).explain(photos, [1, 2])
    direct = captum_attr.IntegratedGradients(
        (lambda images: network(images).softmax(1)) if score == "probability" else network
    )
    assert len({photo_key(one[0]) for one in references}) == 6
    for row in range(2):
        expected = sum(
            direct.attribute(photos[row : row + 1], baselines=reference, target=row + 1, n_steps=7).mean(1)
            for reference in references[3 * row : 3 * row + 3]
        )
        torch.testing.assert_close(found.scores[0][row], expected[0] / 3, rtol=1e-3, atol=1e-6)


def test_integrated_gradients_are_complete(network, make_photos, references):
    """Their sum is the difference between the photo's probability and the random images' mean one."""
    photos = make_photos(1)
    found = rx.IntegratedGradients(network, steps=60, references=2).attribute(photos, target=1)
    with torch.no_grad():
        random = network(torch.cat(references)).softmax(1)[:, 1].mean()
        difference = network(photos).softmax(1)[0, 1] - random
    assert float(found.sum()) == pytest.approx(float(difference), abs=2e-3)


def test_integrated_gradients_of_a_linear_model(linear, make_photos, references):
    photos = make_photos(1, 16)
    found = rx.IntegratedGradients(linear, steps=2, references=2, score="logit").attribute(photos, target=3)
    expected = linear.weight[3] * (photos - torch.cat(references).mean(0))
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-6)


def test_the_logit_of_probabilities(network, make_photos):
    """A network that gives probabilities has logits up to a number for each image, which softmax does not see."""
    photos = make_photos(2)
    model = rx.as_model(lambda images: network(images).softmax(1), activation="none")
    torch.testing.assert_close(model.logits(model(photos)).softmax(1), network(photos).softmax(1), rtol=1e-4, atol=1e-6)


def test_smooth_grad_is_captum_s(network, make_photos, monkeypatch):
    photos, noises = make_photos(2), []
    noisy = rx.SmoothGrad._noisy

    def keep(self, rows, row, draws):
        found = noisy(self, rows, row, draws)
        noises.append(found - rows.images[row])
        return found

    monkeypatch.setattr(rx.SmoothGrad, "_noisy", keep)
    found = rx.SmoothGrad(network, n_samples=6, internal_batch_size=20).explain(photos, [1, 2])
    monkeypatch.setattr(torch, "normal", lambda mean, spread: torch.cat(noises).view(spread.shape))
    tunnel = captum_attr.NoiseTunnel(captum_attr.Saliency(network))
    photos.requires_grad_()
    expected = tunnel.attribute(
        photos, nt_type="smoothgrad_sq", nt_samples=6, stdevs=1.0, target=torch.tensor([1, 2]), abs=False
    )
    torch.testing.assert_close(found.scores[0], expected.sum(1).detach(), rtol=1e-3, atol=1e-6)
    spread = torch.stack([noise.std() for noise in noises])
    torch.testing.assert_close(spread, 0.15 * torch.ones(len(noises)), rtol=0.05, atol=0)


def test_smooth_grad_of_a_linear_model(linear, make_photos):
    photos = make_photos(1, 16) * 0.5
    found = rx.SmoothGrad(linear, n_samples=3).attribute(photos, target=2)
    torch.testing.assert_close(found[0], linear.weight[2].detach() ** 2)
    with torch.no_grad():
        p = linear(photos).softmax(1)[0]
    still = rx.SmoothGrad(linear, n_samples=1, spread=0, score="probability").attribute(photos, target=2)
    slope = p[2] * (linear.weight[2] - torch.einsum("k,kchw->chw", p, linear.weight))
    torch.testing.assert_close(still[0], slope.detach() ** 2, rtol=1e-3, atol=1e-8)


class Guided(torch.autograd.Function):
    """A rectifier as the paper has it."""

    @staticmethod
    def forward(context, inputs, most):
        context.save_for_backward((inputs > 0) & (inputs < most))
        return inputs.clamp(0, most)

    @staticmethod
    def backward(context, gradient):
        return gradient.clamp_min(0) * context.saved_tensors[0], None


def guided_gradient(forward, photos, target):
    """The gradient of a network that is given its rectifier."""
    leaf = photos.clone().requires_grad_()
    forward(leaf)[:, target].sum().backward()
    return leaf.grad


def test_guided_backprop_is_captum_s(build, make_photos):
    photos = make_photos(2).requires_grad_()
    with pytest.warns(UserWarning, match="hooks"):
        expected = captum_attr.GuidedBackprop(build()).attribute(photos, target=1)
    for inplace in (False, True):
        found = rx.GuidedBackprop(build(inplace))
        torch.testing.assert_close(found.attribute(photos.detach(), target=1), expected)
        torch.testing.assert_close(found.explain(photos.detach(), 1).scores[0], expected.sum(1))
    plain = captum_attr.Saliency(build()).attribute(photos, target=1, abs=False)
    assert not torch.allclose(plain, expected)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("kind", [nn.ReLU, nn.ReLU6])
def test_guided_backprop_with_one_rectifier_used_twice(inplace, kind, make_photos):
    """In place, twice, once on a tensor that a branch around it reads as well: captum's own hooks get that wrong."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.rectifier, self.head = kind(inplace), nn.Linear(4, 3)

        def forward(self, images, rectifier=None):
            rectifier = rectifier or self.rectifier
            x = self.first(9 * images - 4)
            y = self.second(rectifier(x + 0)) + x
            return self.head(rectifier(y).mean((2, 3)))

    with torch.random.fork_rng():
        network = Twice()
    photos = make_photos(2)
    most = 6.0 if kind is nn.ReLU6 else torch.inf
    expected = guided_gradient(lambda x: network(x, lambda y: Guided.apply(y, most)), photos, 1)
    torch.testing.assert_close(rx.GuidedBackprop(network).attribute(photos, target=1), expected)
    assert network.rectifier.inplace == inplace


def test_guided_backprop_needs_rectifiers(smooth_network, make_photos):
    with pytest.raises(ModelError, match="has no ReLU modules"):
        rx.GuidedBackprop(smooth_network()).explain(make_photos(1))

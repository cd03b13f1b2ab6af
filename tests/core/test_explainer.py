"""The explainer's network, what it sees, and what it learns from."""

from __future__ import annotations

import pytest
import pywt
import torch
from torch import nn

from rdexplain.core.explainer.learning import LASTING, LOST, objective_loss
from rdexplain.core.explainer.look import CONDITIONS, look
from rdexplain.core.explainer.maps import STRIDES, Maps
from rdexplain.core.explainer.network import ExplainerNetwork, down, up
from rdexplain.core.noise import Noise
from rdexplain.core.representations import Wavelet


@pytest.mark.parametrize("wavelet", ["haar", "db3", "sym4"])
@pytest.mark.parametrize("padding", ["zero", "periodization"])
def test_planes_lie_where_the_coefficients_of_the_same_place_do(wavelet, padding):
    """The centre of the details that make a spot, by PyWavelets, is that of the plane with the spot."""
    image = torch.zeros(64, 64)
    image[28:36, 18:26] = torch.rand(8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    low, planes = image.double().numpy(), (image != 0)[None, None].double()
    for _ in range(3):
        low, (_, _, diagonal) = pywt.dwt2(low, wavelet, padding)
        planes = down(planes, low.shape)
        assert planes.shape[-2:] == low.shape
        for axis in (0, 1):
            places = torch.arange(low.shape[axis], dtype=torch.float64)
            energy = torch.from_numpy(diagonal).square().sum(dim=1 - axis)
            plane = planes[0, 0].sum(dim=1 - axis)
            centres = [(places * one).sum() / one.sum() for one in (energy, plane)]
            assert abs(centres[0] - centres[1]) < 1


@pytest.mark.parametrize(("large", "small"), [((66, 35), (35, 20)), ((8, 7), (4, 4)), ((12, 20), (8, 12))])
def test_up_is_the_transpose_of_down(large, small):
    # In double precision rounding stays far below the tolerance, whatever is drawn.
    fine, coarse = (torch.randn(1, 2, *size, dtype=torch.float64) for size in (large, small))
    torch.testing.assert_close(4 * (down(fine, small) * coarse).sum(), (fine * up(coarse, large)).sum())


def test_maps_are_the_last_ones_of_each_stride(smooth_network, make_photos):
    network, images = smooth_network(), make_photos(2, 32).requires_grad_()
    with Maps(images) as maps:
        network(images)
    first = network[:2](images)
    last = network[2:4](first)
    assert list(maps.found) == [1, 2, 4]  # 16, 7 and, pooled, 2 of 32 places
    torch.testing.assert_close(maps.found[1], first)
    torch.testing.assert_close(maps.found[2], last)


def test_a_network_without_maps_has_no_relevance(make_objective, make_photos):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 5))
    objective = make_objective(Wavelet("haar", 2), make_photos(2, 16), network)
    seen = look(objective, objective.decision)
    assert seen.planes.shape == (2, 3 + STRIDES, 16, 16)
    assert not bool(seen.planes[:, 3:].any())


def test_what_is_seen_is_the_formula(smooth_network, make_objective, make_photos):
    network, images = smooth_network(torch.float64), make_photos(2, 32, torch.float64)
    representation = Wavelet("db2", 2)
    objective = make_objective(representation, images, network)
    seen = look(objective, objective.decision)
    assert objective.evaluations == 2
    transform = objective.transform
    coefficients = transform.analysis(images).requires_grad_()
    probability = network(transform.synthesis(coefficients)).softmax(dim=1)[:, 1]
    (slope,) = torch.autograd.grad(probability.sum(), coefficients)
    mean, _ = Noise().statistics(coefficients.detach(), transform)
    effects = (coefficients.detach() - mean) * slope
    sensitivity = effects.abs().sum(dim=1)
    relative = sensitivity / sensitivity.mean(dim=1, keepdim=True)
    adds = effects.sum(dim=1)
    expected = (
        (coefficients.detach().abs().mean(dim=1) + 1e-3).log() / 3,
        relative.clamp(1e-4, 1e4).log() / 3,
        (adds / adds.square().mean(dim=1, keepdim=True).sqrt()).asinh(),
    )
    torch.testing.assert_close(seen.coefficients, torch.stack(expected, dim=1))
    torch.testing.assert_close(seen.planes[:, :3], images - 0.5)
    inner = network[:2](images).detach().requires_grad_()
    (back,) = torch.autograd.grad(network[2:](inner).softmax(dim=1)[:, 1].sum(), inner)
    plane = (inner.detach() * back).sum(dim=1)
    plane = plane / plane.square().mean(dim=(1, 2), keepdim=True).sqrt()
    wide = nn.functional.interpolate(plane[:, None], (32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(seen.planes[:, 3], wide.asinh())
    torch.testing.assert_close(seen.certainty, probability.detach().logit() / 4)
    conditions = seen.conditions(torch.tensor([20.0, 80.0], dtype=torch.float64))
    assert conditions.shape == (2, CONDITIONS)
    torch.testing.assert_close(conditions[:, 0], torch.tensor([0.0, 1.0], dtype=torch.float64))


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
@pytest.mark.parametrize("levels", [1, 3])
def test_the_network_gives_a_logit_for_each_coefficient(smooth_network, make_objective, make_photos, size, levels):
    objective = make_objective(Wavelet("db2", levels), make_photos(2, size), smooth_network())
    seen = look(objective, objective.decision)
    logits = ExplainerNetwork(levels)(seen, seen.conditions(torch.tensor([5.0, 20.0])), objective.transform)
    assert logits.shape == (2, objective.transform.count)


def test_the_objective_is_learnt_from_by_its_own_gradient(smooth_network, make_objective, make_photos):
    """Without noise, autograd through synthesis and network gives the same gradient."""
    network, images = smooth_network(torch.float64), make_photos(2, 16, torch.float64)
    objective = make_objective(Wavelet("haar", 2), images, network, noise=Noise("zero"), clamp=False)
    sparsity = torch.tensor([0.5, 2.0], dtype=torch.float64)
    logits = torch.randn(2, objective.transform.count, dtype=torch.float64, requires_grad=True)
    loss, value = objective_loss(logits, objective, sparsity, 0, 2)
    (found,) = torch.autograd.grad(loss, logits)
    mask = logits.sigmoid()
    transform = objective.transform
    output = network(transform.synthesis(transform.analysis(images) * mask[:, None])).softmax(dim=1)[:, 1]
    clean = network(images).softmax(dim=1)[:, 1].detach()
    wanted = (clean - output).square() + sparsity * mask.mean(dim=1)
    torch.testing.assert_close(value, wanted.detach())
    (expected,) = torch.autograd.grad((wanted / sparsity.sqrt()).mean(), logits)
    torch.testing.assert_close(found, expected)


def test_a_lost_decision_has_a_slope():
    clean = torch.full((5, 1), 0.8, dtype=torch.float64)
    shares = torch.tensor([1.0, 0.5, LOST + 1e-6, LOST - 1e-6, 1e-3], dtype=torch.float64)
    kept = (clean[:, 0] * shares)[:, None].requires_grad_()
    values = LASTING.compare(clean, kept)
    (slopes,) = torch.autograd.grad(values.sum(), kept)
    near = shares > LOST
    torch.testing.assert_close(values[near], (clean - kept).square()[near, 0])
    # From both sides of the edge there are the same value and the same slope.
    torch.testing.assert_close(values[2], values[3], rtol=0, atol=1e-5)
    torch.testing.assert_close(slopes[2], slopes[3], rtol=0, atol=1e-4)
    # Beyond it the slope by log q is constant.
    torch.testing.assert_close((slopes * kept)[3], (slopes * kept)[4])
    assert float((slopes * kept).detach()[4]) == pytest.approx(-2 * LOST * (1 - LOST) * 0.64)
    assert bool(LASTING.compare(clean, torch.zeros_like(clean)).isfinite().all())

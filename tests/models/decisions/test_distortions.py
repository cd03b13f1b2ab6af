"""The distortions against their formulas in NumPy, and their gradients where the formulas have corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rdexplain.errors import OptionError
from rdexplain.models.decisions.distortions import DISTORTIONS, EPSILON, find_distortion

P = np.array([[0.7, 0.2, 0.1], [0.05, 0.05, 0.9]])
Q = np.array([[0.1, 0.3, 0.6], [0.25, 0.5, 0.25]])

FORMULAS = {
    "label": lambda p, q: (p[:, 0] - q[:, 0]) ** 2,
    "maximise_label": lambda p, q: (1 - q[:, 0]) ** 2,
    "l2": lambda p, q: ((p - q) ** 2).sum(1),
    "l2_root": lambda p, q: np.sqrt(((p - q) ** 2).sum(1)),
    "weighted_l2": lambda p, q: 3 * ((p - q) ** 2).sum(1),
    "weighted_l2_root": lambda p, q: 3 * np.sqrt(((p - q) ** 2).sum(1)),
    "kl": lambda p, q: (q * np.log(q / p)).sum(1),
}


def readings(name: str, *probabilities: np.ndarray) -> list[torch.Tensor]:
    reads = find_distortion(name).reads
    return [torch.tensor(one[:, :1] if reads == "label" else one) for one in probabilities]


def test_there_are_these():
    assert set(DISTORTIONS) == set(FORMULAS)
    assert {name for name, distortion in DISTORTIONS.items() if distortion.reads == "label"} == {
        "label",
        "maximise_label",
    }
    assert all(find_distortion(name).name == name for name in FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name):
    found = find_distortion(name).compare(*readings(name, P, Q))
    np.testing.assert_allclose(found.numpy(), FORMULAS[name](P, Q), rtol=1e-10)
    assert found.shape == (2,)


def test_numbers_by_hand():
    expected = {
        "label": 0.36,
        "maximise_label": 0.81,
        "l2": 0.36 + 0.01 + 0.25,
        "l2_root": 0.62**0.5,
        "weighted_l2": 1.86,
        "weighted_l2_root": 3 * 0.62**0.5,
        "kl": 0.1 * math.log(1 / 7) + 0.3 * math.log(1.5) + 0.6 * math.log(6),
    }
    for name, value in expected.items():
        assert float(find_distortion(name).compare(*readings(name, P, Q))[0]) == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FORMULAS)
def test_value_and_gradient_are_finite_where_nothing_changed(name, dtype):
    p, q = (reading.to(dtype) for reading in readings(name, P, P))
    q.requires_grad_()
    value = find_distortion(name).compare(p, q)
    (gradient,) = torch.autograd.grad(value.sum(), q)
    assert gradient.isfinite().all()
    if name not in ("maximise_label",):
        assert float(value.detach().abs().max()) <= 3 * EPSILON**0.5 + 1e-6
    if name in ("label", "l2", "l2_root", "weighted_l2", "weighted_l2_root"):
        assert not gradient.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.2, 0.3, 0.5]])
@pytest.mark.parametrize("q", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0], [1e-38, 1.0, 1e-30]])
@pytest.mark.parametrize("name", FORMULAS)
def test_finite_with_probabilities_of_zero(name, p, q, dtype):
    p, q = (reading.to(dtype) for reading in readings(name, np.array([p]), np.array([q])))
    q.requires_grad_()
    value = find_distortion(name).compare(p, q)
    (gradient,) = torch.autograd.grad(value.sum(), q)
    assert value.isfinite().all()
    assert gradient.isfinite().all()
    assert float(value.detach()) > -1e-6


def test_kl_of_zeros_by_hand():
    """0 log 0 is 0; where p is 0 the least probability stands in."""
    p, q = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert float(find_distortion("kl").compare(p, q)) == pytest.approx(-math.log(EPSILON))
    assert float(find_distortion("kl").compare(p, p)) == 0


@pytest.mark.parametrize("name", FORMULAS)
def test_gradcheck(name):
    p, q = readings(name, P, Q)
    q.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: find_distortion(name).compare(p, x), (q,), atol=1e-7)


def test_kl_is_the_direction_of_the_published_script():
    p, q = readings("kl", P, Q)
    assert torch.allclose(
        find_distortion("kl").compare(p, q),
        torch.distributions.kl_divergence(torch.distributions.Categorical(q), torch.distributions.Categorical(p)),
    )


@pytest.mark.parametrize(("name", "near"), [("lable", "label"), ("l2root", "l2_root"), ("KL", "kl")])
def test_unknown(name, near):
    with pytest.raises(OptionError, match=f"unknown distortion '{name}'.*{near}"):
        find_distortion(name)

"""Where the mask starts."""

from __future__ import annotations

import pytest
import torch

from rdexplain.core import philox
from rdexplain.core.initial import FINEST, initial_mask, quantiles
from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.errors import OptionError
from rdexplain.models.decisions import Label

WAVELET = Wavelet("db2", levels=2)


@pytest.fixture
def start(make_objective, make_photos, smooth_network):
    def start(init, representation=WAVELET, count=2, seed=0):
        objective = make_objective(
            representation, make_photos(count, 32, torch.float64), smooth_network(torch.float64), seed=seed
        )
        decision = Label([1] * count, lambda output: output.softmax(1))
        return objective, initial_mask(objective, init, decision)

    return start


def test_ones(start):
    objective, mask = start("ones")
    assert mask.shape == (2, objective.transform.count)
    assert mask.dtype == torch.float64
    assert (mask == 1).all()


def test_coarse_leaves_out_the_finest_scale(start):
    objective, mask = start("coarse")
    low, coarse, fine = objective.transform.split(mask)
    assert (low == 1).all()
    assert (coarse == 1).all()
    assert (fine == FINEST).all()
    assert fine.numel() > coarse.numel()
    _, pixels = start("coarse", Pixel())
    assert (pixels == 1).all()


def test_sensitivity_is_its_formula(start, smooth_network):
    objective, mask = start("sensitivity")
    decision = Label([1, 1], lambda output: output.softmax(1))
    for row in range(2):
        values = (objective.sensitivity(decision) * objective.spread)[row]
        for place in (0, 20, mask.shape[1] - 1):
            odds = torch.exp(torch.tensor(0.8, dtype=torch.float64)) * (values[place] / values.mean()) ** (2 / 3)
            odds *= torch.e**-3 if place == mask.shape[1] - 1 else 1
            torch.testing.assert_close(mask[row, place], odds / (1 + odds))
    assert objective.evaluations > 0
    assert ((mask > 0) & (mask < 1)).all()


def test_sensitivity_without_any_is_even(make_objective, make_photos):
    objective = make_objective(WAVELET, make_photos(1, 32, torch.float64), lambda images: images.mean((2, 3)) * 0)
    mask = initial_mask(objective, "sensitivity", Label([1], lambda output: output.softmax(1)))
    low, coarse, fine = (band.unique() for band in objective.transform.split(mask))
    assert len(low) == len(coarse) == len(fine) == 1
    assert low == coarse > fine


def test_random_is_philox_and_differs_between_photos_and_seeds(start):
    objective, mask = start("random", seed=3)
    for row, key in zip(mask, objective.keys, strict=True):
        stream = philox.Stream(3, key, 0, 0, philox.START)
        assert torch.equal(row, philox.uniform([stream], mask.shape[1], torch.float64)[0])
    assert not torch.equal(mask[0], mask[1])
    assert not torch.equal(start("random", seed=4)[1], mask)
    assert torch.equal(start("random", seed=3, count=1)[1][0], mask[0])


@pytest.mark.parametrize("representation", [WAVELET, Pixel()])
def test_gradient_is_the_quantile_of_the_probability_s_gradient(start, representation, smooth_network):
    objective, mask = start("gradient", representation)
    network = smooth_network(torch.float64)
    bands = [band.requires_grad_() for band in representation.analysis(objective.images)]
    probability = network(representation.synthesis(bands)).softmax(1)[:, 1]
    slopes = torch.autograd.grad(probability.sum(), bands)
    if isinstance(representation, Pixel):
        sizes = slopes[0].abs().mean(1).flatten(1)
    else:
        sizes = torch.cat([slope.abs().mean(1).flatten(1) for slope in slopes], dim=1)
    ranks = sizes.argsort(1).argsort(1)
    found = (mask * (mask.shape[1] - 1)).round().long()
    # Rounding may swap neighbours; it does not move anything far.
    assert (found - ranks).abs().double().mean() < 0.01 * mask.shape[1]
    assert torch.equal(found.sort(1).values, torch.arange(mask.shape[1]).expand_as(mask))
    assert mask.min() == 0
    assert mask.max() == 1
    assert torch.equal(found.argmax(1), sizes.argmax(1))


def test_quantiles_by_hand():
    values = torch.tensor([[3.0, 1.0, 2.0, 10.0, -1.0], [0.0, 0.0, 0.0, 0.0, 1.0]])
    assert quantiles(values)[0].tolist() == [0.75, 0.25, 0.5, 1.0, 0.0]
    assert quantiles(values)[1].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert quantiles(torch.ones(1, 1)).tolist() == [[0.0]]


def test_given_bands_with_and_without_rows(start, make_photos):
    objective, _ = start("ones")
    flat = torch.rand(2, objective.transform.count, generator=torch.Generator().manual_seed(0))
    bands = objective.transform.split(flat)
    assert torch.equal(start(bands)[1], flat.double())
    one = start([band[0] for band in bands])[1]
    assert torch.equal(one, flat[:1].double().expand(2, -1))
    assert torch.equal(start([band[:1] for band in bands])[1], one)


def test_given_pixels(start):
    mask = torch.rand(32, 32, generator=torch.Generator().manual_seed(0))
    for given in (mask, mask[None], [mask], mask.expand(2, -1, -1)):
        assert torch.equal(start(given, Pixel())[1], mask.flatten().double().expand(2, -1))


def test_a_given_mask_is_not_changed(start):
    mask = torch.rand(2, 32, 32, dtype=torch.float64)
    _, flat = start(mask, Pixel())
    flat.zero_()
    assert mask.all()


def test_errors(start):
    with pytest.raises(OptionError, match="unknown init 'one': did you mean ones"):
        start("one")
    with pytest.raises(OptionError, match="bands of shapes"):
        start(torch.ones(32, 32))
    with pytest.raises(OptionError, match=r"got \[\(31, 32\)\]"):
        start(torch.ones(31, 32), Pixel())
    with pytest.raises(OptionError, match=r"\[0, 1\]"):
        start(torch.full((32, 32), 1.1), Pixel())
    with pytest.raises(OptionError, match=r"\[0, 1\]"):
        start(torch.full((32, 32), float("nan")), Pixel())
    with pytest.raises(OptionError, match="3 rows does not fit 2"):
        start(torch.ones(3, 32, 32), Pixel())
    with pytest.raises(OptionError, match="initial mask"):
        start(torch.ones(1, 2, 32, 32), Pixel())

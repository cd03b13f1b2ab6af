"""A path of λ: warm starts, and masks within a bound."""

from __future__ import annotations

import math

import pytest
import torch

from rdexplain import CartoonX, PixelRDE
from rdexplain.errors import OptionError
from rdexplain.path import DRAWS, STAGES, Bound, follow_up, steps_of, trace, within
from rdexplain.representations import Wavelet
from rdexplain.solver import Settings, solve

SETTINGS = Settings(40, 4, 0.1, 0.05, "cosine", (0.7, 0.999), warmup=0.25, power=2)


@pytest.fixture
def objective(make_photos, smooth_network, make_objective):
    photos, network = make_photos(3, 32, torch.float64), smooth_network(torch.float64)
    return make_objective(Wavelet("db3", levels=3), photos, network)


def ones(objective) -> torch.Tensor:
    return torch.ones(objective.rows, objective.transform.count, dtype=torch.float64)


def test_a_trace_goes_on_from_mask_to_mask(objective):
    first, second = trace(objective, ones(objective), SETTINGS, [0.05, 0.4])
    assert torch.equal(first.mask, solve(objective, ones(objective), SETTINGS).mask)
    weights = torch.full((3,), 0.4, dtype=torch.float64)
    assert torch.equal(second.mask, solve(objective, first.mask, follow_up(SETTINGS), sparsity=weights).mask)
    assert (second.mask.mean(dim=1) < first.mask.mean(dim=1)).all()


def test_a_mask_within_a_distortion(objective):
    """The sparsest found fits, and more room makes a sparser mask."""
    rates = []
    for most in (0.002, 0.02):
        solution = within(objective, ones(objective), SETTINGS, Bound("distortion", most))
        assert (objective.measure(solution.mask, DRAWS)[0] <= most).all()
        rates.append(solution.mask.mean(dim=1))
        assert (rates[-1] < 0.9).all()
        assert solution.distortion.shape == (steps_of(SETTINGS, True), 3)
    assert (rates[1] < rates[0]).all()


def test_a_mask_within_a_rate(objective):
    found = []
    for most in (0.01, 0.5):
        solution = within(objective, ones(objective), SETTINGS, Bound("rate", most))
        assert (solution.mask.mean(dim=1) <= most).all()
        found.append(objective.measure(solution.mask, 64)[0])
    assert (found[1] < found[0]).all()


def test_rows_of_a_search_do_not_influence_each_other(make_photos, smooth_network, make_objective):
    photos, network = make_photos(2, 32, torch.float64), smooth_network(torch.float64)
    wavelet = Wavelet("db3", levels=3)
    both = make_objective(wavelet, photos, network)
    together = within(both, ones(both), SETTINGS, Bound("distortion", 0.01))
    for row in range(2):
        one = make_objective(wavelet, photos[row : row + 1], network)
        alone = within(one, ones(one), SETTINGS, Bound("distortion", 0.01))
        assert (alone.mask[0] - together.mask[row]).abs().max() < 1e-6
        assert alone.sparsity[0] == pytest.approx(together.sparsity[row])


def test_a_bound_that_nothing_meets_gives_what_is_nearest(objective):
    solution = within(objective, ones(objective), SETTINGS, Bound("distortion", 1e-12))
    tried = [0.05 / 4.0**stage for stage in range(STAGES + 1)]
    assert all(min(abs(value - one) for one in tried) < 1e-12 for value in solution.sparsity.tolist())
    assert (objective.measure(solution.mask, 64)[0] < 0.01).all()


def test_progress_counts_on(objective):
    seen = []
    within(objective, ones(objective), SETTINGS, Bound("rate", 0.1), lambda step, loss: seen.append(step))
    assert seen == list(range(1, steps_of(SETTINGS, True) + 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_distortion": 0}, "max_distortion must be a number above 0, got 0"),
        ({"max_distortion": math.nan}, "max_distortion must be a number above 0"),
        ({"rate": -1}, "rate must be a number above 0"),
        ({"rate": 1.5}, "rate is a share of the coefficients, at most 1, got 1.5"),
        ({"rate": "few"}, "rate must be a number, got 'few'"),
        ({"rate": 0.1, "max_distortion": 0.1}, "give one of max_distortion and rate"),
        ({"rate": 0.1, "sparsity": 20}, "give one of sparsity and rate"),
    ],
)
def test_bounds_that_cannot_be(options, message):
    with pytest.raises(OptionError, match=message):
        CartoonX(lambda images: images.mean((2, 3)), **options)


def test_an_explanation_says_what_it_was_held_to(make_photos, smooth_network, tmp_path):
    from rdexplain import load_explanation

    method = PixelRDE(smooth_network(), rate=0.2, steps=12, draws=2)
    found = method.explain(make_photos(2, 32))
    assert (found.non_sparsity <= 0.2).all()
    torch.testing.assert_close(found.objective, found.distortion + found.sparsity * found.non_sparsity)
    record = found.record(0)
    assert record["options"]["rate"] == 0.2
    assert record["options"]["max_distortion"] is None
    assert record["sparsity"] == float(found.sparsity[0])
    found.save(tmp_path / "one")
    assert torch.equal(load_explanation(tmp_path / "one").sparsity, found.sparsity)

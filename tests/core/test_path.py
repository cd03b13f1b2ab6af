"""Masks within a bound."""

from __future__ import annotations

import math

import pytest
import torch

from rdexplain import CartoonX, PixelRDE
from rdexplain.core import path
from rdexplain.core.noise import Noise
from rdexplain.core.path import DRAWS, STAGES, Bound, steps_of, within
from rdexplain.core.representations import Wavelet
from rdexplain.core.solver import Settings, Solution
from rdexplain.errors import OptionError

SETTINGS = Settings(40, 4, 0.1, 0.05, "cosine", (0.7, 0.999), warmup=0.25, power=2)


@pytest.fixture
def objective(make_photos, smooth_network, make_objective):
    photos, network = make_photos(3, 32, torch.float64), smooth_network(torch.float64)
    return make_objective(Wavelet("db3", levels=3), photos, network)


def ones(objective) -> torch.Tensor:
    return torch.ones(objective.rows, objective.transform.count, dtype=torch.float64)


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


class Known:
    """In place of the solver and of an objective: λ leaves a mask of 1 / (1 + λ), whose distortion is λ / (1 + λ)."""

    rows, evaluations, noise = 2, 0, Noise()

    def __init__(self) -> None:
        self.tried: list[list[float]] = []
        self.starts: list[torch.Tensor] = []
        self.steps: list[tuple[int, float]] = []

    def solve(self, objective, start, settings, progress, sparsity, weights=None, watch=None):
        self.tried.append(sparsity.tolist())
        self.starts.append(start[:, 0])
        self.steps.append((settings.steps, settings.step_size))
        mask = (1 / (1 + sparsity)).unsqueeze(1).expand(-1, 3)
        history = torch.zeros(settings.steps, 2, dtype=torch.float64)
        return Solution(mask, sparsity, history, history)

    def measure(self, mask, draws):
        assert draws == DRAWS
        return 1 - mask.mean(dim=1), mask


@pytest.mark.parametrize("quantity", ["distortion", "rate"])
@pytest.mark.parametrize(
    ("best", "sequence", "warm"),
    [
        # The best λ lies between two that are four times apart; then the means of their logarithms.
        (10.0, [1, 4, 16, 8, 2**3.5, 2**3.25, 2**3.375], [0, 1, 4, 4, 8, 8, 2**3.25]),
        (0.1, [1, 1 / 4, 1 / 16, 1 / 8, 2**-3.5, 2**-3.25, 2**-3.375], [0, 0, 0, 1 / 16, 1 / 16, 2**-3.5, 2**-3.5]),
    ],
)
def test_the_search_by_hand(quantity, best, sequence, warm, monkeypatch):
    """A known curve: the weights that are tried, the masks that they start from, and the mask that is chosen."""
    known, settings = Known(), Settings(41, 4, 0.1, 1.0)
    monkeypatch.setattr(path, "solve", known.solve)
    bound = best / (1 + best) if quantity == "distortion" else 1 / (1 + best)
    start = torch.ones(2, 3, dtype=torch.float64)
    found = within(known, start, settings, Bound(quantity, bound))
    for row in range(2):
        assert [weights[row] for weights in known.tried] == pytest.approx(sequence)
        # λ = 0 stands for the start: a mask of ones.
        assert [float(one[row]) for one in known.starts] == pytest.approx([1 / (1 + one) for one in warm])
    assert known.steps == [(41, 0.1)] + [(21, 0.05)] * STAGES
    assert known.evaluations == 2 * DRAWS * (STAGES + 1)
    # A greater λ is sparser and more distorted: the nearest to the bound on its side of it.
    within_it = max(one for one in sequence if one <= best) if quantity == "distortion" else None
    expected = within_it or min(one for one in sequence if one >= best)
    assert found.sparsity.tolist() == pytest.approx([expected] * 2)
    torch.testing.assert_close(found.mask, torch.full((2, 3), 1 / (1 + expected), dtype=torch.float64))


def test_of_masks_that_are_all_beyond_the_bound_the_nearest_is_taken(monkeypatch):
    known = Known()
    monkeypatch.setattr(path, "solve", known.solve)
    for bound, chosen in ((Bound("distortion", 1e-9), 4.0**-STAGES), (Bound("rate", 1e-9), 4.0**STAGES)):
        found = within(known, torch.ones(2, 3, dtype=torch.float64), Settings(4, 4, 0.1, 1.0), bound)
        assert found.sparsity.tolist() == pytest.approx([chosen] * 2)


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
        ({"rate": 0.1, "max_distortion": 0.1}, "give one of `max_distortion` and `rate`"),
        ({"rate": 0.1, "sparsity": 20}, "give one of `sparsity` and `rate`"),
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

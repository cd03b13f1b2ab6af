"""The figures of a finished mask, where they are known by hand."""

from __future__ import annotations

import pytest
import torch

from rdexplain import PixelRDE, as_model
from rdexplain.core.representations import Pixel
from rdexplain.core.solver import Solution
from rdexplain.errors import SolverError
from rdexplain.methods import base, outcome

SIZE = (8, 8)


def brightness(slope: float = 1.0):
    """The probability of class 0 is linear in the mean of the image."""

    def probabilities(images):
        p = 0.5 + slope * (images.mean((1, 2, 3)) - 0.5)
        return torch.stack((p, 1 - p), dim=1)

    return as_model(probabilities, activation="none")


def explained(model, photos, mask, **options):
    """A mask that is given, as it is."""
    method = PixelRDE(model, preset="paper", steps=0, init=mask, sparsity=2, **options)
    return method.explain(photos, 0, ids=list(range(len(photos))))


def test_figures_without_noise_by_hand(make_photos):
    """Of the mask s = c everywhere y is c x, so D is ((1 - c) mean(x))²."""
    photos = make_photos(3, SIZE)
    found = explained(brightness(), photos, torch.full(SIZE, 0.4), noise="zero")
    mean = photos.mean((1, 2, 3))
    torch.testing.assert_close(found.distortion, (0.6 * mean).square())
    torch.testing.assert_close(found.empty_distortion, mean.square())
    torch.testing.assert_close(found.kept_probability, 0.4 * mean)
    torch.testing.assert_close(found.objective, (0.6 * mean).square() + 2 * 0.4)


@pytest.mark.parametrize(("value", "collapsed"), [(0.0, True), (0.1, True), (0.11, False), (1.0, False)])
def test_a_mask_has_collapsed_from_four_fifths_of_the_empty_one_s_distortion_on(value, collapsed, make_photos):
    """(1 - c)² is 0.81 of it at c = 0.1, and 0.79 at 0.11."""
    found = explained(brightness(), make_photos(2, SIZE), torch.full(SIZE, value), noise="zero")
    assert found.collapsed.tolist() == [collapsed] * 2


def test_where_the_empty_mask_distorts_nothing_nothing_has_collapsed(make_photos):
    found = explained(brightness(1e-6), make_photos(2, SIZE), torch.zeros(SIZE))
    assert found.empty_distortion.max() < 1e-10
    assert not found.collapsed.any()


def test_the_empty_mask_has_always_collapsed(make_photos):
    """Both are measured on the same draws. On others a distortion that only few draws have would often be smaller."""

    def rarely(images):
        return torch.stack((images.amax((1, 2, 3)) * 20 - 40, torch.zeros(len(images))), dim=1)

    photos = make_photos(1, SIZE).expand(12, -1, -1, -1)
    found = explained(rarely, photos, torch.zeros(SIZE))
    few, many = found.empty_distortion, found.distortion
    assert (few / many).max() > 1.3  # they differ by what is drawn
    assert (few / many).min() < 0.75
    assert found.collapsed.all()


def test_samples_are_draws_of_their_own(make_photos, recorder):
    """What is shown is not what was measured."""
    eyes = recorder(brightness().network)
    method = PixelRDE(as_model(eyes, activation="none"), preset="paper", steps=0, init=torch.zeros(SIZE))
    samples = method.explain(make_photos(1, SIZE), 0, samples=4).samples[0]
    measured = torch.cat(eyes.seen)[: 1 + outcome.FRESH_DRAWS + outcome.EMPTY_DRAWS]
    assert (measured.unsqueeze(1) - samples).abs().amax(dim=(2, 3, 4)).min() > 0.01


def test_the_kept_probability_is_that_of_each_row_s_own_target(make_photos):
    """Read from all probabilities, (p, 1 - p)."""
    photos = make_photos(3, SIZE)
    method = PixelRDE(brightness(), preset="paper", steps=0, init=torch.full(SIZE, 0.4), noise="zero", distortion="l2")
    p = 0.4 * photos.mean((1, 2, 3))
    expected = torch.stack((p[0], 1 - p[1], p[2]))
    torch.testing.assert_close(method.explain(photos, [0, 1, 0]).kept_probability, expected)


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("repeats", [1, 3])
def test_a_row_s_evaluations_are_its_own(apart, repeats, make_photos):
    """5 steps of 4 draws for each solution, however many rows are solved at once."""
    method = PixelRDE(brightness(), preset="paper", steps=5, draws=4, batch_invariant=apart)
    found = method.explain(make_photos(3, SIZE), 0, repeats=repeats)
    assert found.network_evaluations.tolist() == [repeats * 5 * 4] * 3


@pytest.mark.parametrize("repeats", [2, 3])
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_solutions_that_are_the_same_agree(value, repeats, make_photos):
    """Also where the others are at the very value above which a coefficient is kept."""
    init = torch.full(SIZE, value)
    init[0] = 1
    method = PixelRDE(brightness(), preset="paper", steps=0, init=init)
    assert method.explain(make_photos(2, SIZE), 0, repeats=repeats).agreement.tolist() == [1, 1]


@pytest.mark.parametrize(("second", "taken"), [(0.1, 0.1), (0.9, 0.5)])
def test_the_better_of_two_tries_is_taken(second, taken, make_photos, monkeypatch):
    """A mask of c everywhere costs 50 c, beside which a distortion of 1 at most is little."""
    tries = iter((0.5, second))

    def solve(objective, start, settings, progress=None, weights=None, watch=None):
        curve = start.new_zeros((0, len(start)))
        return Solution(torch.full_like(start, next(tries)), start.new_full((len(start),), 50.0), curve, curve)

    monkeypatch.setattr(base, "solve", solve)
    found = PixelRDE(brightness(), sparsity=50).explain(make_photos(1, SIZE), 0)
    assert torch.equal(found.mask[0], torch.full((1, *SIZE), taken))
    assert found.measurements.tolist() == [2 * (outcome.FRESH_DRAWS + outcome.EMPTY_DRAWS)]


def test_a_mask_as_good_as_the_empty_one_is_not_tried_again(make_photos):
    """Without noise, two measurements a try: of the mask, which is empty, and of the empty mask."""
    method = PixelRDE(brightness(), steps=0, init=torch.zeros(SIZE), noise="zero")
    assert method.options.retry
    found = method.explain(make_photos(2, SIZE), 0)
    assert torch.equal(found.objective, found.empty_distortion)
    assert found.measurements.tolist() == [2, 2]


def test_an_error_that_is_no_row_s_ends_it_at_once(make_photos, smooth_network, make_objective):
    tries = []

    def solve(objective):
        tries.append(objective.first)
        raise SolverError("out of memory")

    parts = outcome.parts_of(make_objective(Pixel(), make_photos(3), smooth_network()), apart=True)
    with pytest.raises(SolverError, match="out of memory") as caught:
        outcome.solve_rows(parts, solve)
    assert caught.value.photos == ()
    assert tries == [0]

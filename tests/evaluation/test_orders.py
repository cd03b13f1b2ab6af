"""Orders of what an explanation does not tell apart: by hand on linear networks, and stored and read again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rdexplain import CartoonX, PixelRDE, load_explanation
from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.errors import ModelError, OptionError
from rdexplain.evaluation import (
    ORDERS,
    Candidate,
    Settings,
    evaluate,
    in_own,
    in_pixels,
    ordered,
    ranks,
    rate_distortion,
    subject,
)
from rdexplain.evaluation.ordering import counts
from rdexplain.models import as_model
from rdexplain.results.explanation import mask_picture
from rdexplain.work.requests import TIES

SIZE = (8, 10)
DOMAINS = {"pixel": Pixel(), "wavelet": Wavelet("haar", levels=2)}


def faint(count: int) -> torch.Tensor:
    return 0.5 + 0.01 * torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(5))


def nothing(images: torch.Tensor, representation, make_result):
    """An explanation that says nothing: all of its scores are zero."""
    count = representation.transform(SIZE, torch.float32).count
    return make_result(images, torch.zeros(len(images), count), representation, target=[1] * len(images))


def test_the_options_offer_what_there_is():
    assert set(TIES) == set(ORDERS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30), st.integers(0, 5))
def test_ranks_are_a_permutation_by_the_scores_and_then_by_the_order(pairs, seed):
    scores, second = (torch.tensor([column], dtype=torch.float32) for column in zip(*pairs, strict=True))
    found = ranks(scores, [7], seed=seed, second=second)[0]
    assert sorted(found.tolist()) == list(range(len(pairs)))
    in_order = [pairs[place] for place in found.argsort().tolist()]
    assert in_order == sorted(pairs, reverse=True)
    # What is equal in both comes as it does without an order.
    alone = ranks(torch.zeros_like(scores), [7], seed=seed)[0]
    for one, other in zip(found.argsort().tolist(), found.argsort().tolist()[1:], strict=False):
        assert pairs[one] != pairs[other] or alone[one] < alone[other]


def test_an_order_that_does_not_fit():
    with pytest.raises(OptionError, match=r"an order of \(1, 3\) for scores of shape \(1, 2\)"):
        ranks(torch.zeros(1, 2), [0], second=torch.zeros(1, 3))
    with pytest.raises(OptionError, match="NaN"):
        ranks(torch.zeros(1, 2), [0], second=torch.tensor([[0, torch.nan]]))
    with pytest.raises(OptionError, match=r"unknown order 'sensitiv'.*sensitivity"):
        Settings(order="sensitiv")


@pytest.mark.parametrize("domain", DOMAINS)
def test_sensitivity_is_the_distortion_of_one_component_alone(domain, linear, make_result):
    """Of a linear network it is exact: E[(Σ_c u_c (h_c − v_c))²], for each component k, measured draw by draw."""
    images, representation = faint(2), DOMAINS[domain]
    weights = 0.01 * torch.randn(4, images[0].numel(), generator=torch.Generator().manual_seed(7))
    transform = representation.transform(SIZE, torch.float64)
    h = transform.analysis(images.double())
    unit = torch.eye(3 * transform.count, dtype=torch.float64).view(-1, 3, transform.count)
    u = (transform.synthesis(unit).flatten(1) @ weights[1].double()).view(3, transform.count)
    generator = torch.Generator().manual_seed(8)
    with subject(linear(weights), images, [1, 1]) as rows:
        result = nothing(images, representation, make_result)
        found = ordered(rows, result, in_own, "sensitivity").second
    assert found is not None
    for row in range(2):
        start = 0
        for band in transform.bands:
            part = h[row, :, start : start + band.count]
            noise = torch.randn(4000, 3, band.count, generator=generator, dtype=torch.float64)
            v = part.mean() + part.std() * noise
            measured = (u[:, start : start + band.count] * (part - v)).sum(dim=1).square().mean(dim=0)
            # A mean of 4000 squares of normal numbers is known to some 2 to 3 %.
            np.testing.assert_allclose(found[row, start : start + band.count], measured, rtol=0.15)
            start += band.count


def test_the_right_order_of_a_linear_network_is_found(make_result):
    """Φ = 1/2 + Σ w x with weights 0.001, 0.002, ... and one spread for all: the largest weights come first."""
    count = SIZE[0] * SIZE[1]
    weights = 0.0001 * torch.randperm(count, generator=torch.Generator().manual_seed(1)).add(1)
    checkers = 0.5 + 0.1 * (torch.arange(count).view(SIZE) % 2 * 2 - 1.0)  # every pixel as far from the mean as another
    images = checkers.expand(1, 3, *SIZE)

    def network(photos):
        value = 0.5 + photos.mean(dim=1).flatten(1).sub(0.5) @ weights
        return torch.stack((value, 1 - value), dim=1)

    with subject(as_model(network, activation="none"), images, [0]) as rows:
        result = nothing(images, Pixel(), make_result)
        order = ordered(rows, result, in_own, "sensitivity")
        found = ranks(order.scores, rows.keys, second=order.second)[0]
        curves = {}
        for name in ("sensitivity", "random"):
            one = ordered(rows, result, in_own, name)
            curves[name] = rate_distortion(rows, one, "keep", percentages=range(0, 101, 10), draws=40)
    assert found.tolist() == weights.argsort(descending=True).argsort().tolist()
    assert curves["sensitivity"].measures["l2"][0, 5] < 0.6 * curves["random"].measures["l2"][0, 5]


def test_magnitude_by_pywavelets(linear, make_result):
    """|h − mean| of each scale's coefficients, mean over the channels."""
    images = faint(1)
    with subject(linear(torch.zeros(2, images[0].numel())), images, [1]) as rows:
        found = ordered(rows, nothing(images, DOMAINS["wavelet"], make_result), in_own, "magnitude").second
    expected = []
    coefficients = pywt.wavedec2(images[0].double().numpy(), "haar", mode="zero", level=2, axes=(1, 2))
    for scale in coefficients:
        band = np.stack(scale, axis=1) if isinstance(scale, tuple) else scale
        expected.append(np.abs(band - band.mean()).mean(axis=0).ravel())
    np.testing.assert_allclose(found[0], np.concatenate(expected), atol=1e-6)


def test_a_network_without_a_gradient_has_no_sensitivity(make_photos, make_result):
    images = make_photos(1, SIZE)
    model = as_model(lambda photos: photos.detach().mean((2, 3)), activation="softmax")
    with subject(model, images, [1]) as rows:
        result = nothing(images, Pixel(), make_result)
        assert ordered(rows, result, in_own, "magnitude").second is not None
        with pytest.raises(ModelError, match="not differentiable"):
            ordered(rows, result, in_own, "sensitivity")


@pytest.fixture
def explanation(smooth_network, make_photos):
    """Of two photos, with a mask that has only zeros and ones."""
    photos = make_photos(2, 32)
    found = CartoonX(as_model(smooth_network()), wavelet="haar", levels=2, steps=12, draws=2).explain(photos, [1, 0])
    return replace(found, mask=[(band > 0.6).float() for band in found.mask])


def test_what_is_kept_orders_zeros_and_ones(explanation, smooth_network):
    order = torch.cat([band.flatten(1) for band in explanation.order], dim=1).int()
    mask = torch.cat([band.flatten(1) for band in explanation.mask], dim=1)
    with subject(as_model(smooth_network()), explanation.images, [1, 0]) as rows:
        one = ordered(rows, explanation, in_own, "kept")
        found = ranks(one.scores, rows.keys, second=one.second)
    for row in range(2):
        in_order = found[row].argsort()
        expected = sorted(zip((-mask[row]).tolist(), order[row].tolist(), strict=True))
        assert list(zip((-mask[row][in_order]).tolist(), order[row][in_order].tolist(), strict=True)) == expected
        assert len(set(order[row].tolist())) > 20


def test_what_is_kept_is_brought_to_pixels_as_a_mask_is(explanation, smooth_network):
    scores = [1 - band.float() / 255 for band in explanation.order]
    picture = mask_picture(explanation.representation, explanation.images, scores).flatten(1)
    with subject(as_model(smooth_network()), explanation.images, [1, 0]) as rows:
        assert torch.allclose(ordered(rows, explanation, in_pixels, "kept").second, picture)


def test_what_is_stored_evaluates_to_the_same(explanation, smooth_network, tmp_path):
    explanation.save(tmp_path / "one")
    again = load_explanation(tmp_path / "one")
    assert all(torch.equal(a, b) for a, b in zip(again.order, explanation.order, strict=True))
    plan = Settings(percentages=(0, 20, 60, 100), draws=2, scores=("insertion",))
    with subject(as_model(smooth_network()), explanation.images, [1, 0]) as rows:
        found = {
            name: evaluate(rows, Candidate(one), plan)
            for name, one in {"made": explanation, "read": again, "none": replace(explanation, order=None)}.items()
        }
        random = evaluate(rows, Candidate(explanation), replace(plan, order="random"))
    assert found["read"] == found["made"]
    assert found["none"] == random
    assert found["made"].curves != random.curves


def test_the_published_protocol_has_its_own_order(explanation, smooth_network):
    plan = Settings(percentages=(0, 20, 60, 100), draws=1, protocol="published")
    with subject(as_model(smooth_network()), explanation.images, [1, 0]) as rows:
        found = [evaluate(rows, Candidate(explanation), replace(plan, order=order)) for order in ORDERS]
    assert all(one == found[0] for one in found)


def test_photos_in_two_batches_have_the_order_of_one(smooth_network, make_photos):
    photos = make_photos(3, 16)
    method = PixelRDE(as_model(smooth_network()), steps=6, draws=2)
    for order in ORDERS:
        plan = Settings(percentages=(0, 20, 60, 100), draws=1, scores=(), domains=("own",), order=order)
        parts = []
        for some in ([0, 1, 2], [2]):
            with subject(as_model(smooth_network()), photos[some], [1] * len(some)) as rows:
                result = method.explain(photos[some], 1)
                importance = ordered(rows, result, in_own, plan.order)
                parts.append(ranks(importance.scores, rows.keys, second=importance.second)[-1])
        assert torch.equal(*parts), order


def test_an_order_stands_for_nested_sets():
    found = ranks(torch.zeros(1, 40), [3], second=torch.arange(40.0)[None])
    sizes = [int((found < limit).sum()) for limit in counts((0, 10, 55, 100), 40)]
    assert sizes == [0, 4, 22, 40]

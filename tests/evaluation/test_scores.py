"""Each score against a sum by hand, a loop, or the package that has it."""

from __future__ import annotations

import math

import captum.metrics
import numpy as np
import pytest
import torch
from torch import nn

from rdexplain import CartoonX, PixelRDE
from rdexplain.errors import OptionError
from rdexplain.evaluation import Candidate, Cascade, evaluate, in_own, scores, subject
from rdexplain.evaluation import Settings as EvaluationSettings
from rdexplain.evaluation.concentration import complexity, sparseness
from rdexplain.evaluation.insertion import deletion, emptied, insertion
from rdexplain.evaluation.localisation import energy_in_box, inside, pointing_game
from rdexplain.evaluation.perturbation import infidelity, max_sensitivity
from rdexplain.models import as_model
from rdexplain.work.requests import DEFAULT_SCORES, DOMAINS, PROTOCOLS, SCORES


def test_sparseness_by_hand():
    # (−3·0 − 1·1 + 1·2 + 3·5) / (4·8) = 16 / 32
    found = sparseness(torch.tensor([[-5.0, 0, 2, 1], [1, 1, 1, 1], [0, 0, 0, 9]]))
    assert found.tolist() == pytest.approx([0.5, 0, 0.75])
    values = torch.rand(1, 50).double()
    pairs = (values.mT - values).abs().sum() / (2 * 50 * values.sum())  # the mean difference of all pairs
    assert sparseness(values)[0] == pytest.approx(float(pairs))
    assert sparseness(torch.zeros(1, 3)).isnan().all()


def test_complexity_by_hand():
    found = complexity(torch.tensor([[1.0, 1, 1, 1], [0, -7, 0, 0], [1, -3, 0, 0]]))
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert found.tolist() == pytest.approx([math.log(4), 0, quarter])


def test_localisation_by_hand():
    boxes = inside([[(1, 0, 3, 2)], [(0, 0, 1, 1), (2, 2, 3, 3)]], 3, 3)
    assert boxes.int().tolist() == [[[0, 1, 1], [0, 1, 1], [0, 0, 0]], [[1, 0, 0], [0, 0, 0], [0, 0, 1]]]
    maps = torch.tensor([[[0, 4.0, 1], [0, 0, -5], [0, 3, 0]], [[2, 0, 0], [2, 0, 0], [0, 0, 2]]])
    assert pointing_game(maps, boxes).tolist() == pytest.approx([1, 2 / 3])
    assert energy_in_box(maps, boxes).tolist() == pytest.approx([5 / 8, 4 / 6])
    assert inside([[]], 2, 2).sum() == 0
    # Without the centre of a pixel: the one that it lies in.
    assert inside([[(1.6, 0, 1.9, 3)], [(2.9, 2.9, 3.04, 3)]], 3, 3).int().tolist() == [
        [[0, 1, 0], [0, 1, 0], [0, 1, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
    ]
    # A centre on the left or upper edge is inside, on the right or lower one outside.
    assert inside([[(0.5, 1.5, 2.5, 2.5)]], 3, 3).int().tolist() == [[[0, 0, 0], [1, 1, 0], [0, 0, 0]]]


@pytest.mark.parametrize("box", [(9, 9, 12, 12), (1, 0, 3.1, 2), (-1, 0, 2, 2), (0, -0.1, 2, 2), (0, 0, 1, math.inf)])
def test_a_box_beyond_the_image(box):
    with pytest.raises(OptionError, match=r"the box .* reaches beyond the image, which is 3 pixels wide and 2 high"):
        inside([[box]], 2, 3)


@pytest.mark.parametrize("box", [(1, 0, 1, 2), (2, 0, 1, 2), (0, 0, math.nan, 2)])
def test_a_box_with_nothing_in_it(box):
    with pytest.raises(OptionError, match=r"the box .* is empty: left must be below right, and top below bottom"):
        inside([[box]], 2, 3)


def test_insertion_and_deletion_by_loop(smooth_network, make_photos, make_result):
    """RISE's loop: pixel by pixel group the one image becomes the other; the area is by the trapezoid rule."""
    network, images = smooth_network(), make_photos(2, (12, 10))
    order = torch.stack([torch.randperm(120, generator=torch.Generator().manual_seed(n)) for n in (1, 2)])
    result = make_result(images, -order.argsort(dim=1).float(), target=[2, 4])
    model = as_model(network, mean=(0.4, 0.5, 0.6), std=0.5)
    with subject(model, images, [2, 4]) as rows:
        found = {"in": insertion(rows, in_own(result), steps=8)[0], "out": deletion(rows, in_own(result), steps=8)[0]}
        colour = emptied(rows)
    assert torch.allclose(model.normalised(colour), torch.zeros(1), atol=1e-6)
    offsets = torch.arange(11) - 5.0
    kernel = torch.exp(-(offsets**2) / 50)
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    # 9 x 9 is what an image of 12 x 10 pixels has room for along its width.
    for row, target in enumerate([2, 4]):
        wide, high = 9, 11
        part = kernel[(11 - high) // 2 : (11 + high) // 2, (11 - wide) // 2 : (11 + wide) // 2]
        padded = nn.functional.pad(images[row : row + 1], (wide // 2, wide // 2, high // 2, high // 2), "reflect")
        blurred = nn.functional.conv2d(padded.transpose(0, 1), (part / part.sum())[None, None]).transpose(0, 1)
        for name, start, end in (("in", blurred, images[row]), ("out", images[row], colour[row])):
            current, curve = start.reshape(3, -1).clone(), []
            for step in range(9):
                take = order[row][: 15 * step]
                current[:, take] = end.reshape(3, -1)[:, take]
                with torch.no_grad():
                    curve.append(float(model(current.view(1, 3, 12, 10)).softmax(1)[0, target]))
            assert float(found[name][row]) == pytest.approx(np.trapezoid(curve, dx=1 / 8), abs=1e-5)


def test_insertion_and_deletion_take_steps_of_two_per_cent(smooth_network, make_photos, make_result):
    images = make_photos(1, (20, 15))
    result = make_result(images, torch.randn(1, 300, generator=torch.Generator().manual_seed(0)), target=[2])
    with subject(as_model(smooth_network()), images, [2]) as rows:
        for score in (insertion, deletion):
            _, curve = score(rows, in_own(result))
            assert curve.percentages == pytest.approx([2 * step for step in range(51)])
            assert curve.share[0].tolist() == pytest.approx([step / 50 for step in range(51)])


@pytest.mark.parametrize("batch", [3, None])
def test_infidelity_is_captums(batch, smooth_network, make_photos):
    network, images, samples = smooth_network(), make_photos(2, 12), 20
    maps = torch.randn(2, 12, 12, generator=torch.Generator().manual_seed(3))
    options = {"ids": [5, 6], "accelerate": False, "internal_batch_size": batch}
    with subject(as_model(network), images, [1, 3], **options) as rows:
        before = torch.random.get_rng_state()
        found = infidelity(rows, maps, samples=samples, scale=0.2, seed=4)
        assert torch.equal(torch.random.get_rng_state(), before)
        alone = infidelity(rows, maps * 3, samples=samples, scale=0.2, seed=4)
    assert torch.allclose(found, alone, rtol=1e-4)  # the scale of an explanation does not matter
    from rdexplain.core import philox

    for row, target in enumerate([1, 3]):
        streams = [philox.Stream(4, 5 + row, 0, number, philox.PERTURB) for number in range(samples)]
        noise = 0.2 * philox.normal(streams, 432, torch.float32).view(samples, 3, 12, 12)
        (expected,) = captum.metrics.infidelity(
            lambda x: network(x).softmax(1),
            lambda x, noise=noise: (noise, x - noise),
            images[row : row + 1],
            maps[row].expand(1, 3, 12, 12),
            target=target,
            n_perturb_samples=samples,
            normalize=True,
        )
        assert float(found[row]) == pytest.approx(float(expected), rel=1e-4)


def test_max_sensitivity_is_captums(smooth_network, make_photos):
    from rdexplain.core import philox

    network, images, samples = smooth_network(), make_photos(2, 12), 4
    method = PixelRDE(network, steps=8, draws=2)
    with subject(as_model(network), images, [1, 3], ids=[5, 6]) as rows:
        found = max_sensitivity(rows, method.attribute, samples=samples, radius=0.05, seed=4)
    for row, target in enumerate([1, 3]):
        streams = [philox.Stream(4, 5 + row, 0, number, philox.PERTURB) for number in range(samples)]
        noise = 0.05 * (2 * philox.uniform(streams, 432, torch.float32).view(samples, 3, 12, 12) - 1)
        (expected,) = captum.metrics.sensitivity_max(
            method.attribute,
            images[row : row + 1],
            lambda x: x + noise,  # noqa: B023 (called at once; captum would hand a second parameter the radius)
            n_perturb_samples=samples,
            target=target,
        )
        assert float(found[row]) == pytest.approx(float(expected), rel=1e-4)
        assert float(expected) > 0


def test_all_scores_of_a_method(smooth_network, make_photos):
    network, images = smooth_network(), make_photos(2, 32)
    model = as_model(network)
    options = {"steps": 2, "draws": 2, "levels": 2}
    method = CartoonX(model, **options)
    result = method.explain(images, [1, 2], photos=["a.png", None])
    candidate = Candidate(result, method, Cascade(model, (32, 32)), [[(2, 2, 9, 9)], []])
    settings = EvaluationSettings(percentages=(0, 50, 100), draws=1, scores=tuple(scores.SCORES))
    with subject(model, images, [1, 2]) as rows:
        found = evaluate(rows, candidate, settings)
        with pytest.raises(OptionError, match="not one of the images"):
            evaluate(rows, Candidate(method.explain(1 - images, [1, 2])), settings)
        with pytest.raises(OptionError, match="reaches beyond the image, which is 32 pixels wide"):
            evaluate(rows, Candidate(result, boxes=[[(2, 2, 33, 9)], []]), settings)
    with (
        subject(model, images, [1, 3]) as rows,
        pytest.raises(OptionError, match="not one of the targets"),
    ):
        evaluate(rows, candidate, settings)
    columns = {column for score in scores.SCORES.values() for column in score.columns}
    assert {key.score for key in found.scores} == columns
    # A photo without a box has no such score.
    assert [key.entry.photo for key in found.scores if key.score == "pointing_game"] == ["a.png"]
    domains = {(key.entry.domain, key.entry.own) for key in found.curves if key.mode != "cascade"}
    assert domains == {("wavelet", True), ("pixel", False)} | {("wavelet", False)}  # two levels are not the common five
    for name in ("max_sensitivity", "randomisation", "cascade", "seeds", "small_changes", "localisation"):
        with subject(model, images, [1, 2]) as rows, pytest.raises(OptionError, match=name):
            evaluate(rows, Candidate(result), EvaluationSettings(percentages=(0, 100), scores=[name]))


def test_settings_that_cannot_be():
    for options, message in (
        ({"percentages": [0]}, "at least two"),
        ({"percentages": [0, 50, 50]}, "each larger"),
        ({"scores": ["gini"]}, "unknown score 'gini'"),
        ({"domains": ["pixels"]}, "unknown domain 'pixels': did you mean pixel"),
        ({"modes": ["drop"]}, "unknown mode 'drop'"),
        ({"distortions": ["l1"]}, "unknown distortion 'l1'"),
    ):
        with pytest.raises(OptionError, match=message):
            EvaluationSettings(**options)


def test_names_on_the_command_line_are_those_of_the_library():
    from typing import get_args

    from rdexplain.evaluation import curves
    from rdexplain.evaluation import evaluate as _  # noqa: F401
    from rdexplain.evaluation.evaluate import DOMAINS as LIBRARY_DOMAINS

    assert tuple(scores.SCORES) == SCORES
    assert scores.DEFAULT_SCORES == DEFAULT_SCORES
    assert LIBRARY_DOMAINS == DOMAINS
    assert get_args(curves.Protocol) == PROTOCOLS

"""ROAD: what is filled in against equations written out, and the curve against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rdexplain.core import philox
from rdexplain.errors import OptionError, SolverError
from rdexplain.evaluation import Candidate, Settings, evaluate, in_own, in_pixels, subject
from rdexplain.evaluation.road import NOISE, PERCENTAGES, fill_in, road
from rdexplain.models import as_model


def by_equations(image, gone):
    """Every removed pixel is the weighted mean of its neighbours: solved as a full matrix, pixel by pixel."""
    height, width = gone.shape
    places = [(y, x) for y in range(height) for x in range(width) if gone[y, x]]
    matrix, right = np.zeros((len(places), len(places))), np.zeros((len(places), len(image)))
    for row, (y, x) in enumerate(places):
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                other = (y + down, x + across)
                if (down, across) == (0, 0) or not (0 <= other[0] < height and 0 <= other[1] < width):
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                matrix[row, row] += weight
                if gone[other]:
                    matrix[row, places.index(other)] -= weight
                else:
                    right[row] += weight * image[:, other[0], other[1]]
    found = image.copy()
    for (y, x), values in zip(places, np.linalg.solve(matrix, right), strict=True):
        found[:, y, x] = values
    return found


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_what_is_filled_in_solves_the_equations(share, make_photos):
    image = make_photos(1, (9, 11), torch.float64)[0]
    gone = torch.rand(9, 11, generator=torch.Generator().manual_seed(3)) < share
    assert 0 < int(gone.sum()) < gone.numel()
    np.testing.assert_allclose(fill_in(image, gone).numpy(), by_equations(image.numpy(), gone.numpy()), atol=1e-10)


def test_a_slope_is_filled_in_as_it_was():
    """The weights are symmetric, so what is linear is its own mean; at a border its neighbours lie to one side."""
    rows, columns = torch.meshgrid(torch.arange(12).double(), torch.arange(10).double(), indexing="ij")
    image = torch.stack([0.02 * rows, 0.03 * columns + 0.1, 0.4 - 0.01 * rows])
    gone = torch.zeros(12, 10, dtype=torch.bool)
    gone[3:9, 2:7] = True
    torch.testing.assert_close(fill_in(image, gone), image, atol=1e-12, rtol=0)
    gone[0, 0] = True
    corner = (image[:, 0, 1] / 6 + image[:, 1, 0] / 6 + image[:, 1, 1] / 12) / (5 / 12)
    torch.testing.assert_close(fill_in(image, gone)[:, 0, 0], corner)
    assert torch.equal(fill_in(image, torch.zeros_like(gone)), image)


def test_noise_is_added_to_what_is_filled_in_alone():
    image = torch.full((3, 4, 4), 0.5, dtype=torch.float64)
    gone = torch.zeros(4, 4, dtype=torch.bool)
    gone[1, 2] = gone[3, 3] = True
    noise = torch.linspace(-1, 1, 48, dtype=torch.float64)
    found = fill_in(image, gone, noise)
    assert torch.equal(found[:, ~gone], image[:, ~gone])
    torch.testing.assert_close(found[:, gone], (0.5 + noise.view(3, 4, 4)[:, gone]).clamp(0, 1))


@pytest.mark.parametrize("batch", [2, None])
def test_the_curve_by_loop(batch, smooth_network, make_photos, make_result):
    network, images = smooth_network(), make_photos(2, (12, 10))
    order = torch.stack([torch.randperm(120, generator=torch.Generator().manual_seed(n)) for n in (1, 2)])
    result = make_result(images, -order.argsort(dim=1).float(), target=[2, 4])
    with subject(as_model(network), images, [2, 4], internal_batch_size=batch) as rows:
        curves = {least: road(rows, in_own(result), least_first=least, seed=5) for least in (False, True)}
        clean, keys = rows.clean.argmax(dim=1).tolist(), rows.keys
    for least, curve in curves.items():
        assert curve.share.tolist() == pytest.approx(np.tile(np.array(PERCENTAGES) / 100, (2, 1)))
        for row, target in enumerate([2, 4]):
            for place, percentage in enumerate(PERCENTAGES):
                removed = order[row].flip(0) if least else order[row]
                gone = torch.zeros(120, dtype=torch.bool)
                gone[removed[: round(1.2 * percentage)]] = True
                stream = philox.Stream(5, keys[row], place, int(least), philox.EVALUATE)
                noise = NOISE * philox.normal([stream], 360, torch.float64)[0].view(3, 12, 10)
                image = torch.from_numpy(by_equations(images[row].double().numpy(), gone.view(12, 10).numpy()))
                image[:, gone.view(12, 10)] = (image + noise)[:, gone.view(12, 10)].clamp(0, 1)
                with torch.no_grad():
                    found = network(image.float()[None]).softmax(1)[0]
                assert float(curve.measures["probability"][row, place]) == pytest.approx(float(found[target]), abs=1e-5)
                assert bool(curve.measures["agreement"][row, place]) == (int(found.argmax()) == clean[row])


def test_a_good_order_is_told_from_a_bad_one(make_photos, make_result):
    """Of a network that looks at the contrast in one corner, which its surroundings cannot fill in."""
    images = make_photos(1, (16, 16))
    images[:, :, :4, :4] = (torch.arange(16).view(4, 4) % 2).float()

    def network(images):
        return torch.stack([images[:, :, :4, :4].std(dim=(1, 2, 3)), 0 * images[:, 0, 0, 0]], dim=1)

    scores = torch.zeros(1, 16, 16)
    scores[:, :4, :4] = 1
    good, bad = (make_result(images, sign * scores.flatten(1), photos=["a"]) for sign in (1, -1))
    settings = Settings(percentages=(0, 100), domains=(), modes=(), scores=("road",))
    with subject(as_model(network, activation="none"), images, [0]) as rows:
        found = [
            {key.score: value for key, value in evaluate(rows, Candidate(one), settings).scores.items()}
            for one in (good, bad)
        ]
    assert found[0]["road_morf"] < found[0]["road_lerf"]
    assert found[1]["road_morf"] > found[1]["road_lerf"]


def test_nothing_to_fill_in_from_and_values_that_are_not_finite(make_photos, make_result):
    images = make_photos(2, (8, 8))
    result = make_result(images, torch.rand(2, 64, generator=torch.Generator().manual_seed(0)))

    def network(images):
        changed = ~((images == images_clean[0]).flatten(1).all(1) | (images == images_clean[1]).flatten(1).all(1))
        means = images.mean((2, 3))
        return torch.where((changed & (images[:, 0, 0, 0] == images_clean[1, 0, 0, 0]))[:, None], torch.nan, means)

    images_clean = images
    with subject(as_model(network, activation="none"), images, [0, 0], accelerate=False) as rows:
        with pytest.raises(OptionError, match="percentages below 100"):
            road(rows, in_pixels(result), percentages=(50, 100))
        with pytest.raises(SolverError, match="image 1 of the batch") as caught:
            road(rows, in_pixels(result))
    assert caught.value.photos == (1,)

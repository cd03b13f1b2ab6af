"""Blocks of neighbours, and the pull by sensitivity, against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from rdexplain.core.groups import block_sums, blocks, weights
from rdexplain.core.representations import Pixel, Wavelet

TRANSFORMS = [
    pytest.param(Wavelet("db2", levels=2).transform((33, 30), torch.float64), id="wavelet"),
    pytest.param(Pixel().transform((9, 7), torch.float64), id="pixel"),
]


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_block_has_neighbours_of_one_band_in_all_orientations(transform, side):
    found = blocks(transform, side, torch.device("cpu"))
    expected, start = {}, 0
    for number, band in enumerate(transform.bands):
        for place, index in enumerate(np.ndindex(*band.shape)):
            expected.setdefault((number, index[-2] // side, index[-1] // side), []).append(start + place)
        start += band.count
    sets = {frozenset(np.flatnonzero(found.numpy() == number)) for number in range(int(found.max()) + 1)}
    assert sets == {frozenset(entries) for entries in expected.values()}
    values = torch.rand(2, transform.count, dtype=torch.float64)
    sums = block_sums(values, transform, side)
    for number in range(sums.shape[1]):
        torch.testing.assert_close(sums[:, number], values[:, found == number].sum(dim=1))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_pull_is_harder_where_the_decision_is_not_sensitive(transform):
    sensitivity = torch.rand(2, transform.count, dtype=torch.float64) ** 4
    found = weights(sensitivity, transform, 0.5)
    smooth = []
    for band in transform.split(sensitivity):
        maps = band.numpy().reshape(-1, *band.shape[-2:])
        there = [uniform_filter(np.ones(one.shape), 3, mode="constant") for one in maps]
        means = [uniform_filter(one, 3, mode="constant") / part for one, part in zip(maps, there, strict=True)]
        smooth.append(np.stack(means).reshape(2, -1))
    flat = np.concatenate(smooth, axis=1)
    reference = np.sort(flat, axis=1)[:, int(0.95 * flat.shape[1])][:, None]
    np.testing.assert_allclose(found.numpy(), np.clip((flat / reference) ** -0.5, 0.3, 10), rtol=1e-9)


def test_where_nothing_is_sensitive_every_pull_is_the_same():
    transform = TRANSFORMS[0].values[0]
    assert torch.equal(weights(torch.zeros(1, transform.count), transform, 0.5), torch.ones(1, transform.count))


def test_the_pull_is_0_3_at_least_and_10_at_most():
    """The mean of 3 x 3 places around a thousand among ones is 112, the usual one 1, and that among zeros 0."""
    sensitivity = torch.ones(20, 20, dtype=torch.float64)
    sensitivity[3, 3] = 1000
    sensitivity[10:15, 10:15] = 0
    transform = Pixel().transform((20, 20), torch.float64)
    found = weights(sensitivity.view(1, -1), transform, 0.5).view(20, 20)
    assert (found[2:5, 2:5] == 0.3).all()
    assert (found[11:14, 11:14] == 10).all()
    assert float(found[19, 0]) == 1

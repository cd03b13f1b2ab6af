"""Ranks against sorting by hand, and the study's threshold against a loop."""

from __future__ import annotations

import pytest
import torch

from rdexplain.core import philox
from rdexplain.errors import OptionError
from rdexplain.evaluation.ordering import counts, ranks, true_share

SCORES = torch.tensor([[0.3, -2.0, 1.0, 0.3, 0.3, 1.0, 0.0, 1.0], [5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0]])


def test_the_largest_comes_first_and_counts_are_exact():
    positions = ranks(SCORES, [1, 2])
    assert positions.sort(dim=1).values.tolist() == [list(range(8))] * 2
    assert positions[1].tolist() == list(range(8))
    in_order = SCORES.gather(1, positions.argsort(dim=1))
    assert torch.equal(in_order, SCORES.sort(dim=1, descending=True).values)
    limits = counts([0, 12.5, 50, 100], 8)
    assert limits.tolist() == [0, 1, 4, 8]
    assert true_share(positions, limits).tolist() == [[0, 0.125, 0.5, 1]] * 2


def test_percentages_are_rounded_to_the_nearest_count():
    assert counts([0, 6, 7, 18, 19, 93, 94, 100], 8).tolist() == [0, 0, 1, 1, 2, 7, 8, 8]
    assert counts([33.3, 66.6], 69831).tolist() == [23254, 46507]  # of 23253.7 and 46507.4


def test_ties_come_in_the_order_of_a_stream_of_their_own():
    """By the rank of each component's random integer, and nothing else."""
    bits = [philox.random_bits([philox.Stream(3, key, 0, 0, philox.TIES)], 50)[0].tolist() for key in (7, 9)]
    found = ranks(torch.zeros(2, 50), [7, 9], seed=3)
    assert found.tolist() == [[sorted(row).index(one) for one in row] for row in bits]


def test_ties_come_in_an_order_of_the_seed_and_the_photo():
    equal = torch.zeros(1, 2000)
    first = ranks(equal, [7], seed=3)
    assert torch.equal(first, ranks(torch.zeros(2, 2000), [9, 7], seed=3)[1:])
    assert not torch.equal(first, ranks(equal, [7], seed=4))
    assert not torch.equal(first, ranks(equal, [8], seed=3))
    # A random order has no trend: the correlation of 2000 pairs has the standard deviation 0.022.
    assert abs(torch.corrcoef(torch.stack([first[0].double(), torch.arange(2000.0)]))[0, 1]) < 0.1


def test_the_published_threshold_lets_all_ties_in():
    positions, limits = ranks(SCORES, [1, 2], ties="together"), counts(range(0, 101, 5), 8)
    for row, scores in enumerate(SCORES):
        for limit in limits.tolist():
            # SPEC, section 4, defect 7: everything >= the p-th largest value is kept.
            if limit == 0:
                kept = torch.zeros(8, dtype=torch.bool)
            else:
                kept = scores >= sorted(scores.tolist(), reverse=True)[limit - 1]
            assert torch.equal(positions[row] < limit, kept)
    assert true_share(positions, torch.tensor([1]))[0].item() == 3 / 8  # three entries share the largest value


def test_what_cannot_be_ordered():
    with pytest.raises(OptionError, match="NaN"):
        ranks(torch.tensor([[1.0, torch.nan]]), [0])
    with pytest.raises(OptionError, match=r"shape \(2, 8\) for 1 rows"):
        ranks(SCORES, [0])
    with pytest.raises(OptionError, match="unknown order of ties"):
        ranks(SCORES, [0, 1], ties="whatever")
    with pytest.raises(OptionError, match="between 0 and 100, not 101"):
        counts([101], 8)

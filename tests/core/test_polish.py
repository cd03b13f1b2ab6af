"""The cut of a finished mask, against trying each threshold by hand."""

from __future__ import annotations

import pytest
import torch

from rdexplain.core.noise import Noise
from rdexplain.core.polish import cut_small
from rdexplain.core.representations import Pixel

VALUES = torch.tensor([0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 1.0], dtype=torch.float64)
"""Some of them at a threshold."""


def mask_of(rows: int) -> torch.Tensor:
    places = torch.randint(0, len(VALUES), (32 * 32,), generator=torch.Generator().manual_seed(1))
    return VALUES[places].expand(rows, -1).clone()


@pytest.fixture
def problem(make_photos, smooth_network, make_objective):
    """A photo in as many rows as wanted, without noise: D of a mask is (p(x) - p(s x))²."""

    def problem(rows: int):
        photo, network = make_photos(1, 32, torch.float64), smooth_network(torch.float64)
        options = {"photos": torch.zeros(rows, dtype=torch.int64), "noise": Noise("zero"), "clamp": False}
        objective = make_objective(Pixel(), photo, network, **options)
        with torch.no_grad():
            p = network(photo).softmax(1)[0, 1]

        def distortion(mask: torch.Tensor) -> float:
            with torch.no_grad():
                q = network(photo * mask.view(1, 1, 32, 32)).softmax(1)[0, 1]
            return float((p - q) ** 2)

        return objective, distortion

    return problem


def test_each_row_gets_the_cut_that_is_best_for_it(problem):
    """Entries below 0.1, 0.2 or 0.3 become zero, whichever lowers D + λk mean(s) most, or none do."""
    _, distortion = problem(1)
    mask = mask_of(1)[0]
    candidates = [mask] + [torch.where(mask < threshold, 0, mask) for threshold in (0.1, 0.2, 0.3)]
    assert [int((one > 0).sum()) for one in candidates] == sorted({int((one > 0).sum()) for one in candidates})[::-1]
    # Weights of sparsity from nothing to much, so that every candidate is some row's best.
    weights = torch.cat((torch.zeros(1), torch.logspace(-5, 1, 60))).double()
    best, tempted = [], 0
    for weight in weights.tolist():
        values = [distortion(one) + weight * float(one.mean()) for one in candidates]
        best.append(values.index(min(values)))
        tempted += best[-1] == 2 and values[3] < values[0]  # better than no cut, and worse than the one before
    assert len(set(best)) >= 3
    assert tempted
    objective, _ = problem(len(weights))
    found = cut_small(objective, mask_of(len(weights)), weights)
    for row, choice in enumerate(best):
        assert torch.equal(found[row], candidates[choice]), (row, choice)


def test_its_evaluations_are_counted(problem):
    """Of no cut and of each threshold, a draw each where there is no noise."""
    objective, _ = problem(3)
    cut_small(objective, mask_of(3), torch.ones(3, dtype=torch.float64))
    assert objective.evaluations == 3 * 4


def test_the_mask_that_comes_in_is_not_changed(problem):
    objective, _ = problem(1)
    mask = mask_of(1)
    found = cut_small(objective, mask, torch.full((1,), 100.0, dtype=torch.float64))
    assert torch.equal(mask, mask_of(1))
    assert (found == 0).any()


def test_a_cut_counts_the_spatial_penalty_too(problem):
    """Entries that cost nothing by their mean do so by what they show."""
    objective, distortion = problem(1)
    mask = mask_of(1)
    nothing, much = torch.zeros(1, dtype=torch.float64), torch.full((1,), 100.0, dtype=torch.float64)
    candidates = [mask] + [mask.where(mask >= threshold, 0.0) for threshold in (0.1, 0.2, 0.3)]
    for weight in (nothing, much):
        values = [distortion(one[0]) + float(weight * objective.brightness(one)) for one in candidates]
        assert torch.equal(cut_small(objective, mask, nothing, weight), candidates[values.index(min(values))])
    assert torch.equal(cut_small(objective, mask, nothing, much), candidates[3])

"""The order that an explanation keeps, against the steps and the path that it is made from."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from rdexplain import CartoonX, PixelRDE
from rdexplain.core.groups import weights
from rdexplain.core.initial import initial_mask
from rdexplain.core.path import RUNGS, follow_up
from rdexplain.core.solver import solve
from rdexplain.errors import OptionError
from rdexplain.methods.orders import levels
from rdexplain.models import as_model

PLAIN = {"preset": "paper", "step_size": 0.1}
"""Without a second try, whose steps are others."""


def flat(bands) -> torch.Tensor:
    return torch.cat([band.flatten(1) for band in bands], dim=1)


def test_levels_are_logarithms_of_ranks():
    values = torch.tensor([[0.5, 0.0, 0.9, 0.0, 0.7, 0.5, 0.1, 0.2]])
    ranks = [2, 6, 0, 6, 1, 2, 5, 4]  # equal ones share the first of their ranks
    assert levels(values).tolist() == [[round(255 * math.log(1 + rank) / math.log(8)) for rank in ranks]]
    assert levels(values).dtype == torch.uint8


def test_levels_keep_what_is_first_apart_and_nothing_in_a_wrong_order():
    values = torch.rand(2, 70_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = levels(values).int()
    for row in range(2):
        in_order = found[row][values[row].argsort(descending=True)]
        assert (in_order.diff() >= 0).all()
        assert len(set(in_order[:20].tolist())) == 20
        # 255 steps over a factor of 70,000 are 4.5 % each.
        assert in_order.bincount()[-1] < 0.05 * 70_000


def test_time_is_the_mean_over_the_steps(smooth_network, make_photos):
    photos, seen = make_photos(1, 32), []
    method = PixelRDE(as_model(smooth_network()), **PLAIN, steps=9, draws=2)
    found = method.explain(photos, 1, preview=lambda now: seen.append(flat(now.mask)) and None)
    assert len(seen) == 9
    assert torch.equal(flat(found.order), levels(sum(seen) / 9))
    without = PixelRDE(as_model(smooth_network()), **PLAIN, steps=9, draws=2, order="none").explain(photos, 1)
    assert without.order is None
    # It changes nothing else, and costs nothing.
    assert torch.equal(without.mask[0], found.mask[0])
    assert without.network_evaluations.tolist() == found.network_evaluations.tolist()
    assert found.options["order"] == "time"


def test_a_path_is_short_solves_one_from_another(smooth_network, make_photos):
    photos = make_photos(1, 32)
    method = CartoonX(as_model(smooth_network()), wavelet="haar", levels=2, **PLAIN, steps=8, draws=4, order="path")
    found = method.explain(photos, 1)
    with method.problem(photos, 1) as problem:
        objective = problem.objective.alone(0)
        mask = initial_mask(objective, method.options.init, problem.label)
        short = replace(method.options.settings, steps=2, draws=2, cut=False)
        masks = []
        for number, rung in enumerate(RUNGS):
            chosen = short if number == 0 else follow_up(short)
            sparsity = torch.tensor([rung * method.options.settings.sparsity])
            mask = solve(objective, mask, chosen, sparsity=sparsity).mask
            masks.append(mask)
    assert torch.equal(flat(found.order), levels(sum(masks) / len(RUNGS)))
    plain = CartoonX(as_model(smooth_network()), wavelet="haar", levels=2, **PLAIN, steps=8, draws=4).explain(photos, 1)
    assert torch.equal(flat(plain.mask), flat(found.mask))
    # 2 steps, then 1, of 2 draws each.
    assert (found.network_evaluations - plain.network_evaluations).tolist() == [3 * 2]


def test_the_order_is_that_of_the_try_whose_mask_is_taken(smooth_network, make_photos):
    """A mask that costs more than the empty one is solved again, with the seed after."""
    photos, method = make_photos(1, 32), PixelRDE(as_model(smooth_network()), steps=9, draws=2, sparsity=0.4)
    found, seen = method.explain(photos, 1), []
    with method.problem(photos, 1) as problem:
        gentle = replace(method.options.settings, emphasis=1.0)
        again = replace(problem.objective.alone(0), seed=1)
        start = initial_mask(again, method.options.init, problem.label)
        pulls = weights(again.sensitivity(problem.label) * again.spread, again.transform, gentle.anchor)
        solution = solve(again, start, gentle, weights=pulls, watch=lambda step, loss, mask: seen.append(mask.clone()))
    assert torch.equal(flat(found.mask), solution.mask)
    assert torch.equal(flat(found.order), levels(sum(seen) / 9))


def test_rows_have_orders_of_their_own(smooth_network, make_photos):
    photos = make_photos(3, 32)
    method = PixelRDE(as_model(smooth_network()), steps=6, draws=2)
    found, alone = method.explain(photos, 1), method.explain(photos[1:2], 1)
    assert torch.equal(found[1].order[0], alone.order[0])
    assert found.order[0].shape == (3, 32, 32)
    assert not torch.equal(found.order[0][0], found.order[0][1])


def test_repeats_are_as_dear_with_an_order_as_without(smooth_network, make_photos):
    """Only the first solution is the explanation, and needs one."""
    costs = []
    for repeats in (1, 3):
        method = PixelRDE(as_model(smooth_network()), preset="paper", steps=8, draws=2, order="path")
        costs.append(int(method.explain(make_photos(1, 16), 1, repeats=repeats).network_evaluations))
    assert costs[1] - costs[0] == 2 * 8 * 2


def test_an_unknown_order(smooth_network):
    with pytest.raises(OptionError, match=r"unknown order 'pat'.*path"):
        PixelRDE(as_model(smooth_network()), order="pat")

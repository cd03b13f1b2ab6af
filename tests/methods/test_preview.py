"""Explanations that are seen while they form, and stopped."""

from __future__ import annotations

import pytest
import torch

from rdexplain import CartoonX, PixelRDE

QUICK = {"preset": "paper", "steps": 6, "draws": 2, "seed": 1}


@pytest.mark.parametrize("apart", [True, False])
def test_a_preview_is_the_mask_of_that_many_steps(apart, smooth_network, make_photos):
    """What is shown after step t is what a solution of t steps ends with; the picture is drawn from it."""
    photos, seen = make_photos(2), {}

    def look(preview):
        for place, row in enumerate(preview.rows):
            seen[row, preview.step] = preview.mask[0][place], preview.picture[place], preview.loss
        assert preview.steps == 6

    options = QUICK | {"batch_invariant": apart}
    full = PixelRDE(smooth_network(), **options).explain(photos, 0, preview=look)
    assert sorted(seen) == [(row, step) for row in (0, 1) for step in range(1, 7)]
    short = PixelRDE(smooth_network(), **options | {"steps": 3}).explain(photos, 0)
    for row in (0, 1):
        assert torch.equal(seen[row, 3][0], short.mask[0][row])
        assert torch.equal(seen[row, 3][1], short.picture[row])
        assert torch.equal(seen[row, 6][0], full.mask[0][row])
    plain = PixelRDE(smooth_network(), **options).explain(photos, 0)
    assert torch.equal(full.mask[0], plain.mask[0])  # looking changes nothing
    assert full.options == plain.options


def test_enough(smooth_network, make_photos):
    """The mask of that step is measured and kept; the other row goes on."""
    photos = make_photos(2)
    network = smooth_network()
    stopped = PixelRDE(network, **QUICK).explain(
        photos, 0, preview=lambda preview: preview.rows.start == 1 and preview.step == 2
    )
    full, short = (PixelRDE(network, **QUICK | {"steps": steps}).explain(photos, 0) for steps in (6, 2))
    assert torch.equal(stopped.mask[0][0], full.mask[0][0])
    assert torch.equal(stopped.mask[0][1], short.mask[0][1])
    assert stopped.options["stopped"] == 2
    assert stopped.network_evaluations.tolist() == [12, 4]
    assert stopped.history["distortion"].shape == (6, 2)
    assert torch.equal(stopped.history["distortion"][2:, 1], stopped.history["distortion"][1, 1].expand(4))
    assert float(stopped.distortion[1]) == pytest.approx(float(short.distortion[1]))


def test_within_a_bound(smooth_network, make_photos):
    """Steps count on over the stages; enough ends them all."""
    steps = []

    def look(preview):
        steps.append(preview.step)
        return preview.step >= 3

    method = CartoonX(smooth_network(), levels=1, rate=0.5, **QUICK)
    found = method.explain(make_photos(1), 0, preview=look)
    assert steps[:3] == [1, 2, 3]
    assert len(steps) < method.options.steps
    assert found.options["stopped"] == 3


HOPELESS = {"preset": "fast", "steps": 4, "draws": 2, "seed": 1, "sparsity": 50.0}
"""Nothing is worth this much, and so few steps do not come to the empty mask: there is a second try."""


@pytest.mark.parametrize("apart", [True, False])
def test_a_second_try_is_shown_too(apart, smooth_network, make_photos):
    """Else whoever looks on takes it for the end of the first, as long as that was."""
    seen = []
    method = PixelRDE(smooth_network(), batch_invariant=apart, **HOPELESS)
    found = method.explain(make_photos(1), 0, preview=lambda now: seen.append((now.attempt, now.step, now.steps)))
    assert seen == [(attempt, step, 4) for attempt in (1, 2) for step in range(1, 5)]
    plain = method.explain(make_photos(1), 0)
    assert torch.equal(found.mask[0], plain.mask[0])
    assert "stopped" not in found.options


@pytest.mark.parametrize("at", [1, 2])
def test_enough_of_a_second_try_or_before_it(at, smooth_network, make_photos):
    """Enough ends what is shown; a row that was ended is not solved once more."""
    seen = []

    def look(now):
        seen.append((now.rows.start, now.attempt))
        return now.rows.start == 1 and now.attempt == at and now.step == 3

    found = PixelRDE(smooth_network(), **HOPELESS).explain(make_photos(2), 0, preview=look)
    assert seen.count((0, 2)) == 4
    assert [seen.count((1, attempt)) for attempt in (1, 2)] == ([3, 0] if at == 1 else [4, 3])
    assert found.options["stopped"] == 3

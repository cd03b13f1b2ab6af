"""IROF: segments of SLIC, and the area against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.segmentation import slic

from rdexplain.errors import SolverError
from rdexplain.evaluation import in_own, subject
from rdexplain.evaluation.conciseness import LEAST_PROBABILITY
from rdexplain.evaluation.irof import irof, slic_segments
from rdexplain.models import as_model


def test_segments_are_those_of_skimage(make_photos):
    images = make_photos(2, (40, 31))
    found = slic_segments(images)
    for row in range(2):
        expected = slic(images[row].permute(1, 2, 0).double().numpy(), start_label=0)
        pairs = set(zip(found[row].flatten().tolist(), expected.flatten().tolist(), strict=True))
        assert len(pairs) == len(np.unique(expected)) == int(found[row].max()) + 1 > 10
        assert found[row].unique().tolist() == list(range(len(pairs)))


def test_the_area_by_loop(smooth_network, make_photos, make_result):
    network, images = smooth_network(), make_photos(2, (12, 10))
    segments = torch.stack(
        [torch.randint(count, (12, 10), generator=torch.Generator().manual_seed(count)) for count in (6, 9)]
    )
    scores = torch.randn(2, 120, generator=torch.Generator().manual_seed(1))
    model, colour = as_model(network, mean=(0.4, 0.5, 0.6), std=0.5), torch.tensor([0.4, 0.5, 0.6])
    with subject(model, images, [2, 4]) as rows:
        found = irof(rows, in_own(make_result(images, scores, target=[2, 4])), segments=segments)
    for row, (target, count) in enumerate(((2, 6), (4, 9))):
        means = [float(scores[row].view(12, 10)[segments[row] == one].mean()) for one in range(count)]
        current, curve = images[row].clone(), []
        for one in [None, *np.argsort(means)[::-1].tolist()]:
            if one is not None:
                current[:, segments[row] == one] = colour[:, None]
            with torch.no_grad():
                curve.append(float(model(current[None]).softmax(1)[0, target]))
        over = sum(1 - (curve[place] + curve[place + 1]) / 2 / curve[0] for place in range(count)) / count
        assert float(found[row]) == pytest.approx(over, abs=1e-5)


def test_one_segment_that_counts(make_photos, make_result):
    """The probability is the brightness of one of four segments: gone first, or last."""
    images = make_photos(1, (8, 8)) / 2 + 0.3
    segments = torch.zeros(1, 8, 8, dtype=torch.int64)
    segments[:, :4, 4:], segments[:, 4:, :4], segments[:, 4:, 4:] = 1, 2, 3

    def network(images):
        return torch.stack([images[:, :, :4, 4:].mean(dim=(1, 2, 3)), 0 * images[:, 0, 0, 0]], dim=1)

    model = as_model(network, activation="none")
    first = (segments == 1).float().flatten(1)
    with subject(model, images, [0]) as rows:
        found = [float(irof(rows, in_own(make_result(images, sign * first)), segments=segments)) for sign in (1, -1)]
    # 1 - (1/2 of the first quarter), 1 - (three quarters and 1/2 of the last).
    assert found == pytest.approx([7 / 8, 1 / 8])


def test_no_probability_to_lose_and_values_that_are_not_finite(make_photos, make_result):
    images = make_photos(2, (16, 16)) / 2 + 0.3
    result = make_result(images, torch.rand(2, 256, generator=torch.Generator().manual_seed(0)))

    def never(images):
        return torch.stack([0.5 * LEAST_PROBABILITY + 0 * images[:, 0, 0, 0], 1 + 0 * images[:, 0, 0, 0]], dim=1)

    with subject(as_model(never, activation="none"), images, [0, 0]) as rows:
        assert irof(rows, in_own(result)).isnan().all()

    def network(batch):
        second = (batch[:, None] == images[1]).flatten(2).double().mean(2)[:, 0] > 0.2
        whole = (batch == images[1]).flatten(1).all(1)
        return torch.where((second & ~whole)[:, None], torch.nan, batch.mean((2, 3)))

    with (
        subject(as_model(network, activation="none"), images, [0, 0], accelerate=False) as rows,
        pytest.raises(SolverError, match="image 1 of the batch: obfuscated") as caught,
    ):
        irof(rows, in_own(result))
    assert caught.value.photos == (1,)

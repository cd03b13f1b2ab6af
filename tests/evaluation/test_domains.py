"""Explanations brought to pixels and to wavelets, against PyWavelets."""

from __future__ import annotations

import numpy as np
import pywt
import torch

from rdexplain.core.representations import Wavelet
from rdexplain.evaluation import in_own, in_pixels, in_wavelets
from rdexplain.evaluation.domains import pixel_map

HAAR = Wavelet("haar", levels=2)


def wavelet_result(make_result, images):
    entries = HAAR.transform((8, 8), torch.float32).count
    scores = torch.rand(len(images), entries, generator=torch.Generator().manual_seed(2))
    return make_result(images, scores, HAAR), scores


def test_pixels(make_result, make_photos):
    images = make_photos(2, 8)
    scores = torch.randn(2, 64)
    result = make_result(images, scores)
    for ranking in (in_own(result), in_pixels(result)):
        assert torch.equal(ranking.scores, scores)
        assert (ranking.domain, ranking.own) == ("pixel", True)
    assert torch.equal(pixel_map(result), scores.view(2, 8, 8))
    brought = in_wavelets(result, HAAR)
    assert (brought.domain, brought.own) == ("wavelet", False)
    low, *details = pywt.wavedec2(scores[1].view(8, 8).numpy(), "haar", mode="zero", level=2)
    expected = np.concatenate([low.ravel(), *(np.stack(detail).ravel() for detail in details)])
    assert np.allclose(brought.scores[1].numpy(), np.abs(expected), atol=1e-5)


def test_wavelets(make_result, make_photos):
    images = make_photos(2, 8)
    result, scores = wavelet_result(make_result, images)
    for ranking in (in_own(result), in_wavelets(result, HAAR)):
        assert torch.equal(ranking.scores, scores)
        assert (ranking.domain, ranking.own) == ("wavelet", True)
    brought = in_pixels(result)
    assert torch.equal(brought.scores, result.picture.flatten(1))
    assert (brought.domain, brought.own) == ("pixel", False)
    # In another wavelet than its own, it is known by its picture.
    other = in_wavelets(result, Wavelet("db2", levels=1))
    assert not other.own
    low, detail = pywt.wavedec2(result.picture[0, 0].numpy(), "db2", mode="zero", level=1)
    expected = np.concatenate([low.ravel(), np.stack(detail).ravel()])
    assert np.allclose(other.scores[0].numpy(), np.abs(expected), atol=1e-5)

"""Occlusion, LIME and the random orders: closed forms on linear models, and captum called directly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rdexplain as rx
from rdexplain.core.representations import Wavelet
from rdexplain.errors import OptionError

captum_attr = pytest.importorskip("captum.attr")


def test_occlusion_is_captum_s(network, make_photos):
    photos = make_photos(2)
    direct = captum_attr.Occlusion(lambda images: network(images).softmax(1))
    expected = direct.attribute(
        photos, sliding_window_shapes=(3, 8, 8), strides=(3, 5, 5), baselines=0.5, target=torch.tensor([1, 2])
    )
    found = rx.Occlusion(network, window=8, stride=5).explain(photos, [1, 2])
    torch.testing.assert_close(found.scores[0], expected.mean(1).detach(), rtol=1e-3, atol=1e-6)


def test_occlusion_of_a_linear_model(linear, make_photos):
    """Covering a square takes away the sum of w (x - 0.5) over it."""
    photos = make_photos(1, 16)
    found = rx.Occlusion(linear, window=4, stride=4, score="logit").explain(photos, 2)
    lost = (linear.weight[2] * (photos[0] - 0.5)).sum(0).detach()
    squares = lost.unflatten(0, (4, 4)).unflatten(2, (4, 4)).sum((1, 3))
    expected = squares.repeat_interleave(4, 0).repeat_interleave(4, 1)
    torch.testing.assert_close(found.scores[0][0], expected, rtol=1e-3, atol=1e-5)
    assert found.network_evaluations == 17


def test_the_square_of_occlusion(network):
    assert rx.Occlusion(network).square((256, 320)) == (32, 16)
    assert rx.Occlusion(network).square((4, 4)) == (1, 1)
    assert rx.Occlusion(network, window=9).square((16, 16)) == (9, 4)
    for options in ({"window": 17}, {"window": 4, "stride": 5}):
        with pytest.raises(OptionError, match="does not cover an image of 16 x 16"):
            rx.Occlusion(network, **options).square((16, 16))


def blocks():
    """A photo (1, 3, 32, 32) of nine patches, for superpixels to find."""
    generator = torch.Generator().manual_seed(3)
    photos = torch.nn.functional.interpolate(torch.rand(1, 3, 3, 3, generator=generator), size=(32, 32)) * 0.9
    return photos + 0.1 * torch.rand(photos.shape, generator=generator)


def lime_parts(photo, count=8):
    """Scikit-image called directly."""
    from skimage.segmentation import slic

    return slic(photo.permute(1, 2, 0).double().numpy(), n_segments=count, compactness=10, start_label=0)


def test_lime_of_a_linear_model_is_what_each_superpixel_adds(make_linear):
    photos, linear = blocks(), make_linear((32, 32))
    parts = lime_parts(photos[0])
    assert len(np.unique(parts)) > 4
    found = rx.Lime(linear, n_samples=2000, segments=8, score="logit").explain(photos, 1).scores[0][0]
    for part in np.unique(parts):
        inside = torch.from_numpy(parts == part)
        assert found[inside].unique().numel() == 1
        mean = photos[0][:, inside].mean(1, keepdim=True)
        added = (linear.weight[1][:, inside] * (photos[0][:, inside] - mean)).sum().detach()
        assert float(found[inside][0]) == pytest.approx(float(added), abs=0.03)


def test_lime_is_the_weighted_ridge_regression(network, recorder):
    """Against NumPy's least squares on what the network saw."""
    photos, eyes = blocks(), recorder(network)
    found = rx.Lime(eyes, n_samples=40, segments=8, internal_batch_size=16).explain(photos, 2).scores[0][0]
    seen = torch.cat(eyes.seen)[1:]  # the first is the clean image
    seen = seen[-40:]
    assert torch.equal(seen[0], photos[0])
    parts = lime_parts(photos[0])
    numbers = np.unique(parts)
    assert len(numbers) > 2
    left = np.array(
        [[bool(torch.equal(one[:, parts == part], photos[0][:, parts == part])) for part in numbers] for one in seen]
    ).astype(float)
    assert 0.3 < left[1:].mean() < 0.7
    with torch.no_grad():
        found_by_network = network(seen).softmax(1)[:, 2].double().numpy()
    distance = 1 - np.sqrt(left.mean(1))
    weight = np.sqrt(np.exp(-(distance**2) / 0.25**2))
    # A constant that costs nothing, and a penalty of 1 as further equations.
    equations = np.concatenate(
        (np.sqrt(weight)[:, None] * np.c_[left, np.ones(40)], np.eye(len(numbers) + 1)[:-1]), axis=0
    )
    values = np.concatenate((np.sqrt(weight) * found_by_network, np.zeros(len(numbers))))
    expected = np.linalg.lstsq(equations, values, rcond=None)[0][:-1]
    got = [float(found[torch.from_numpy(parts == part)][0]) for part in numbers]
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6)


def test_lime_is_captum_s(network):
    """With the same superpixels, samples, weights and regression."""
    from rdexplain.methods.baselines import lime

    photos = blocks()
    method = rx.Lime(network, n_samples=30, segments=8)
    with torch.no_grad():
        parts = method.superpixels(photos[0])
    kept = []
    choices = method._choices
    method._choices = lambda *arguments: kept.append(choices(*arguments)) or kept[-1]
    found = method.attribute(photos, target=1)
    samples = iter(kept[0].split(1))
    direct = captum_attr.Lime(
        lambda images: network(images).softmax(1),
        interpretable_model=lime._Ridge(),
        similarity_func=lime._similarity,
        perturb_func=lambda *_, **__: next(samples),
    )
    baseline = lime._mean_colours(photos[0], parts, int(parts.max()) + 1)[None]
    expected = direct.attribute(
        photos, baselines=baseline, target=1, feature_mask=parts.expand(1, 1, -1, -1), n_samples=30
    )
    torch.testing.assert_close(found, expected.expand_as(found), rtol=1e-3, atol=1e-6)


def test_random_orders(network, make_photos):
    photos = make_photos(2, (24, 20))
    pixels = rx.RandomPixel(network).explain(photos, [[1, 2], [3]])
    (scores,) = pixels.scores
    assert torch.equal(scores[0], scores[1])  # of the photo, not of the class
    assert scores[0].unique().numel() == 480
    assert abs(float(scores.mean()) - 0.5) < 0.05
    assert abs(float(torch.corrcoef(scores[[0, 2]].flatten(1))[0, 1])) < 0.15
    same = rx.RandomPixel(network).explain(photos[:1], ids=["one"])
    assert not torch.equal(same.scores[0][0], scores[0])
    wavelets = rx.RandomWavelet(network, wavelet="haar", levels=2).explain(photos)
    bands = [band.shape[1:] for band in wavelets.scores]
    representation = Wavelet("haar", levels=2)
    coefficients = representation.analysis(photos.mean(1, keepdim=True))
    assert bands == [band.shape[2:] for band in coefficients]
    kept = [band * score.unsqueeze(1) for band, score in zip(coefficients, wavelets.scores, strict=True)]
    torch.testing.assert_close(wavelets.picture, representation.synthesis(kept).clamp(0, 1))
    with pytest.raises(OptionError, match="too many for an image"):
        rx.RandomWavelet(network, levels=6).explain(photos)

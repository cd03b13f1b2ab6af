"""Shearlets on small grids: the same frame, to the last digits, with a fifteenth of the coefficients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.noise import Noise
from rdexplain.core.philox import Stream
from rdexplain.core.representations import Pixel, Shearlet, Wavelet
from rdexplain.core.representations.folding import fits, sides, smallest_grid, support
from rdexplain.core.representations.meyer import shearlet_filters
from rdexplain.errors import OptionError

SIZES = [((64, 64), 3), ((63, 48), 3), ((33, 65), 3), ((32, 47), 2), ((8, 9), 2), ((2, 3), 1), ((150, 129), 4)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("size", "scales"), SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_comes_back_with_the_energy_of_the_image(size, scales, dtype, tolerance):
    images = random(2, 3, *size).to(dtype)
    representation = Shearlet(scales, sampled=True)
    bands = representation.analysis(images)
    torch.testing.assert_close(representation.synthesis(bands), images, rtol=0, atol=tolerance)
    energy = sum(band.double().square().sum() for band in bands)
    assert float(energy / images.double().square().sum()) == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize(("size", "scales"), SIZES)
def test_adjoint_is_the_transpose_of_synthesis(size, scales):
    transform = Shearlet(scales, sampled=True).transform(size, torch.float64)
    coefficients, images = random(1, 2, transform.count), random(1, 2, *size, seed=1)
    coefficients.requires_grad_()
    (gradient,) = torch.autograd.grad(transform.synthesis(coefficients), coefficients, images)
    torch.testing.assert_close(transform.adjoint(images), gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("size", "scales"), [((32, 32), 2), ((33, 20), 2)])
def test_each_band_is_the_unsampled_one(size, scales):
    """The part of the image that each band's coefficients hold is that which its coefficients everywhere hold."""
    image = random(1, 1, *size)
    whole, sampled = Shearlet(scales).transform(size, torch.float64), Shearlet(scales, sampled=True)
    every = [part for band in whole.split(whole.analysis(image)) for part in band.reshape(1, 1, -1, *size).unbind(2)]
    transform = sampled.transform(size, torch.float64)
    windows = torch.cat(shearlet_filters(size, scales))
    coefficients = transform.split(transform.analysis(image))
    assert len(coefficients) == len(every) == len(windows)
    for place, (window, coefficient) in enumerate(zip(windows, every, strict=True)):
        alone = [band if number == place else torch.zeros_like(band) for number, band in enumerate(coefficients)]
        expected = torch.fft.irfft2(torch.fft.rfft2(coefficient) * window, s=size)
        torch.testing.assert_close(transform.synthesis(transform.join(alone)), expected, rtol=0, atol=1e-12)


def test_samples_are_those_of_the_band_where_the_grid_is_part_of_the_image_s():
    """One coefficient in so many, up to the factor of the energy."""
    image = random(1, 1, 64, 64)
    whole = Shearlet(3).transform((64, 64), torch.float64)
    every = torch.cat([band.reshape(-1, 64, 64) for band in whole.split(whole.analysis(image))])
    transform = Shearlet(3, sampled=True).transform((64, 64), torch.float64)
    seen = 0
    for found, band in zip(transform.split(transform.analysis(image)), every, strict=True):
        rows, columns = found.shape[-2:]
        if 64 % rows == 64 % columns == 0:
            picked = band[:: 64 // rows, :: 64 // columns] * (64 * 64 / (rows * columns)) ** 0.5
            torch.testing.assert_close(found[0, 0], picked, rtol=0, atol=1e-12)
            seen += 1
    assert seen >= 3


def test_how_many_there_are():
    transform = Shearlet(sampled=True).transform((256, 256), torch.float32)
    assert len(transform.bands) == 61
    assert 3 < transform.count / 256**2 < 4
    assert [band.scale for band in transform.bands] == [0] + [4] * 4 + [3] * 8 + [2] * 16 + [1] * 32
    assert transform.bands[0].shape == (1, 1)  # the mean alone


def test_the_smallest_grid_by_brute_force():
    window = shearlet_filters((24, 18), 2)[1][1].numpy()
    found = support(window, 18)
    expected = min(
        rows * columns
        for rows in sides(24)
        for columns in sides(18)
        if len({(int(r) % rows, int(c) % columns) for r, c in zip(found.rows, found.columns, strict=True)})
        == len(found.rows)
        and fits(found, (rows, columns))
    )
    assert np.prod(smallest_grid(found, (24, 18))) == expected
    assert sides(16) == [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16]
    assert sides(7) == [1, 2, 3, 4, 5, 6, 7]


def test_an_image_does_not_depend_on_the_rest_of_the_batch():
    transform = Shearlet(2, sampled=True).transform((20, 17), torch.float64)
    images = random(3, 3, 20, 17)
    together = transform.analysis(images)
    for number, image in enumerate(images):
        torch.testing.assert_close(transform.analysis(image[None])[0], together[number], rtol=0, atol=1e-14)


def test_the_size_of_an_image_has_to_be_known():
    bands = Shearlet(2, sampled=True).analysis(random(1, 1, 16, 16))
    with pytest.raises(OptionError, match="give `size`"):
        Shearlet(2, sampled=True).synthesis(bands)
    found = Shearlet(2, sampled=True).synthesis(bands, (16, 16))
    torch.testing.assert_close(found, random(1, 1, 16, 16), rtol=0, atol=1e-12)
    with pytest.raises(OptionError, match="13 bands, got 12"):
        Shearlet(2, sampled=True).synthesis(bands[1:])


REPRESENTATIONS = [
    pytest.param(Pixel(), id="pixel"),
    pytest.param(Wavelet("db3", levels=3, padding="periodization"), id="wavelet"),
    pytest.param(Shearlet(3), id="shearlet"),
    pytest.param(Shearlet(3, sampled=True), id="sampled"),
]


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_the_gain_is_the_trace_s(representation):
    """g² tr(F Fᵀ) = M for each band: so E||F v||² = M σ², the energy of the coefficients that the noise stands for."""
    size = (32, 32)
    transform = representation.transform(size, torch.float64)
    start = 0
    for band in transform.bands:
        place, count = slice(start, start + band.count), min(band.count, 300)
        start += band.count
        if band.count > 3000:
            continue
        unit = torch.zeros(1, band.count, transform.count, dtype=torch.float64)
        unit[0, :, place] = torch.eye(band.count, dtype=torch.float64)
        trace = float(transform.synthesis(unit).square().sum())
        assert band.gain**2 * trace == pytest.approx(band.count, rel=1e-9), count
    expected = {1.0} if representation.name in ("pixel", "wavelet") else None
    assert expected is None or {band.gain for band in transform.bands} == expected


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_noise_alone_has_the_energy_of_what_it_stands_for(representation, make_photos):
    """The synthesis of noise of mean zero has the variance that the statistics of the bands promise."""
    photo = make_photos(1, 64, torch.float64)
    transform = representation.transform((64, 64), torch.float64)
    coefficients = transform.analysis(photo.mean(dim=1, keepdim=True))
    noise = Noise("gaussian")
    _, deviation = noise.statistics(coefficients, transform)
    draws = noise.draw([Stream(0, 0, 0, draw) for draw in range(40)], transform.count, torch.float64, "cpu")
    images = transform.synthesis((draws * deviation[:, 0]).unsqueeze(1))
    variances = [band.flatten().var() if band.numel() > 1 else 0.0 for band in transform.split(coefficients[0, 0])]
    expected = sum(band.count * float(value) for band, value in zip(transform.bands, variances, strict=True)) / 64**2
    assert float(images.square().mean()) == pytest.approx(expected, rel=0.05)
    # Which is the photo's own variance, but for what the means of the bands hold.
    assert expected == pytest.approx(float(photo.mean(dim=1).var()), rel=0.15)


def test_noise_is_a_function_of_the_stream():
    stream = [Stream(1, 2, 3, 4)]
    first, second = (philox.uniform(stream, 9, torch.float32) for _ in range(2))
    assert torch.equal(first, second)

"""Noise: its statistics worked out with NumPy, its scalings, and where it comes from."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch

from rdexplain.core import philox
from rdexplain.core.noise import SCALINGS, Noise
from rdexplain.core.philox import Stream
from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.errors import OptionError

SIZE = (24, 18)
LEVELS = 3


@pytest.fixture
def images(make_photos):
    return make_photos(2, SIZE, torch.float64)


def wavelet_statistics(image: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean, unbiased std, entries of the mask) of each tensor of an image (c, h, w), low-pass first."""
    low, *details = pywt.wavedec2(image, "haar", mode="zero", level=LEVELS)
    tensors = [low] + [np.stack(orientations) for orientations in details]
    return [(tensor.mean(), tensor.std(ddof=1), tensor.size // len(image)) for tensor in tensors]


def statistics_of(noise: Noise, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    transform = Wavelet("haar", levels=LEVELS).transform(SIZE, torch.float64)
    return noise.statistics(transform.analysis(images), transform)


@pytest.mark.parametrize(
    ("scaling", "factors"),
    [
        # Coarsest first, as the bands: i = 3, 2, 1.
        ("original", (1, 1, 1)),
        ("linear", (1 / 3, 2 / 3, 1)),
        ("inverse_linear", (1, 2 / 3, 1 / 3)),
        ("exponential", (2**-1, 2 ** (-2 / 3), 2 ** (-1 / 3))),
    ],
)
@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_wavelet_statistics_by_hand(images, scaling, factors, kind):
    mean, deviation = statistics_of(Noise(kind, scaling), images)
    assert mean.shape == deviation.shape == (2, 1, 450)  # 18 columns are 9, 5 and 3 of haar
    for number, image in enumerate(images.numpy()):
        low, *details = wavelet_statistics(image)
        expected = [low, *((m, s * factor, k) for (m, s, k), factor in zip(details, factors, strict=True))]
        means = np.concatenate([np.full(k, m) for m, _, k in expected])
        deviations = np.concatenate([np.full(k, s) for _, s, k in expected])
        np.testing.assert_allclose(mean[number, 0].numpy(), means, rtol=0, atol=1e-13)
        np.testing.assert_allclose(deviation[number, 0].numpy(), deviations, rtol=0, atol=1e-13)


def test_pixel_statistics_are_those_of_the_whole_image(images):
    transform = Pixel().transform(SIZE, torch.float64)
    for scaling in SCALINGS:
        mean, deviation = Noise("gaussian", scaling).statistics(transform.analysis(images), transform)
        for number, image in enumerate(images.numpy()):
            np.testing.assert_allclose(mean[number].numpy(), np.full((1, 432), image.mean()), rtol=0, atol=1e-13)
            np.testing.assert_allclose(deviation[number].numpy(), np.full((1, 432), image.std(ddof=1)), atol=1e-13)


@pytest.mark.parametrize("levels", [1, 5])
def test_scalings_at_the_ends(levels):
    assert [SCALINGS["original"](i, levels) for i in (1, levels)] == [1, 1]
    assert [SCALINGS["linear"](i, levels) for i in (1, levels)] == [1, 1 / levels]
    assert [SCALINGS["inverse_linear"](i, levels) for i in (1, levels)] == [1 / levels, 1]
    assert [SCALINGS["exponential"](i, levels) for i in (1, levels)] == pytest.approx([2 ** (-1 / levels), 0.5])
    assert set(SCALINGS) == {"original", "linear", "inverse_linear", "exponential"}


def test_zero_noise(images):
    noise = Noise("zero")
    mean, deviation = statistics_of(noise, images)
    assert not mean.any()
    assert not deviation.any()
    assert not noise.draw([Stream(0, 0, 0, 0)], 7, torch.float64, "cpu").any()
    assert not noise.is_random
    assert Noise().is_random


def test_one_number_has_no_spread():
    transform = Pixel().transform((1, 1), torch.float32)
    mean, deviation = Noise().statistics(torch.full((1, 1, 1), 0.3), transform)
    assert float(mean) == pytest.approx(0.3)
    assert float(deviation) == 0


def test_draws_are_philox():
    streams = [Stream(1, 2, 3, draw) for draw in range(3)]
    for dtype in (torch.float32, torch.float64):
        gaussian = Noise("gaussian").draw(streams, 33, dtype, "cpu")
        assert torch.equal(gaussian, philox.normal(streams, 33, dtype))
        uniform = Noise("uniform").draw(streams, 33, dtype, "cpu")
        assert torch.equal(uniform, philox.uniform(streams, 33, dtype) * 2 - 1)


def test_uniform_draws_fill_minus_one_to_one():
    numbers = Noise("uniform").draw([Stream(0, 0, 0, draw) for draw in range(4)], 50_000, torch.float64, "cpu")
    assert -1 < float(numbers.min()) < -0.999
    assert 0.999 < float(numbers.max()) < 1
    assert abs(float(numbers.mean())) < 5 * 3**-0.5 / 200_000**0.5
    assert float(numbers.var()) == pytest.approx(1 / 3, abs=0.005)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gausian",), "unknown noise 'gausian': did you mean gaussian"),
        (("zeros",), "did you mean zero"),
        (("gaussian", "inverse"), "unknown noise scaling 'inverse': did you mean inverse_linear"),
        ((None,), "unknown noise 'None'"),
    ],
)
def test_unknown_names(arguments, message):
    with pytest.raises(OptionError, match=message.replace("?", r"\?")):
        Noise(*arguments)

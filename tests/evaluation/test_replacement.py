"""What takes the place of components: by NumPy from the streams of an evaluation."""

from __future__ import annotations

import numpy as np
import pywt
import torch

from rdexplain.core import philox
from rdexplain.core.noise import Noise
from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.evaluation.replacement import Fixed, adaptive, published_pixels

SIZE, KEYS, SEED = (8, 8), (7, 9), 3
ROWS, DRAWS = [1, 0, 1], [2, 0, 0]


def normals() -> np.ndarray:
    """(pairs, channels, components) of the pairs of a row and a draw."""
    streams = [philox.Stream(SEED, KEYS[row], 0, draw, philox.EVALUATE) for row, draw in zip(ROWS, DRAWS, strict=True)]
    return philox.normal(streams, 3 * 64, torch.float64).view(3, 3, 64).numpy()


def test_adaptive_noise_has_the_statistics_of_what_it_replaces(make_photos):
    images = make_photos(2, SIZE, torch.float64)
    transform = Wavelet("haar", levels=1).transform(SIZE, torch.float64)
    replacement = adaptive(transform.analysis(images), transform, KEYS, SEED)
    found = replacement(ROWS, DRAWS).numpy()
    for place, row in enumerate(ROWS):
        low, detail = pywt.wavedec2(images[row].numpy(), "haar", mode="zero", level=1)
        noise = np.split(normals()[place], [16], axis=1)  # 4 x 4 of the low-pass, then the details
        parts = [x.mean() + x.std(ddof=1) * e for x, e in zip((low, np.stack(detail)), noise, strict=True)]
        np.testing.assert_allclose(found[place], np.concatenate(parts, axis=1), rtol=0, atol=1e-12)
    assert replacement.is_random
    assert not adaptive(transform.analysis(images), transform, KEYS, SEED, Noise("zero")).is_random


def test_the_published_pixel_noise_is_clipped_and_knows_no_image(make_photos):
    images = make_photos(2, SIZE, torch.float64)
    coefficients = Pixel().transform(SIZE, torch.float64).analysis(images)
    found = published_pixels(coefficients, KEYS, SEED)(ROWS, DRAWS).numpy()
    np.testing.assert_array_equal(found, normals().clip(0, 1))


def test_what_is_given_is_the_same_in_every_draw():
    coefficients = torch.arange(12.0).view(2, 3, 2)
    replacement = Fixed(coefficients)
    assert torch.equal(replacement(ROWS, DRAWS), coefficients[ROWS])
    assert not replacement.is_random

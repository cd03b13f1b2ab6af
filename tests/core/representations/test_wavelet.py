"""The wavelet transform against PyWavelets, and the promises the solver builds on: exact inverse, true adjoint."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rdexplain.core.representations import Band, Pixel, Wavelet
from rdexplain.errors import OptionError

WAVELETS = ("haar", "db2", "db3", "db5", "sym4", "coif1", "bior2.2", "bior4.4")
MODES = tuple(pywt.Modes.modes)
SIZES = ((64, 64), (61, 83), (96, 55))


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def pywt_bands(images: Tensor, wavelet: str, mode: str, levels: int) -> list[np.ndarray]:
    """Bands (n, c, ...) of PyWavelets in the shape of `Wavelet.analysis`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are many levels for the size
        low, *details = pywt.wavedec2(images.numpy(), wavelet, mode=mode, level=levels)
    return [low, *(np.stack(orientations, axis=2) for orientations in details)]


def pywt_image(bands: list[np.ndarray], wavelet: str, mode: str, size: tuple[int, int]) -> np.ndarray:
    low, *details = bands
    image = pywt.waverec2([low, *(tuple(np.moveaxis(band, 2, 0)) for band in details)], wavelet, mode=mode)
    return image[..., : size[0], : size[1]]


def scale_of(band: np.ndarray) -> float:
    """The mode \"smooth\" extrapolates: its bands can be thousands of times the image."""
    return max(float(np.abs(band).max()), 1.0) * 10


def largest(wavelet: str, size: tuple[int, int]) -> int:
    """Up to 4 levels, as many as PyWavelets recommends."""
    return min(4, pywt.dwtn_max_level(size, wavelet))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", WAVELETS)
def test_equals_pywavelets(wavelet, mode, size):
    images = random(2, 3, *size)
    for levels in range(1, largest(wavelet, size) + 1):
        representation = Wavelet(wavelet, levels=levels, padding=mode)
        bands = representation.analysis(images)
        expected = pywt_bands(images, wavelet, mode, levels)
        assert len(bands) == levels + 1
        for found, wanted in zip(bands, expected, strict=True):
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-12 * scale_of(wanted))
        # The analysis' own bands come back exactly, and so do bands that are no image's.
        assert (representation.synthesis(bands) - images).abs().max() < 1e-10
        other = [band * 0.3 + random(*band.shape, seed=number) for number, band in enumerate(bands)]
        wanted_image = pywt_image([band.numpy() for band in other], wavelet, mode, size)
        np.testing.assert_allclose(representation.synthesis(other).numpy(), wanted_image, rtol=0, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(
    wavelet=st.sampled_from(WAVELETS),
    mode=st.sampled_from(MODES),
    levels=st.integers(1, 4),
    height=st.integers(16, 75),
    width=st.integers(16, 75),
    seed=st.integers(0, 99),
)
def test_any_shape_equals_pywavelets_or_is_refused(wavelet, mode, levels, height, width, seed):
    images = random(1, 2, height, width, seed=seed)
    representation = Wavelet(wavelet, levels=levels, padding=mode)
    if levels > pywt.dwtn_max_level((height, width), wavelet):
        # PyWavelets only warns here; what is not refused must still be right.
        try:
            bands = representation.analysis(images)
        except OptionError:
            return
    else:
        bands = representation.analysis(images)
    for found, wanted in zip(bands, pywt_bands(images, wavelet, mode, levels), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-11 * scale_of(wanted))
    assert (representation.synthesis(bands) - images).abs().max() < 1e-9


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("size", [(64, 64), (55, 70)])
def test_adjoint_is_the_transpose_of_synthesis(wavelet, mode, size):
    transform = Wavelet(wavelet, levels=largest(wavelet, size), padding=mode).transform(size, torch.float64)
    coefficients = random(2, 3, transform.count)
    images = random(2, 3, *size, seed=1)
    left = (transform.synthesis(coefficients) * images).sum((1, 2, 3))
    right = (coefficients * transform.adjoint(images)).sum((1, 2))
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-10)
    # Against autograd's transpose, entry by entry.
    coefficients.requires_grad_()
    (gradient,) = torch.autograd.grad(transform.synthesis(coefficients), coefficients, images)
    torch.testing.assert_close(transform.adjoint(images), gradient, rtol=0, atol=1e-11)


def test_bands_of_the_paper():
    transform = Wavelet("db3", levels=5, padding="zero").transform((256, 256), torch.float32)
    assert transform.count == 69831
    assert transform.bands == (
        Band((12, 12), 0),
        Band((3, 12, 12), 5),
        Band((3, 20, 20), 4),
        Band((3, 36, 36), 3),
        Band((3, 67, 67), 2),
        Band((3, 130, 130), 1),
    )
    assert repr(Wavelet()) == repr(Wavelet("db3", levels=5, padding="zero"))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-13)])
def test_accuracy_at_256_pixels(dtype, tolerance):
    images = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    representation = Wavelet()
    bands = representation.analysis(images.to(dtype))
    assert all(band.dtype == dtype for band in bands)
    assert (representation.synthesis(bands).double() - images).abs().max() < 10 * tolerance
    expected = pywt_bands(images, "db3", "zero", 5)
    for found, wanted in zip(bands, expected, strict=True):
        size = float(np.abs(wanted).max())
        np.testing.assert_allclose(found.double().numpy(), wanted, rtol=0, atol=tolerance * max(size, 1))


@pytest.mark.parametrize("size", [(33, 41), (32, 40), (127, 128), (101, 64)])
@pytest.mark.parametrize("mode", ["zero", "periodization", "symmetric"])
def test_plain_lists_of_scaled_bands_come_back_at_the_exact_size(size, mode):
    images = random(1, 3, *size)
    representation = Wavelet("db3", levels=2, padding=mode)
    bands = list(representation.analysis(images))
    halved = representation.synthesis([band * 0.5 for band in bands])
    assert halved.shape == images.shape
    torch.testing.assert_close(halved, images * 0.5, rtol=0, atol=1e-11)
    # Another object knows nothing of the analysis; then the size must be told where it is odd.
    fresh = Wavelet("db3", levels=2, padding=mode)
    torch.testing.assert_close(fresh.synthesis(bands, size=size), images, rtol=0, atol=1e-11)
    even = tuple(length + length % 2 for length in size)
    assert fresh.synthesis(bands).shape[-2:] == even


@pytest.mark.parametrize("mode", ["zero", "periodization", "symmetric"])
def test_synthesis_takes_the_size_of_the_last_analysis_with_such_bands(mode):
    representation = Wavelet("db2", levels=2, padding=mode)
    odd, even = random(1, 1, 31, 31), random(1, 1, 32, 32, seed=1)
    odd_bands, even_bands = representation.analysis(odd), representation.analysis(even)
    assert representation.synthesis(even_bands).shape == even.shape
    torch.testing.assert_close(representation.synthesis(odd_bands, size=(31, 31)), odd, rtol=0, atol=1e-11)
    representation.analysis(odd)
    torch.testing.assert_close(representation.synthesis(odd_bands), odd, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    "representation", [Wavelet("db2", levels=2), Wavelet("haar", padding="symmetric", levels=1), Pixel()]
)
def test_gradcheck(representation):
    size = (5, 6)
    transform = representation.transform(size, torch.float64)
    images = random(1, 2, *size).requires_grad_()
    coefficients = random(1, 2, transform.count, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(transform.analysis, (images,))
    assert torch.autograd.gradcheck(transform.synthesis, (coefficients,))
    assert torch.autograd.gradcheck(transform.adjoint, (images,))
    assert torch.autograd.gradcheck(lambda x: tuple(representation.analysis(x)), (images,))


def test_split_and_join():
    transform = Wavelet("db2", levels=2).transform((21, 18), torch.float64)
    flat = random(2, transform.count)
    bands = transform.split(flat)
    assert [tuple(band.shape) for band in bands] == [(2, *band.shape) for band in transform.bands]
    assert torch.equal(transform.join(bands), flat)
    assert torch.equal(transform.split(flat[:, None])[1][:, 0], bands[1])
    assert sum(band.count for band in transform.bands) == transform.count == flat.shape[1]
    # Flat coefficients and the list of bands are the same numbers.
    images = random(2, 3, 21, 18)
    for one, other in zip(
        transform.split(transform.analysis(images)), Wavelet("db2", levels=2).analysis(images), strict=True
    ):
        assert torch.equal(one, other)


def test_an_image_does_not_depend_on_the_rest_of_the_batch():
    transform = Wavelet("db3", levels=3).transform((48, 40), torch.float64)
    images = random(5, 3, 48, 40)
    together = transform.analysis(images)
    for number, image in enumerate(images):
        torch.testing.assert_close(transform.analysis(image[None])[0], together[number], rtol=0, atol=1e-12)


def test_haar_by_hand():
    """[[a, b], [c, d]]: low (a+b+c+d)/2; cH is low along the width and high along the height."""
    image = torch.tensor([[1.0, 2.0], [4.0, 8.0]], dtype=torch.float64)[None, None]
    low, detail = Wavelet("haar", levels=1).analysis(image)
    assert low.flatten().tolist() == pytest.approx([7.5])
    assert detail.flatten().tolist() == pytest.approx([(1 + 2 - 4 - 8) / 2, (1 - 2 + 4 - 8) / 2, (1 - 2 - 4 + 8) / 2])


@pytest.mark.parametrize(
    ("wavelet", "size", "levels"),
    [("db3", (32, 32), 9), ("db3", (9, 200), 4), ("haar", (8, 8), 4), ("db5", (64, 12), 3)],
)
def test_too_many_levels(wavelet, size, levels):
    with pytest.raises(OptionError, match=rf"{levels} levels of {wavelet}.*{size[0]} x {size[1]}.*at most \d+"):
        Wavelet(wavelet, levels=levels).analysis(torch.zeros(1, 1, *size))
    with pytest.raises(OptionError, match="too many"):
        Wavelet(wavelet, levels=levels).transform(size, torch.float32)


def test_an_image_without_room_for_one_level():
    with pytest.raises(OptionError, match="5 x 200 is too small for db3: 6 pixels at least"):
        Wavelet("db3", levels=1).analysis(torch.zeros(1, 1, 5, 200))


@pytest.mark.parametrize(("wavelet", "levels"), [("haar", 1), ("haar", 4), ("db3", 5), ("db5", 2), ("dmey", 3)])
def test_the_least_size_in_the_message_fits(wavelet, levels):
    representation = Wavelet(wavelet, levels=levels)
    with pytest.raises(OptionError) as caught:
        representation.transform((1, 1), torch.float64)
    least = int(re.findall(r"(\d+) (?:pixels at least$|for \d+ levels$)", str(caught.value))[0])
    representation.transform((least, least), torch.float64)
    with pytest.raises(OptionError):
        representation.transform((least, least - 1), torch.float64)


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_the_number_of_levels_in_the_message_fits(wavelet):
    with pytest.raises(OptionError) as caught:
        Wavelet(wavelet, levels=30).transform((80, 64), torch.float64)
    most = int(str(caught.value).split("at most ")[1].split()[0])
    assert most >= pywt.dwtn_max_level((80, 64), wavelet)
    images = random(1, 1, 80, 64)
    representation = Wavelet(wavelet, levels=most)
    assert (representation.synthesis(representation.analysis(images)) - images).abs().max() < 1e-9
    with pytest.raises(OptionError, match="too many"):
        Wavelet(wavelet, levels=most + 1).transform((80, 64), torch.float64)


@pytest.mark.parametrize(("name", "near"), [("db33x", "db33"), ("Haar2", "haar"), ("symlet4", "sym4"), ("DB3", "db3")])
def test_unknown_wavelet(name, near):
    with pytest.raises(OptionError, match=rf"unknown wavelet '{name}'.*{near}"):
        Wavelet(name)


@pytest.mark.parametrize("name", ["morl", "mexh", "gaus1", ""])
def test_continuous_wavelets_are_unknown(name):
    with pytest.raises(OptionError, match=f"unknown wavelet '{name}'"):
        Wavelet(name)


@pytest.mark.parametrize(("name", "near"), [("zeros", "zero"), ("period", "periodic"), ("Symmetric", "symmetric")])
def test_unknown_mode(name, near):
    with pytest.raises(OptionError, match=rf"unknown padding '{name}'.*{near}"):
        Wavelet(padding=name)


@pytest.mark.parametrize("levels", [0, -1, 1.5, True, "3", None])
def test_levels_that_are_none(levels):
    with pytest.raises(OptionError, match="levels"):
        Wavelet(levels=levels)


def test_bands_that_do_not_fit():
    representation = Wavelet("db2", levels=2)
    bands = representation.analysis(random(1, 3, 32, 32))
    with pytest.raises(OptionError, match="3 bands, got 2"):
        representation.synthesis(bands[:2])
    with pytest.raises(OptionError, match="not those of an image of 40 x 40"):
        representation.synthesis(bands, size=(40, 40))
    with pytest.raises(OptionError, match="not those of"):
        representation.synthesis([bands[0], bands[1][..., :-1], bands[2]])


@pytest.mark.parametrize("name", pywt.wavelist(kind="discrete"))
def test_every_discrete_wavelet_inverts(name):
    # The filters of dmey are cut off in PyWavelets itself: it inverts no better there.
    size = (2 * pywt.Wavelet(name).dec_len + 3, 2 * pywt.Wavelet(name).dec_len)
    images = random(1, 1, *size)
    representation = Wavelet(name, levels=1)
    expected = pywt_image(pywt_bands(images, name, "zero", 1), name, "zero", size)
    found = representation.synthesis(representation.analysis(images)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert np.abs(found - images.numpy()).max() < (0.05 if name == "dmey" else 1e-5)

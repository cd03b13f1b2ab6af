"""Shearlets: a Parseval frame to the last digits, windows by hand, and bands that hold what their place says."""

from __future__ import annotations

import math
import re
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from rdexplain.core.representations import Band, Shearlet, Wavelet
from rdexplain.core.representations.meyer import low_pass, rise, shearlet_filters
from rdexplain.errors import OptionError
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.presets import Presets, quick
from rdexplain.results.result import representation_from

SIZES = [((64, 64), 3), ((63, 48), 3), ((33, 65), 3), ((32, 47), 2), ((8, 9), 2), ((2, 3), 1), ((150, 129), 4)]


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def wave_vector(j: int, o: int) -> tuple[int, int]:
    """(x, y) of an orientation of the scale j, as `Shearlet.analysis` says."""
    side = 2**j
    if o <= side:
        return side, o
    return (2 * side - o, side) if o <= 3 * side else (-side, 4 * side - o)


def every_direction(scales: int) -> list[tuple[int, int]]:
    return [(j, o) for j in range(scales) for o in range(4 * 2**j)]


@pytest.mark.parametrize(("size", "scales"), SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_comes_back_with_the_energy_of_the_image(size, scales, dtype, tolerance):
    images = random(1, 2, *size, dtype=dtype)
    representation = Shearlet(scales)
    bands = representation.analysis(images)
    assert all(band.dtype == dtype for band in bands)
    torch.testing.assert_close(representation.synthesis(bands), images, rtol=0, atol=tolerance)
    energy = sum(band.double().square().sum() for band in bands)
    assert float(energy / images.double().square().sum()) == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize(("size", "scales"), SIZES)
def test_the_squares_of_the_windows_sum_to_one(size, scales):
    total = sum(part.square().sum(dim=0) for part in shearlet_filters(size, scales))
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("size", "scales"), SIZES)
def test_no_window_is_empty(size, scales):
    for part in shearlet_filters(size, scales):
        assert float(part.flatten(1).amax(dim=1).min()) >= 0.5


@pytest.mark.parametrize("size", [(16, 16), (15, 16), (16, 15), (15, 15), (10, 12)])
def test_the_filters_are_symmetric(size):
    """So the whole spectrum, times a filter, has a real inverse; `irfft2` would hide that it has not."""
    half = torch.cat(shearlet_filters(size, 2))
    rows, columns = (-torch.arange(length) % length for length in size)
    full = half.new_zeros(len(half), *size)
    full[:, :, : half.shape[2]] = half
    rest = torch.arange(half.shape[2], size[1])
    full[:, :, rest] = half[:, rows][:, :, columns[rest]]
    assert torch.equal(full[:, rows][:, :, columns], full)
    image = random(*size)
    bands = torch.fft.ifft2(torch.fft.fft2(image) * full)
    assert float(bands.imag.abs().max()) < 1e-15
    found = Shearlet(2).transform(size, torch.float64).analysis(image[None, None]).view_as(full)
    torch.testing.assert_close(found, bands.real, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("size", "scales"), [((64, 64), 3), ((33, 47), 3), ((9, 8), 2)])
def test_adjoint_is_the_transpose_of_synthesis(size, scales):
    transform = Shearlet(scales).transform(size, torch.float64)
    coefficients, images = random(2, 3, transform.count), random(2, 3, *size, seed=1)
    left = (transform.synthesis(coefficients) * images).sum((1, 2, 3))
    right = (coefficients * transform.adjoint(images)).sum((1, 2))
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-10)
    # Against autograd's transpose, entry by entry.
    coefficients.requires_grad_()
    (gradient,) = torch.autograd.grad(transform.synthesis(coefficients), coefficients, images)
    torch.testing.assert_close(transform.adjoint(images), gradient, rtol=0, atol=1e-12)


def test_gradcheck():
    transform = Shearlet(1).transform((3, 4), torch.float64)
    images = random(1, 2, 3, 4).requires_grad_()
    coefficients = random(1, 2, transform.count, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(transform.analysis, (images,))
    assert torch.autograd.gradcheck(transform.synthesis, (coefficients,))


def test_bands_at_256_pixels():
    transform = Shearlet().transform((256, 256), torch.float32)
    expected = [((256, 256), 0), *(((2 ** (6 - scale), 256, 256), scale) for scale in (4, 3, 2, 1))]
    assert transform.bands == (
        *(Band(shape, scale, band.gain) for (shape, scale), band in zip(expected, transform.bands, strict=True)),
    )
    assert transform.count == 61 * 256 * 256
    images = random(2, 3, 33, 40)
    bands = Shearlet(2).analysis(images)
    assert [tuple(band.shape) for band in bands] == [(2, 3, 33, 40), (2, 3, 4, 33, 40), (2, 3, 8, 33, 40)]


def test_an_image_does_not_depend_on_the_rest_of_the_batch():
    transform = Shearlet(2).transform((20, 17), torch.float64)
    images = random(3, 3, 20, 17)
    together = transform.analysis(images)
    for number, image in enumerate(images):
        torch.testing.assert_close(transform.analysis(image[None])[0], together[number], rtol=0, atol=1e-14)
        one = transform.synthesis(together[number : number + 1])
        torch.testing.assert_close(one[0], image, rtol=0, atol=1e-13)


def test_meyer_by_hand():
    """v(1/4) = (35 · 64 - 84 · 16 + 70 · 4 - 20) / 4^7 = 289 / 4096."""
    given = torch.tensor([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 3.0], dtype=torch.float64)
    assert rise(given).tolist() == pytest.approx([0, 0, 289 / 4096, 1 / 2, 3807 / 4096, 1, 1], abs=1e-15)
    given = torch.tensor([0.0, 0.5, -0.5, 0.625, 0.75, -0.75, 1.0, 2.0], dtype=torch.float64)
    root = math.sqrt(0.5)
    expected = [1, 1, 1, math.cos(math.pi / 2 * 289 / 4096), root, root, 0, 0]
    assert low_pass(given).tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (0, 0, {(0, 0): 1}),  # the mean is the low-pass alone
        (3, 0, {(1, 0): 1 / 2, (2, 0): 1 / 2}),  # φ(3/4)² = 1/2: half way between two scales
        (3, 3, {(1, 1): 1 / 4, (2, 2): 3 / 4}),  # φ(3/4)⁴ = 1/4
        (4, 1, {(2, 0): 1 / 2, (2, 1): 1 / 2}),  # half way between two directions
        (4, -1, {(2, 0): 1 / 2, (2, 7): 1 / 2}),
        (1, 4, {(2, 3): 1 / 2, (2, 4): 1 / 2}),
        (8, 1, {(2, 0): 3807 / 4096, (2, 1): 289 / 4096}),  # a quarter of the way
        (8, 8, {(2, 2): 1}),  # between the cones
        (8, -8, {(2, 6): 1}),
        (32, 8, {(3, 1): 1 / 2, (3, 15): 1 / 2}),  # Nyquist: of (32, 8) and (-32, 8)
        (16, -32, {(3, 6): 1 / 2, (3, 10): 1 / 2}),
        (32, -32, {(3, 4): 1 / 2, (3, 12): 1 / 2}),
    ],
)
def test_windows_by_hand(x, y, expected):
    """Their squares, by band and orientation. At 64 pixels and 3 scales the unit of frequency is the windows' own."""
    found = {
        (band, o): float(value) ** 2
        for band, part in enumerate(shearlet_filters((64, 64), 3))
        for o, value in enumerate(part[:, y, x])
        if value > 1e-7
    }
    assert found == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("j", "o"), every_direction(3))
def test_a_wave_is_in_the_one_band_of_its_length_and_direction(j, o):
    x, y = (2**j * part for part in wave_vector(j, o))
    grid = torch.arange(64, dtype=torch.float64) * 2 * math.pi / 64
    wave = torch.cos(x * grid[None, :] + y * grid[:, None] + 0.3)
    bands = Shearlet(3).analysis(wave[None, None])
    torch.testing.assert_close(bands[j + 1][0, 0, o], wave, rtol=0, atol=1e-12)
    energy = sum(float(band.square().sum()) for band in bands)
    assert energy == pytest.approx(float(wave.square().sum()), rel=1e-12)


@pytest.mark.parametrize(("j", "o"), [(j, o) for j, o in every_direction(3) if j])
def test_an_edge_is_in_the_band_of_its_direction(j, o):
    """A straight edge, its normal the wave vector, under a bell that ends before the border does."""
    size = 96
    x, y = wave_vector(j, o)
    place = torch.arange(size, dtype=torch.float64) - size / 2 + 0.25
    across = (x * place[None, :] + y * place[:, None]) / math.hypot(x, y)
    bell = torch.exp(-(place[None, :] ** 2 + place[:, None] ** 2) / (2 * 12**2))
    bands = Shearlet(3).analysis((torch.sigmoid(2 * across) * bell)[None, None])
    energy = bands[j + 1].square().sum(dim=(0, 1, 3, 4))
    assert int(energy.argmax()) == o


def test_transposed_and_mirrored_images_have_their_orientations_permuted():
    images = random(1, 1, 24, 24)
    mirror = -torch.arange(24) % 24
    bands = Shearlet(2).analysis(images)[1:]
    transposed, mirrored = Shearlet(2).analysis(images.mT)[1:], Shearlet(2).analysis(images[..., mirror])[1:]
    for j, band in enumerate(bands):
        o = torch.arange(4 * 2**j)
        torch.testing.assert_close(transposed[j].mT, band[:, :, (2 * 2**j - o) % len(o)], rtol=0, atol=1e-13)
        torch.testing.assert_close(mirrored[j][..., mirror], band[:, :, -o % len(o)], rtol=0, atol=1e-13)


def test_a_disc_needs_fewer_shearlets_than_wavelets():
    """A cartoon-like image by N terms: shearlets chosen by orthogonal matching pursuit, db3 by size.

    The N largest coefficients are no N-term approximation here: nothing is subsampled, so that neighbours say the same
    and are all large. A pursuit takes one of them. For an orthogonal basis it is the choice by size.
    """
    size, counts = 64, [16, 32, 64, 128]
    place = (torch.arange(8 * size, dtype=torch.float64) + 0.5) / (8 * size)
    inside = (place[:, None] - 0.53) ** 2 + (place[None, :] - 0.48) ** 2 < 0.3**2
    disc = torch.nn.functional.avg_pool2d(inside.double()[None], 8)[0]
    by_shearlets = pursuit(disc, torch.cat(shearlet_filters((size, size), 3)), max(counts))
    wavelets = Wavelet("db3", levels=5, padding="periodization").transform((size, size), torch.float64)
    sizes = wavelets.analysis(disc[None, None]).square().flatten().sort(descending=True).values
    logs = torch.tensor([[sizes[count:].sum(), by_shearlets[count - 1]] for count in counts]).log2()
    wavelet_slope, shearlet_slope = ((logs[-1] - logs[0]) / 3).tolist()
    assert wavelet_slope == pytest.approx(-1, abs=0.15)  # the theory's N^-1
    assert shearlet_slope < wavelet_slope - 0.35
    assert logs[-1, 1] < logs[-1, 0] - 1  # half the error at the same N


def pursuit(image: Tensor, filters: Tensor, count: int) -> list[float]:
    """The squared error of 1, 2, ..., count terms by orthogonal matching pursuit in all shifts of the filters."""
    shape = image.shape
    atoms = torch.fft.irfft2(filters.to(torch.complex128), s=shape)
    norms = atoms.flatten(1).norm(dim=1)[:, None, None]
    rest, chosen, errors = image, image.new_zeros(0, image.numel()), []
    for _ in range(count):
        fits = torch.fft.irfft2(torch.fft.rfft2(rest) * filters / norms, s=shape)
        number, row, column = (int(part) for part in torch.unravel_index(fits.abs().argmax(), fits.shape))
        atom = (atoms[number] / norms[number]).roll((row, column), (0, 1)).flatten()
        for _ in range(2):
            atom = atom - chosen.mT @ (chosen @ atom)
        atom = atom / atom.norm()
        chosen = torch.cat([chosen, atom[None]])
        rest = rest - (atom @ rest.flatten()) * atom.view(shape)
        errors.append(float(rest.square().sum()))
    return errors


def test_is_built_once_for_a_size_a_type_and_a_device():
    first = Shearlet(2).transform((16, 18), torch.float32)
    assert Shearlet(2).transform((16, 18), torch.float32, "cpu") is first
    others = [
        Shearlet(1).transform((16, 18), torch.float32),
        Shearlet(2).transform((18, 16), torch.float32),
        Shearlet(2).transform((16, 18), torch.float64),
    ]
    assert all(other is not first for other in others)
    assert first.analysis(torch.zeros(1, 1, 16, 18)).dtype == torch.float32


@pytest.mark.parametrize("scales", [1, 2, 3, 4])
def test_the_least_size_in_the_message_fits(scales):
    with pytest.raises(OptionError) as caught:
        Shearlet(scales).transform((1, 300), torch.float64)
    assert "\n" not in str(caught.value)
    assert "1 x 300 is too small for shearlets" in str(caught.value)
    least = int(re.findall(r"(\d+) pixels at least", str(caught.value))[0])
    Shearlet(scales).transform((least, least), torch.float64)
    with pytest.raises(OptionError):
        Shearlet(scales).transform((least, least - 1), torch.float64)


@pytest.mark.parametrize(("size", "most"), [((127, 300), 3), ((31, 31), 2), ((7, 8), 1)])
def test_too_many_scales(size, most):
    with pytest.raises(OptionError, match=rf"4 scales of .*{size[0]} x {size[1]}: at most {most} fit, or give 128 pix"):
        Shearlet(4).analysis(torch.zeros(1, 1, *size))
    Shearlet(most).transform(size, torch.float64)
    with pytest.raises(OptionError, match="too many"):
        Shearlet(most + 1).transform(size, torch.float64)


@pytest.mark.parametrize("scales", [0, -1, 1.5, True, "3", None])
def test_scales_that_are_none(scales):
    with pytest.raises(OptionError, match="scales must be a whole number of at least 1"):
        Shearlet(scales)


def test_bands_that_do_not_fit():
    representation = Shearlet(2)
    bands = representation.analysis(random(1, 3, 16, 16))
    with pytest.raises(OptionError, match="3 bands, got 2"):
        representation.synthesis(bands[:2])
    with pytest.raises(OptionError, match="not those of an image of 16 x 16"):
        representation.synthesis([bands[0], bands[1][..., :-1], bands[2]])


def test_options_and_repr():
    assert Shearlet.name == "shearlet"
    assert Shearlet(3).options() == {"representation": "shearlet", "scales": 3, "sampled": False}
    assert repr(Shearlet()) == "Shearlet(scales=4)"
    assert repr(representation_from(Shearlet(2).options())) == "Shearlet(scales=2)"
    assert repr(representation_from(Shearlet(2, sampled=True).options())) == "Shearlet(scales=2, sampled=True)"
    before = {"representation": "shearlet", "scales": 2}  # as files of before have it
    assert repr(representation_from(before)) == "Shearlet(scales=2)"


class CartoonInShearlets(Attribution):
    """CartoonX with shearlets in the place of wavelets."""

    name = "cartoon_in_shearlets"
    presets: ClassVar[Presets] = {"fast": quick(2, "coarse")}

    def __init__(self, model, **options):
        super().__init__(model, Shearlet(2), self.presets, 20.0, True, options)


def test_the_solver_works_in_shearlets(smooth_network, make_photos):
    images = make_photos(2, 24)
    method = CartoonInShearlets(smooth_network(), preset="fast", seed=1)
    explanation = method.explain(images, target=1)
    shapes = [(24, 24), (4, 24, 24), (8, 24, 24)]
    assert [tuple(band.shape) for band in explanation.mask] == [(2, *shape) for shape in shapes]
    # The finest scale started at 0.04, the others at one; two steps moved both.
    means = [float(band.mean()) for band in explanation.mask]
    assert means[2] < 0.5 < means[0] < 1
    assert bool(explanation.objective.isfinite().all())
    assert explanation.picture.shape[-2:] == (24, 24)
    assert repr(explanation.representation) == "Shearlet(scales=2)"
    # All kept, the picture is the grey image.
    ones = [torch.ones_like(band) for band in explanation.mask]
    kept = CartoonInShearlets(smooth_network(), preset="fast", init=ones, steps=0).explain(images, target=1)
    torch.testing.assert_close(kept.picture.squeeze(), images.mean(dim=1), rtol=0, atol=1e-5)

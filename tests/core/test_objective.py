"""The closed-form gradient against finite differences and against autograd through the synthesis."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.noise import Noise
from rdexplain.core.philox import MEASURE, OPTIMISE, Stream, photo_key
from rdexplain.core.representations import Pixel, Shearlet, Wavelet
from rdexplain.models.decisions import Label
from rdexplain.models.decisions.distortions import DISTORTIONS, find_distortion

WAVELET = Wavelet("db2", levels=3)
REPRESENTATIONS = [
    pytest.param(WAVELET, id="wavelet"),
    pytest.param(Pixel(), id="pixel"),
    pytest.param(Shearlet(2), id="shearlet"),
    pytest.param(Shearlet(2, sampled=True), id="sampled"),
]
STEP, DRAWS, SEED = 3, 4, 11


def flat(bands: list[Tensor], start: int) -> Tensor:
    """Bands as one axis k, the axes before `start` kept."""
    return torch.cat([band.flatten(start) for band in bands], dim=-1)


def by_autograd(
    representation,
    images,
    network,
    masks,
    *,
    clamp,
    target=1,
    distortion="label",
    purpose=OPTIMISE,
    step=STEP,
    draws=DRAWS,
):
    """D (n,), dD/ds (n, k) and the obfuscated images before the clamp, straight from the definition."""
    distance = find_distortion(distortion)
    values, slopes, seen = [], [], []
    for image, mask in zip(images, masks, strict=True):
        h = representation.analysis(image[None])
        shapes = [band.shape[2:] for band in h]
        sizes = [shape.numel() for shape in shapes]
        gains = [band.gain for band in representation.transform_of(image[None]).bands]
        noises = noise_of(image, h, sizes, purpose, step, draws)
        # Of one number there is no spread.
        stds = [band.std() if band.numel() > 1 else band.new_zeros(()) for band in h]
        v = [band.mean() + std * gain * noise for band, std, gain, noise in zip(h, stds, gains, noises, strict=True)]
        s = mask.clone().requires_grad_()
        bands = [part.view(shape) for part, shape in zip(s.split(sizes), shapes, strict=True)]
        y = representation.synthesis([one * a + (1 - one) * b for one, a, b in zip(bands, h, v, strict=True)])
        seen.append(y.detach())
        p, q = network(image[None]).softmax(1), network(y.clamp(0, 1) if clamp else y).softmax(1)
        if distance.reads == "label":
            p, q = p[:, target, None], q[:, target, None]
        value = distance.compare(p.detach(), q).mean()
        slopes.append(torch.autograd.grad(value, s)[0])
        values.append(value.detach())
    return torch.stack(values), torch.stack(slopes), torch.stack(seen)


def noise_of(image, h, sizes, purpose, step, draws):
    """The noise of each band, (draws, c, k of the band)."""
    channels = image.shape[0]
    streams = [Stream(SEED, photo_key(image), step, draw, purpose) for draw in range(draws)]
    numbers = philox.normal(streams, channels * sum(sizes), torch.float64).view(draws, channels, sum(sizes))
    return [part.reshape(draws, *band.shape[1:]) for part, band in zip(numbers.split(sizes, dim=2), h, strict=True)]


def random_masks(objective, seed=0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(objective.rows, objective.transform.count, generator=generator, dtype=torch.float64)


@pytest.fixture
def photos(make_photos):
    return make_photos(2, 32, torch.float64)


@pytest.fixture
def network(smooth_network):
    return smooth_network(torch.float64)


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_gradient_is_autograd_s(representation, clamp, distortion, photos, network, make_objective):
    objective = make_objective(representation, photos, network, clamp=clamp, distortion=distortion, seed=SEED)
    masks = random_masks(objective)
    gradient, value = objective.gradient(masks, STEP, DRAWS)
    expected_value, expected, seen = by_autograd(
        representation, photos, network, masks, clamp=clamp, distortion=distortion
    )
    torch.testing.assert_close(value, expected_value, rtol=1e-11, atol=1e-14)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-14)
    assert gradient.abs().max() > 1e-6
    outside = ((seen < 0) | (seen > 1)).double().mean()
    assert 0.01 < float(outside) < 0.9  # so that the clamp does something


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_gradient_is_that_of_finite_differences(representation, clamp, photos, network, make_objective):
    objective = make_objective(representation, photos, network, clamp=clamp, seed=SEED)
    masks = random_masks(objective) * 0.8 + 0.1
    gradient, _ = objective.gradient(masks, STEP, DRAWS)
    generator = torch.Generator().manual_seed(5)
    width = 1e-6
    for _ in range(5):
        direction = torch.randn(masks.shape, generator=generator, dtype=torch.float64)
        ends = [masks + sign * width * direction for sign in (1, -1)]
        if clamp:  # a corner between the two ends would be no one's fault
            sides = [by_autograd(representation, photos, network, end, clamp=True)[2] for end in ends]
            assert all(torch.equal(sides[0] < bound, sides[1] < bound) for bound in (0, 1))
        above, below = (objective.gradient(end, STEP, DRAWS)[1] for end in ends)
        torch.testing.assert_close((above - below) / (2 * width), (gradient * direction).sum(1), rtol=1e-5, atol=1e-9)
    # Single entries, among them the largest.
    for entry in (0, 37, int(gradient[0].abs().argmax())):
        direction = torch.zeros_like(masks)
        direction[:, entry] = 1
        above, below = (objective.gradient(masks + sign * 1e-5 * direction, STEP, DRAWS)[1] for sign in (1, -1))
        torch.testing.assert_close((above - below) / 2e-5, gradient[:, entry], rtol=1e-4, atol=1e-9)


def test_gradient_at_the_mask_of_ones_is_zero_for_the_squares(photos, network, make_objective):
    """At y = x no distortion of squares has a slope; the roots stay finite."""
    for name in ("label", "l2", "l2_root", "kl"):
        objective = make_objective(Pixel(), photos, network, clamp=False, distortion=name, seed=SEED)
        gradient, value = objective.gradient(torch.ones(2, 1024, dtype=torch.float64), 0, 3)
        assert value.abs().max() < 2e-6
        assert gradient.isfinite().all()
        if name != "kl":
            assert gradient.abs().max() < 1e-9


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_measure_is_the_distortion_on_fresh_draws(representation, photos, network, make_objective):
    objective = make_objective(representation, photos, network, seed=SEED)
    masks = random_masks(objective)
    value, reading = objective.measure(masks, 6)
    expected, _, seen = by_autograd(
        representation, photos, network, masks, clamp=True, purpose=MEASURE, step=0, draws=6
    )
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-14)
    for number in range(2):
        q = network(seen[number].clamp(0, 1)).softmax(1)[:, 1].mean()
        torch.testing.assert_close(reading[number, 0], q.detach(), rtol=1e-11, atol=1e-14)
    # Steps' draws are others.
    assert not torch.allclose(objective.gradient(masks, 0, 6)[1], value, rtol=1e-3)


@pytest.mark.parametrize("batch", [1, 100])
def test_sensitivity_is_autograd_s(batch, photos, network, make_objective):
    """With a wavelet that is not orthogonal: of one that is, the transpose of the synthesis is the analysis."""
    representation = Wavelet("bior2.2", levels=2, padding="symmetric")
    objective = make_objective(representation, photos, network, batch=batch)
    bands = [band.requires_grad_() for band in representation.analysis(photos)]
    probability = network(representation.synthesis(bands)).softmax(1)[:, 1]
    slopes = torch.autograd.grad(probability.sum(), bands)
    found = objective.sensitivity(Label([1, 1], lambda output: output.softmax(1)))
    torch.testing.assert_close(found, flat([slope.abs().mean(1) for slope in slopes], 1), rtol=1e-9, atol=1e-14)
    assert objective.evaluations == 2


@pytest.mark.parametrize("step", [0, 2])
def test_measured_draws_are_not_mirrored(step, photos, recorder, network, make_objective):
    """Each is a stream of its own, of its number and of the step, also where the optimisation's are in pairs."""
    eyes = recorder(network)
    objective = make_objective(Pixel(), photos[:1], eyes, clamp=False, seed=SEED, antithetic=True)
    eyes.seen.clear()
    objective.measure(torch.zeros(1, 1024, dtype=torch.float64), 5, step)
    streams = [Stream(SEED, photo_key(photos[0]), step, draw, MEASURE) for draw in range(5)]
    noise = philox.normal(streams, 3072, torch.float64).view(5, 3, 32, 32)
    expected = photos[0].mean() + photos[0].std() * noise
    torch.testing.assert_close(torch.cat(eyes.seen)[:5], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_measurement_does_not_depend_on_the_batch(batch, photos, network, make_objective):
    """Neither its distortions nor its mean reading, where a row's draws come in several batches."""
    whole = make_objective(WAVELET, photos, network, seed=SEED)
    masks = random_masks(whole)
    expected = whole.measure_draws(masks, 5)
    found = make_objective(WAVELET, photos, network, seed=SEED, batch=batch).measure_draws(masks, 5)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_steps_and_seeds_give_other_draws(photos, network, make_objective):
    objective = make_objective(Pixel(), photos, network, seed=SEED)
    masks = random_masks(objective)
    values = [objective.gradient(masks, step, DRAWS)[1] for step in (0, 1)]
    values.append(make_objective(Pixel(), photos, network, seed=SEED + 1).gradient(masks, 0, DRAWS)[1])
    assert len({round(float(value[0]), 12) for value in values}) == 3
    assert torch.equal(objective.gradient(masks, 0, DRAWS)[1], values[0])


def test_more_draws_continue_the_same_sequence(photos, network, make_objective):
    """The streams of the first draws do not depend on how many there are."""
    objective = make_objective(Pixel(), photos, network, seed=SEED)
    masks = random_masks(objective)
    few, many = objective.gradient(masks, 0, 2)[1], objective.gradient(masks, 0, 6)[1]
    expected = by_autograd(Pixel(), photos, network, masks, clamp=True, step=0, draws=6)[0]
    torch.testing.assert_close(many, expected, rtol=1e-11, atol=1e-14)
    assert not torch.allclose(few, many, rtol=1e-3)


@pytest.mark.parametrize("noise", [Noise("zero"), Noise("uniform"), Noise("gaussian", "linear")])
def test_other_noises(noise, photos, network, make_objective):
    """Against finite differences, which do not know how the noise is made."""
    objective = make_objective(WAVELET, photos, network, clamp=False, noise=noise, seed=SEED)
    masks = random_masks(objective)
    gradient, value = objective.gradient(masks, 0, 3)
    direction = torch.randn(masks.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    above, below = (objective.gradient(masks + sign * 1e-6 * direction, 0, 3)[1] for sign in (1, -1))
    torch.testing.assert_close((above - below) / 2e-6, (gradient * direction).sum(1), rtol=1e-5, atol=1e-9)
    # Without noise all draws are the same, and one is looked at.
    assert objective.evaluations == 3 * 2 * (1 if noise.kind == "zero" else 3)
    if noise.kind == "zero":
        kept = WAVELET.transform((32, 32), torch.float64)
        y = kept.synthesis(kept.analysis(photos) * masks[:, None])
        p, q = (network(images).softmax(1)[:, 1] for images in (photos, y))
        torch.testing.assert_close(value, (p - q).square().detach(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("draws", [1, 4, 5])
@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_antithetic_draws_are_mirror_images(draws, batch, photos, recorder, network, make_objective):
    """Every second draw is v mirrored at its mean, the pairs are drawn from the streams of half the number."""
    eyes = recorder(network)
    objective = make_objective(Pixel(), photos[:1], eyes, clamp=False, seed=SEED, antithetic=True, batch=batch)
    eyes.seen.clear()
    objective.gradient(torch.zeros(1, 1024, dtype=torch.float64), STEP, draws)
    seen = torch.cat(eyes.seen)
    assert len(seen) == draws
    mean, deviation = photos[0].mean(), photos[0].std()
    streams = [Stream(SEED, photo_key(photos[0]), STEP, pair) for pair in range((draws + 1) // 2)]
    halves = philox.normal(streams, 3072, torch.float64).view(-1, 3, 32, 32)
    for number, image in enumerate(seen):
        sign = -1 if number % 2 else 1
        torch.testing.assert_close(image, mean + sign * deviation * halves[number // 2], rtol=0, atol=1e-12)
    for pair in range(draws // 2):
        torch.testing.assert_close((seen[2 * pair] + seen[2 * pair + 1]) / 2, mean.expand(3, 32, 32))


def test_antithetic_gradient_is_that_of_finite_differences(photos, network, make_objective):
    objective = make_objective(WAVELET, photos, network, clamp=False, seed=SEED, antithetic=True, batch=3)
    masks = random_masks(objective)
    gradient, _ = objective.gradient(masks, 0, 5)
    direction = torch.randn(masks.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    above, below = (objective.gradient(masks + sign * 1e-6 * direction, 0, 5)[1] for sign in (1, -1))
    torch.testing.assert_close((above - below) / 2e-6, (gradient * direction).sum(1), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("batch", [1, 3, 7, 8])
def test_gradient_in_float32_does_not_depend_on_the_batch(
    representation, batch, make_photos, smooth_network, make_objective
):
    photos, network = make_photos(5), smooth_network()
    whole = make_objective(representation, photos, network, seed=SEED, batch=100)
    parts = make_objective(representation, photos, network, seed=SEED, batch=batch)
    masks = random_masks(whole).float()
    expected, value = whole.gradient(masks, 0, 6)
    gradient, other = parts.gradient(masks, 0, 6)
    assert ((gradient - expected).norm(dim=1) / expected.norm(dim=1)).max() < 1e-5
    torch.testing.assert_close(other, value, rtol=1e-5, atol=1e-8)
    for number in range(5):
        alone = make_objective(representation, photos[number : number + 1], network, seed=SEED, batch=batch)
        gradient, _ = alone.gradient(masks[number : number + 1], 0, 6)
        assert (gradient[0] - expected[number]).norm() / expected[number].norm() < 1e-5


def test_rows_of_one_photo_share_its_noise(photos, network, make_objective):
    rows = torch.tensor([0, 0, 1])
    objective = make_objective(WAVELET, photos, network, seed=SEED, photos=rows, targets=[1, 3, 2])
    masks = random_masks(objective)
    gradient, value = objective.gradient(masks, STEP, DRAWS)
    for row, (photo, target) in enumerate([(0, 1), (0, 3), (1, 2)]):
        expected_value, expected, _ = by_autograd(
            WAVELET, photos[photo][None], network, masks[row][None], clamp=True, target=target
        )
        torch.testing.assert_close(value[row], expected_value[0], rtol=1e-11, atol=1e-14)
        torch.testing.assert_close(gradient[row], expected[0], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("clamp", [True, False])
def test_masks_and_images_are_not_changed(clamp, photos, network, make_objective):
    before = photos.clone()
    objective = make_objective(Pixel(), photos, network, clamp=clamp)
    masks = random_masks(objective)
    copy = masks.clone()
    objective.gradient(masks, 0, 3)
    objective.measure(masks, 3)
    assert torch.equal(photos, before)
    assert torch.equal(masks, copy)
    assert not photos.requires_grad
    assert not masks.requires_grad


def test_evaluations_are_counted(photos, network, make_objective):
    objective = make_objective(Pixel(), photos, network, batch=3)
    masks = random_masks(objective)
    for step in range(3):
        objective.gradient(masks, step, 4)
    assert objective.evaluations == 3 * 4 * 2


def test_a_gradient_that_is_infinite_where_the_clamp_holds_does_not_leak(photos, make_objective):
    """A network may take a root: at 0 its slope is infinite, but a clamped pixel does not move."""

    def rooted(images: Tensor) -> Tensor:
        means = images.sqrt().mean((2, 3))
        return torch.cat((means, -means), 1) * 5

    # So that only the clamp makes zeros.
    images = photos * 0.9 + 0.05
    objective = make_objective(Pixel(), images, rooted, clamp=True, seed=SEED)
    masks = random_masks(objective)
    gradient, _ = objective.gradient(masks, STEP, DRAWS)
    _, expected, _ = by_autograd(Pixel(), images, rooted, masks, clamp=True)
    assert expected.isfinite().all()
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_the_brightness_and_its_slope_are_autograd_s(representation, photos, network, make_objective):
    objective = make_objective(representation, photos, network)
    masks = (2 * random_masks(objective)).requires_grad_()  # beyond 1, so that both clamps hold somewhere
    grey = representation.analysis(photos.mean(dim=1, keepdim=True))
    transform = representation.transform_of(photos)
    pictures = transform.synthesis(transform.join(grey) * masks.unsqueeze(1))
    expected = pictures.clamp(0, 1).abs().mean(dim=(1, 2, 3))
    (slope,) = torch.autograd.grad(expected.sum(), masks)
    found, found_slope = objective.brightness_and_slope(masks.detach())
    torch.testing.assert_close(found, expected.detach(), rtol=1e-11, atol=1e-14)
    torch.testing.assert_close(objective.brightness(masks.detach()), expected.detach(), rtol=1e-11, atol=1e-14)
    torch.testing.assert_close(found_slope, slope, rtol=1e-9, atol=1e-14)
    assert bool((pictures > 1).any())
    assert representation.name == "pixel" or bool((pictures < 0).any())
    assert slope.abs().max() > 1e-6


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_the_empty_mask_is_dark_and_the_full_one_has_the_photo_s_brightness(
    representation, photos, network, make_objective
):
    objective = make_objective(representation, photos, network, photos=torch.tensor([1, 0, 1]))
    masks = random_masks(objective)
    assert objective.brightness(torch.zeros_like(masks)).tolist() == [0, 0, 0]
    assert not objective.brightness_and_slope(torch.zeros_like(masks))[1].any()  # as autograd has it at 0
    expected = photos.mean(dim=(1, 2, 3))[[1, 0, 1]]
    torch.testing.assert_close(objective.brightness(torch.ones_like(masks)), expected, rtol=1e-11, atol=0)
    torch.testing.assert_close(objective.alone(1).brightness(masks[1:2]), objective.brightness(masks)[1:2])


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_grey_noise_is_one_draw_with_the_statistics_of_the_grey_image(
    representation, photos, recorder, network, make_objective
):
    eyes = recorder(network)
    options = {"clamp": False, "noise": Noise("uniform", grey=True), "seed": SEED}
    objective = make_objective(representation, photos, eyes, **options)
    eyes.seen.clear()
    objective.gradient(torch.zeros(2, objective.transform.count, dtype=torch.float64), STEP, 2)
    seen = torch.cat(eyes.seen).unflatten(0, (2, 2))
    transform = objective.transform
    for photo, images in zip(photos, seen, strict=True):
        grey = representation.analysis(photo.mean(dim=0)[None, None])
        streams = [Stream(SEED, photo_key(photo), STEP, draw) for draw in range(2)]
        draws = transform.split(2 * philox.uniform(streams, transform.count, torch.float64) - 1)
        v = [
            band.mean() + (band.std() if band.numel() > 1 else 0) * one.gain * draw
            for band, one, draw in zip(grey, transform.bands, draws, strict=True)
        ]
        expected = transform.synthesis(transform.join(v).unsqueeze(1)).expand_as(images)
        torch.testing.assert_close(images, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("antithetic", [True, False])
def test_the_gradient_under_grey_noise_is_that_of_finite_differences(antithetic, photos, network, make_objective):
    noise = Noise("uniform", grey=True)
    objective = make_objective(
        WAVELET, photos, network, clamp=False, noise=noise, seed=SEED, antithetic=antithetic, batch=3
    )
    masks = random_masks(objective)
    gradient, _ = objective.gradient(masks, 0, 5)
    direction = torch.randn(masks.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    above, below = (objective.gradient(masks + sign * 1e-6 * direction, 0, 5)[1] for sign in (1, -1))
    torch.testing.assert_close((above - below) / 2e-6, (gradient * direction).sum(1), rtol=1e-5, atol=1e-9)

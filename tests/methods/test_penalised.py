"""WaveletX, ShearletX and Smooth Pixel RDE: what they minimise, and that they are methods as the others are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rdexplain import CartoonX, PixelRDE, ShearletX, SmoothPixelRDE, WaveletX, as_model, load_explanation
from rdexplain.core.smoothing import averages
from rdexplain.errors import OptionError
from rdexplain.evaluation import Candidate, Settings, evaluate, subject
from rdexplain.methods import outcome
from rdexplain.render.scales import places_of, scales
from rdexplain.render.strip import strokes

WAVELETS = {"wavelet": "db2", "levels": 2}
METHODS = [
    pytest.param(WaveletX, WAVELETS, id="WaveletX"),
    pytest.param(ShearletX, {"scales": 2}, id="ShearletX"),
    pytest.param(SmoothPixelRDE, {}, id="SmoothPixelRDE"),
]
QUICK = {"steps": 4, "draws": 4, "step_size": 0.1}


@pytest.fixture(autouse=True)
def _few_fresh_draws(monkeypatch):
    monkeypatch.setattr(outcome, "FRESH_DRAWS", 12)
    monkeypatch.setattr(outcome, "EMPTY_DRAWS", 4)


def flat(explanation):
    return torch.cat([band.flatten(1) for band in explanation.mask], dim=1)


def model(images):
    return images.mean((2, 3))


@pytest.mark.parametrize(
    ("method", "sparsity", "spatial", "clamp", "representation"),
    [
        (WaveletX, 2, 10, True, {"representation": "wavelet", "wavelet": "db3", "levels": 5, "padding": "zero"}),
        (ShearletX, 1, 2, True, {"representation": "shearlet", "scales": 4, "sampled": True}),
        (SmoothPixelRDE, 1, 0, False, {"representation": "pixel", "smooth": 1 / 32}),
    ],
)
def test_the_paper_s_table(method, sparsity, spatial, clamp, representation):
    found = method(model, preset="paper").record()
    expected = {
        "steps": 300,
        "draws": 16,
        "step_size": 0.1,
        "schedule": "constant",
        "betas": [0.9, 0.999],
        "init": "ones",
        "noise": "uniform",
        "grey_noise": True,
        "distortion": "maximise_label",
        "sparsity": sparsity,
        "spatial": spatial,
        "clamp": clamp,
        **representation,
    }
    assert {name: found[name] for name in expected} == expected
    fast = method(model).record()
    assert (fast["preset"], fast["distortion"], fast["noise"]) == ("fast", "label", "uniform")
    assert (fast["sparsity"], fast["spatial"]) == (sparsity, spatial)
    assert (fast["steps"], fast["draws"], fast["init"]) == (97, 4, "ones")


def test_the_others_have_no_spatial_penalty_unless_it_is_asked_for():
    for method in (CartoonX, PixelRDE):
        found = method(model).record()
        assert (found["spatial"], found["grey_noise"], found["smooth"], found["noise"]) == (0, False, 0, "gaussian")
    assert CartoonX(model, spatial=3).record()["spatial"] == 3
    for value in (-1, float("nan")):
        with pytest.raises(OptionError, match="spatial must be a number of at least 0"):
            WaveletX(model, spatial=value)
    with pytest.raises(OptionError, match="smoothness must be a number"):
        SmoothPixelRDE(model, smoothness=-0.1)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_the_objective_is_the_sum_of_its_parts(method, options, make_photos, smooth_network):
    photos = make_photos(2)
    found = method(smooth_network(), **options, **QUICK, spatial=0.5).explain(photos, 1)
    grey = photos.mean(dim=1, keepdim=True)
    transform = found.representation.transform_of(photos)
    kept = transform.analysis(grey) * flat(found).unsqueeze(1)
    brightness = transform.synthesis(kept).clamp(0, 1).mean(dim=(1, 2, 3))
    expected = found.distortion + found.options["sparsity"] * found.non_sparsity + 0.5 * brightness
    torch.testing.assert_close(found.objective, expected)
    torch.testing.assert_close(found.brightness, brightness)
    record = found.record(1)
    assert record["spatial"] == 0.5
    assert record["brightness"] == pytest.approx(float(brightness[1]), rel=1e-5)
    assert "brightness" not in CartoonX(smooth_network(), **WAVELETS, steps=0).explain(photos, 1).record(0)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_the_empty_mask_has_no_penalty(method, options, make_photos, smooth_network):
    start = method(smooth_network(), **options).representation.transform((32, 32), torch.float32)
    empty = start.split(torch.zeros(start.count))
    found = method(smooth_network(), **options, steps=0, init=empty).explain(make_photos(2), 1)
    torch.testing.assert_close(found.objective, found.distortion)


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_a_photo_s_mask_is_the_same_to_the_last_bit_in_any_batch(method, options, preset, make_photos, smooth_network):
    photos, network = make_photos(3), smooth_network()
    explainer = method(network, preset=preset, **options, **QUICK)
    together = explainer.explain(photos, [[1], [2], [0]], repeats=2)
    for place, target in enumerate((1, 2, 0)):
        alone = explainer.explain(photos[place : place + 1], target, repeats=2)
        assert torch.equal(flat(alone)[0], flat(together)[place])
        assert torch.equal(alone.objective[0], together.objective[place])
    assert flat(together).std() > 0.001


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_a_spatial_penalty_makes_darker_pictures(method, options, make_photos, smooth_network):
    settings = {**options, "steps": 40, "draws": 2, "step_size": 0.1, "sparsity": 0.01}
    light, dark = (
        method(smooth_network(), **settings, spatial=weight).explain(make_photos(2), 1) for weight in (0.0, 0.1)
    )
    assert (dark.brightness < 0.8 * light.brightness).all()


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_they_come_back_from_a_file(method, options, make_photos, smooth_network, tmp_path):
    found = method(smooth_network(), **options, **QUICK).explain(make_photos(2), 1)
    found.save(tmp_path / "it")
    again = load_explanation(tmp_path / "it")
    assert torch.equal(flat(again), flat(found))
    torch.testing.assert_close(again.picture_colour, found.picture_colour)
    torch.testing.assert_close(again.brightness, found.brightness)
    assert again.record(1) == found.record(1)


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize("bound", [{"max_distortion": 0.02}, {"rate": 0.2}])
def test_a_bound_scales_both_weights(method, options, bound, make_photos, smooth_network):
    found = method(smooth_network(), **options, steps=12, draws=2, step_size=0.1, **bound).explain(make_photos(2), 1)
    ratio = found.options["spatial"] / found.options["sparsity"]
    expected = found.distortion + found.sparsity * (found.non_sparsity + ratio * found.brightness)
    torch.testing.assert_close(found.objective, expected, rtol=1e-4, atol=1e-6)
    if ratio:
        assert found.record(0)["spatial"] == pytest.approx(ratio * float(found.sparsity[0]))


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_attributions_have_the_shape_of_the_images(method, options, make_photos, smooth_network):
    photos = make_photos(1)
    assert method(smooth_network(), **options, **QUICK).attribute(photos, 1).shape == photos.shape


@pytest.mark.parametrize("steps", [1, 30])
def test_a_smooth_mask_is_smooth(steps, make_photos, smooth_network):
    """A mean of numbers in [0, 1] under a Gaussian changes little from place to place."""
    settings = {"steps": steps, "draws": 2, "step_size": 0.5, "smoothness": 1 / 8}
    mask = SmoothPixelRDE(smooth_network(), **settings).explain(make_photos(2), 1).mask[0]
    rough = SmoothPixelRDE(smooth_network(), **{**settings, "smoothness": 0}).explain(make_photos(2), 1).mask[0]
    most = 1 / (4 * (2 * torch.pi) ** 0.5)  # the Gaussian's greatest value, with a deviation of 4 pixels
    for axis in (1, 2):
        assert float(mask.diff(dim=axis).abs().max()) < 1.3 * most  # at the border the mean has fewer neighbours
    assert steps == 1 or rough.diff(dim=1).abs().max() > 2 * most
    assert float(mask.min()) >= 0
    assert float(mask.max()) <= 1


def test_the_averages_are_averages():
    matrix = averages(20, 2.5)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(20, dtype=torch.float64))
    assert (matrix >= 0).all()
    place = torch.arange(20, dtype=torch.float64)
    spread = (matrix[10] * (place - 10).square()).sum().sqrt()
    assert float(spread) == pytest.approx(2.5, rel=0.02)


@pytest.mark.parametrize(
    ("method", "options", "domains"),
    [
        pytest.param(WaveletX, WAVELETS, {"pixel", "wavelet"}, id="WaveletX"),
        pytest.param(ShearletX, {"scales": 2}, {"pixel", "shearlet"}, id="ShearletX"),
        pytest.param(SmoothPixelRDE, {}, {"pixel"}, id="SmoothPixelRDE"),
    ],
)
def test_the_evaluation_ranks_them_where_they_live_and_in_pixels(method, options, domains, make_photos, smooth_network):
    photos, network = make_photos(1), smooth_network()
    found = method(network, **options, **QUICK).explain(photos, 1)
    settings = Settings(percentages=(0, 50, 100), draws=2, domains=("own", "pixel"), scores=())
    with subject(as_model(network), photos, 1) as rows:
        curves = evaluate(rows, Candidate(found), settings).curves
    assert {key.entry.domain for key in curves} == domains
    for key, curve in curves.items():
        nothing, everything = (curve.measures["label"][place] for place in (0, -1))
        if key.mode == "keep":
            assert everything < 1e-6 < nothing


def test_the_panel_shows_where_shearlets_are_kept(make_photos, smooth_network):
    found = ShearletX(smooth_network(), scales=2, **QUICK).explain(make_photos(1, (32, 40)), 1)
    low, coarse, fine = scales(found)
    assert (low.name, coarse.name, fine.name) == ("low-pass", "16\u00a0px", "4\u00a0px")
    assert (coarse.step, fine.step) == (2, 1)
    assert fine.entries.shape == (32, 40)
    places = places_of(found)
    assert places == [0] + [1] * 4 + [2] * 8
    entries = torch.cat([band.flatten() for band, place in zip(found.mask, places, strict=True) if place == 2])
    assert fine.kept == pytest.approx(float(entries.mean()), rel=1e-5)
    assert coarse.extent(32, 40) == (0, 40, 32, 0)
    assert found.plot().axes
    assert replace(found, mask=[torch.zeros_like(band) for band in found.mask]).plot().axes  # no stroke at all


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize(("place", "number"), [(1, 0), (1, 1), (1, 3), (2, 1), (2, 4), (2, 7)])
def test_strokes_lie_across_the_wave_of_their_coefficient(sampled, place, number, make_photos, smooth_network):
    """Against the direction in which most of the energy of one coefficient's picture oscillates."""
    found = ShearletX(smooth_network(), scales=2, sampled=sampled, **QUICK).explain(make_photos(1, (32, 40)), 1)
    bands = [torch.zeros_like(band) for band in found.mask]
    band = bands[[0, 1, 5][place] + number] if sampled else bands[place][:, number]
    row, column = band.shape[-2] // 2, band.shape[-1] // 2
    band[0, row, column] = 1
    transform = found.representation.transform_of(found.images)
    picture = transform.synthesis(transform.join(bands)[:, None])[0, 0].double()
    y, x = torch.meshgrid(torch.fft.fftfreq(32), torch.fft.fftfreq(40), indexing="ij")
    waves = torch.nn.functional.normalize(torch.stack([x.flatten(), y.flatten()]).double(), dim=0)
    energy = torch.fft.fft2(picture).abs().square().flatten()
    across = torch.linalg.eigh(energy * waves @ waves.mT).eigenvectors[:, -1]
    middles, values = strokes(scales(replace(found, mask=bands))[place], (32, 40))
    assert values.tolist() == [1]
    x, y, dx, dy = middles[0]
    assert abs(float(across @ torch.tensor([dx, dy]))) < 0.2 * (dx**2 + dy**2) ** 0.5
    height, width = band.shape[-2:]
    assert (x, y) == pytest.approx((column * 40 / width, row * 32 / height), abs=2)


def test_segmentations_keep_the_label_under_the_published_preset():
    """What the study says for regions is of CartoonX and Pixel RDE; the published distortion is for classes alone."""
    regions = as_model(model, task="segmentation")
    found, studied = (method(regions, preset="paper").record() for method in (WaveletX, CartoonX))
    assert (found["distortion"], found["steps"], found["sparsity"]) == ("label", 300, 2)
    assert (studied["steps"], studied["sparsity"]) == (1000, 2)

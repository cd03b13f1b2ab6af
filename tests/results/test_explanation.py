"""What an explanation holds, and that its numbers are what they are called."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import pywt
import torch

import rdexplain as rx
from rdexplain import CartoonX, Explanation, PixelRDE
from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.errors import OptionError
from rdexplain.results.explanation import mask_picture

SETTINGS = {"preset": "paper", "steps": 5, "draws": 3, "sparsity": 0.3, "step_size": 0.1, "seed": 4}
SIZE = (37, 42)


@pytest.fixture(scope="module")
def network():
    def network(images):
        corners = (images[:, :, :18, :20], images[:, :, 18:, :20], images[:, :, :18, 20:], images[:, :, 18:, 20:])
        means = torch.stack([corner.mean((2, 3)) for corner in corners], dim=1)
        return torch.tanh(6 * (means - 0.5)).flatten(1) * 3

    return network


@pytest.fixture(scope="module")
def photos():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 5, 5, generator=generator)
    noisy = torch.nn.functional.interpolate(coarse, size=SIZE, mode="bilinear")
    return (noisy + 0.2 * torch.rand(2, 3, *SIZE, generator=generator)) / 1.2


@pytest.fixture(scope="module")
def cartoon(network, photos):
    method = CartoonX(rx.as_model(network, name="tiny", classes=[f"c{i}" for i in range(12)]), levels=2, **SETTINGS)
    return method.explain(photos, [[3, 7], [0, 11]], samples=4, photos=["a.jpg", None])


@pytest.fixture(scope="module")
def pixel(network, photos):
    return PixelRDE(rx.as_model(network, name="tiny"), **SETTINGS).explain(photos)


def test_shapes_of_a_wavelet(cartoon, photos):
    low, coarse, fine = cartoon.mask
    wavelets = pywt.wavedec2(np.zeros(SIZE), "db3", mode="zero", level=2)
    assert low.shape == (4, *wavelets[0].shape)
    assert coarse.shape == (4, 3, *wavelets[1][0].shape)
    assert fine.shape == (4, 3, *wavelets[2][0].shape)
    assert cartoon.picture.shape == (4, 1, *SIZE)
    assert cartoon.picture_colour.shape == cartoon.images.shape == (4, 3, *SIZE)
    assert cartoon.samples.shape == (4, 4, 3, *SIZE)
    assert cartoon.sample_probabilities.shape == (4, 4, 12)
    for name in ("distortion", "non_sparsity", "objective", "empty_distortion", "collapsed", "target", "photo"):
        assert getattr(cartoon, name).shape == (4,), name
    assert cartoon.probability.shape == cartoon.kept_probability.shape == (4,)
    assert {name: curve.shape for name, curve in cartoon.history.items()} == {
        "distortion": (5, 4),
        "non_sparsity": (5, 4),
    }
    assert len(cartoon) == 4
    assert cartoon.photo.tolist() == [0, 0, 1, 1]
    assert cartoon.photos == ("a.jpg", "a.jpg", None, None)
    assert cartoon.target.tolist() == [3, 7, 0, 11]
    assert cartoon.labels == ("c3", "c7", "c0", "c11")
    assert torch.equal(cartoon.images, photos[[0, 0, 1, 1]])
    assert cartoon.collapsed.dtype == torch.bool


def test_shapes_of_pixels(pixel, photos, network):
    assert [band.shape for band in pixel.mask] == [(2, *SIZE)]
    assert torch.equal(pixel.picture[:, 0], pixel.mask[0])
    torch.testing.assert_close(pixel.picture_colour, photos * pixel.mask[0][:, None])
    assert torch.equal(pixel.target, network(photos).argmax(1))
    assert pixel.labels == tuple(f"class {index}" for index in pixel.target.tolist())
    assert pixel.samples is None
    assert pixel.sample_probabilities is None
    assert pixel.photos == (None, None)


def test_nothing_carries_a_graph(cartoon):
    tensors = [value for value in vars(cartoon).values() if isinstance(value, torch.Tensor)] + cartoon.mask
    assert not any(tensor.requires_grad for tensor in tensors)
    assert all(tensor.device.type == "cpu" for tensor in tensors)
    assert all(((band >= 0) & (band <= 1)).all() for band in cartoon.mask)


def test_figures_agree_with_each_other(cartoon, pixel):
    for explanation in (cartoon, pixel):
        flat = torch.cat([band.flatten(1) for band in explanation.mask], dim=1)
        torch.testing.assert_close(explanation.non_sparsity, flat.mean(1))
        torch.testing.assert_close(explanation.objective, explanation.distortion + 0.3 * explanation.non_sparsity)
        assert (explanation.steps, explanation.draws, explanation.seed) == (5, 3, 4)
        assert (explanation.network_evaluations == 15).all()
        assert (explanation.measurements >= 256 + 32).all()
        assert explanation.seconds > 0
        assert explanation.device == "cpu"


def test_probabilities_are_the_model_s(cartoon, network, photos):
    p = network(photos).softmax(1)
    torch.testing.assert_close(cartoon.probability, p[cartoon.photo, cartoon.target])
    flat = cartoon.samples.flatten(0, 1)
    torch.testing.assert_close(cartoon.sample_probabilities.flatten(0, 1), network(flat).softmax(1))


def test_samples_and_distortion_by_hand(cartoon, network):
    """Other draws, the same distribution: y = clamp(waverec2(s h + (1 - s) v)) with NumPy's own normal numbers."""
    generator = np.random.default_rng(0)
    for row in range(4):
        image, bands = cartoon.images[row].numpy(), [band[row].numpy() for band in cartoon.mask]
        low, *details = pywt.wavedec2(image, "db3", mode="zero", level=2)
        h = [low, *(np.stack(detail, axis=1) for detail in details)]  # (c, 3, h, w)
        images = []
        for _ in range(400):
            v = [x.mean() + x.std(ddof=1) * generator.standard_normal(x.shape) for x in h]
            y = [s * x + (1 - s) * n for s, x, n in zip(bands, h, v, strict=True)]
            mixed = pywt.waverec2([y[0], *(tuple(np.moveaxis(x, 1, 0)) for x in y[1:])], "db3", mode="zero")
            images.append(mixed[:, : SIZE[0], : SIZE[1]].clip(0, 1))
        images = torch.tensor(np.stack(images), dtype=torch.float32)
        target = int(cartoon.target[row])
        q = network(images).softmax(1)[:, target]
        distances = (cartoon.probability[row] - q).square()
        error = float(distances.std()) * (1 / 256 + 1 / 400) ** 0.5
        assert abs(float(distances.mean() - cartoon.distortion[row])) < 5 * error
        error = float(q.std()) * (1 / 256 + 1 / 400) ** 0.5
        assert abs(float(q.mean() - cartoon.kept_probability[row])) < 5 * error
        assert torch.allclose(cartoon.samples[row].mean(), images.mean(), atol=0.02)
        assert torch.allclose(cartoon.samples[row].std(0).mean(), images.std(0).mean(), rtol=0.25)
    assert cartoon.samples.min() == 0
    assert cartoon.samples.max() == 1


def test_samples_differ_and_can_be_had_again(network, photos):
    method = PixelRDE(network, **{**SETTINGS, "steps": 0}, init=torch.zeros(SIZE))
    few, many = (method.explain(photos, 1, samples=count).samples for count in (2, 5))
    assert torch.equal(few, many[:, :2])
    assert not torch.equal(many[:, 0], many[:, 1])
    # The pixel method does not clamp.
    assert many.min() < 0
    assert many.max() > 1


def test_the_picture_is_the_inverse_of_the_masked_grey_coefficients(cartoon):
    for row in range(4):
        bands = [band[row].double().numpy() for band in cartoon.mask]

        def picture(image, bands=bands):
            low, *details = pywt.wavedec2(image, "db3", mode="zero", level=2)
            kept = [low * bands[0]]
            kept += [
                tuple(d * s for d, s in zip(one, band, strict=True))
                for one, band in zip(details, bands[1:], strict=True)
            ]
            return pywt.waverec2(kept, "db3", mode="zero")[: SIZE[0], : SIZE[1]].clip(0, 1)

        image = cartoon.images[row].double().numpy()
        np.testing.assert_allclose(cartoon.picture[row, 0].numpy(), picture(image.mean(0)), atol=1e-5)
        colour = np.stack([picture(channel) for channel in image])
        np.testing.assert_allclose(cartoon.picture_colour[row].numpy(), colour, atol=1e-5)


def test_the_picture_is_clamped():
    """Details alone go below zero, and so does a low-pass alone beside an edge."""
    representation = Wavelet("db3", levels=2)
    edge = (torch.arange(SIZE[1]) > 20).float().expand(1, 3, *SIZE)
    transform = representation.transform_of(edge)
    for kept in (0, 1):
        mask = [
            torch.full((1, *band.shape), float((number > 0) == kept)) for number, band in enumerate(transform.bands)
        ]
        low, *details = pywt.wavedec2(edge[0, 0].numpy(), "db3", mode="zero", level=2)
        details = [tuple(x * kept for x in detail) for detail in details]
        expected = pywt.waverec2([low * (1 - kept), *details], "db3", mode="zero")[: SIZE[0], : SIZE[1]]
        assert expected.min() < -0.005
        found = mask_picture(representation, edge, mask)[0, 0]
        np.testing.assert_allclose(found.numpy(), expected.clip(0, 1), rtol=0, atol=1e-5)


def test_picture_at(cartoon):
    large = cartoon.picture_at(100, 150)
    assert large.shape == (4, 1, 100, 150)
    assert large.min() >= 0
    assert large.max() <= 1
    assert torch.equal(cartoon.picture_at(*SIZE), cartoon.picture)
    assert float(large.mean()) == pytest.approx(float(cartoon.picture.mean()), abs=0.01)


def test_one_row(cartoon):
    for row in (0, 2, -1):
        one = cartoon[row]
        assert isinstance(one, Explanation)
        assert len(one) == 1
        place = row % 4
        assert torch.equal(one.distortion, cartoon.distortion[place : place + 1])
        assert all(torch.equal(a[0], b[place]) for a, b in zip(one.mask, cartoon.mask, strict=True))
        assert torch.equal(one.history["distortion"], cartoon.history["distortion"][:, place : place + 1])
        assert one.labels == (cartoon.labels[place],)
        assert one.photos == (cartoon.photos[place],)
        assert torch.equal(one.samples[0], cartoon.samples[place])
        torch.testing.assert_close(one.picture_colour[0], cartoon.picture_colour[place], rtol=0, atol=1e-5)
        assert one.record() == cartoon.record(place)
    for row in (4, -5):
        with pytest.raises(IndexError, match=f"row {row} of 4: the first is 0"):
            cartoon[row]
        with pytest.raises(IndexError, match=f"row {row} of 4: the first is 0"):
            cartoon[[0, row]]
    assert [one.labels[0] for one in cartoon] == ["c3", "c7", "c0", "c11"]


def test_some_rows(cartoon):
    for part in (slice(1, 3), slice(None, None, -2), slice(2, 2), [3, 0], [-1], []):
        some, places = cartoon[part], list(range(4))[part] if isinstance(part, slice) else [row % 4 for row in part]
        assert len(some) == len(places)
        assert torch.equal(some.target, cartoon.target[places])
        assert torch.equal(some.history["distortion"], cartoon.history["distortion"][:, places])
        assert [some.record(row) for row in range(len(some))] == [cartoon.record(place) for place in places]


def test_record(cartoon, pixel):
    record = cartoon.record(1)
    wanted = {
        "photo",
        "model",
        "method",
        "target",
        "distortion",
        "non_sparsity",
        "objective",
        "steps",
        "draws",
        "network_evaluations",
        "seconds",
        "seed",
        "device",
        "options",
        "versions",
    }
    assert wanted <= record.keys()
    assert {"kind", "index", "label", "probability"} <= record["target"].keys()
    assert record["target"]["kind"] == "label"
    assert (record["target"]["index"], record["target"]["label"]) == (7, "c7")
    assert record["target"]["probability"] == float(cartoon.probability[1])
    assert (record["photo"], record["model"], record["method"]) == ("a.jpg", "tiny", "cartoonx")
    assert pixel.record()["method"] == "pixel_rde"
    assert pixel.record()["photo"] is None
    assert record["distortion"] == float(cartoon.distortion[1])
    assert record["collapsed"] == bool(cartoon.collapsed[1])
    assert (record["steps"], record["draws"], record["seed"], record["device"]) == (5, 3, 4, "cpu")
    assert record["versions"]["rdexplain"] == rx.__version__
    assert {"python", "torch", "numpy", "PyWavelets"} <= record["versions"].keys()
    options = record["options"]
    assert (options["wavelet"], options["levels"], options["padding"]) == ("db3", 2, "zero")
    assert (options["sparsity"], options["step_size"], options["steps"]) == (0.3, 0.1, 5)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_representation(cartoon, pixel):
    assert repr(cartoon.representation) == repr(Wavelet("db3", levels=2))
    assert isinstance(pixel.representation, Pixel)
    with pytest.raises(OptionError, match="unknown representation"):
        _ = Explanation(**{**vars(pixel), "options": {}}).representation


def test_repr(cartoon):
    assert re.fullmatch(r"Explanation\(cartoonx of tiny: c3 D=0\.\d{4} non-sparsity=\d\.\d{4}, c7 .*\)", repr(cartoon))


def test_no_steps(network, photos):
    found = PixelRDE(network, preset="paper", steps=0).explain(photos)
    assert not found.network_evaluations.any()
    assert found.history["distortion"].shape == (0, 2)
    assert found.distortion.max() < 1e-10
    assert (found.non_sparsity == 1).all()
    json.dumps(found.record(), allow_nan=False)


def test_zero_noise(network, photos):
    """There is one draw only; the kept part is the synthesis of the masked coefficients."""
    found = CartoonX(network, levels=2, noise="zero", **SETTINGS).explain(photos, 3, samples=2)
    torch.testing.assert_close(found.samples[:, 0], found.picture_colour, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.samples[:, 0], found.samples[:, 1], rtol=0, atol=1e-5)
    q = network(found.picture_colour).softmax(1)[:, 3]
    torch.testing.assert_close(found.kept_probability, q, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.distortion, (found.probability - q).square(), rtol=1e-3, atol=1e-6)

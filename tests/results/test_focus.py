"""How much of an explanation lies inside a box or region, against sums over the photo's own pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import pywt
import torch

import rdexplain as rx
from rdexplain.errors import OptionError
from rdexplain.results.focus import energy, focus, in_boxes, retained


@pytest.fixture
def boxed(smooth_network):
    """A pixel mask of a photo of 12 x 16 pixels with bars above and below; the object is on the left."""
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images[..., :2, :] = images[..., 14:, :] = 114 / 255
    one = rx.PixelRDE(rx.as_model(smooth_network()), steps=1, draws=1).explain(images)
    mask = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(1))
    frame = {"frame": [2, 0, 12, 16]}
    return replace(one, mask=[mask], box=torch.tensor([[0.0, 0.0, 4.0, 8.0]]), options=one.options | frame)


def test_bars_count_nowhere(boxed):
    image, mask = boxed.images[0], boxed.mask[0][0]
    plain = (image - image.mean(dim=(1, 2), keepdim=True)).square().sum(dim=0)
    kept = plain * mask.square()
    found = focus(boxed)
    assert float(found.area) == pytest.approx(6 * 4 / (12 * 16))
    assert float(found.kept) == pytest.approx(float(kept[2:8, :4].sum() / kept[2:14].sum()), rel=1e-5)
    assert float(found.photo) == pytest.approx(float(plain[2:8, :4].sum() / plain[2:14].sum()), rel=1e-5)


def test_a_wavelet_s_energy_is_that_of_its_details(smooth_network):
    """By PyWavelets: the squares of what the mask keeps of the details, summed over the channels."""
    images = torch.rand(1, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    method = rx.CartoonX(rx.as_model(smooth_network()), levels=2, wavelet="haar", steps=1, draws=1)
    one = method.explain(images)
    random = torch.Generator().manual_seed(1)
    one = replace(one, mask=[torch.rand(band.shape, generator=random) for band in one.mask])
    expected = 0
    for channel in images[0].numpy():
        low, *details = pywt.wavedec2(channel, "haar", mode="zero", level=2)
        kept = [tuple(d * s[0].numpy()) for d, s in zip(map(np.stack, details), one.mask[1:], strict=True)]
        expected = expected + pywt.waverec2([low * 0, *kept], "haar", mode="zero") ** 2
    found = energy(one, one.mask)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    place = np.zeros((16, 12), dtype=bool)
    place[3:9, 2:7] = True
    share = float(focus(one, torch.from_numpy(place)[None]).kept)
    assert share == pytest.approx(expected[place].sum() / expected.sum(), rel=1e-4)


def test_other_places_can_be_asked_for(boxed):
    rest = ~in_boxes(boxed.box, 16, 16)
    own, others = focus(boxed), focus(boxed, rest)
    for name in ("kept", "photo", "area"):
        assert float(getattr(own, name) + getattr(others, name)) == pytest.approx(1, abs=1e-5)
    with pytest.raises(OptionError, match="neither a region nor a box"):
        focus(replace(boxed, box=None))


def test_what_is_kept_of_a_place(boxed):
    whole = energy(boxed, [torch.ones_like(boxed.mask[0])])
    place = torch.zeros(1, 16, 16, dtype=torch.bool)
    place[:, 5, 7] = True
    expected = boxed.mask[0][0, 5, 7].square()
    assert float(retained(boxed, place)) == pytest.approx(float(expected), rel=1e-4)
    assert bool((whole[:, 5, 7] > 0).all())
    bars = torch.zeros(1, 16, 16, dtype=torch.bool)
    bars[:, :2] = True
    assert bool(retained(boxed, bars).isnan())

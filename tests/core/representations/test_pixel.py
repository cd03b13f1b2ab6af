"""Pixels: the identity with a mask that the channels share."""

from __future__ import annotations

import pytest
import torch

from rdexplain.core.representations import Band, Pixel
from rdexplain.errors import OptionError


def test_is_the_identity():
    images = torch.rand(2, 3, 7, 5)
    (band,) = Pixel().analysis(images)
    assert torch.equal(band, images)
    assert torch.equal(Pixel().synthesis([band * 0.5]), images * 0.5)


def test_transform_counts_pixels_once_for_all_channels():
    transform = Pixel().transform((7, 5), torch.float32)
    assert transform.count == 35
    assert transform.bands == (Band((7, 5), 0),)
    images = torch.rand(2, 3, 7, 5)
    assert transform.analysis(images).shape == (2, 3, 35)
    assert torch.equal(transform.synthesis(transform.analysis(images)), images)
    assert torch.equal(transform.adjoint(images), transform.analysis(images))
    (band,) = transform.split(torch.rand(2, 35))
    assert band.shape == (2, 7, 5)


def test_the_order_of_pixels_is_row_by_row():
    transform = Pixel().transform((2, 3), torch.float32)
    assert transform.split(torch.arange(6.0)[None])[0][0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_one_band_only():
    with pytest.raises(OptionError, match="one band of coefficients, got 2"):
        Pixel().synthesis([torch.zeros(1, 3, 4, 4)] * 2)
    assert Pixel().options() == {"representation": "pixel"}
    assert repr(Pixel()) == "Pixel()"

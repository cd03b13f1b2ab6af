"""Arrays, Pillow's images and photos as a batch, value by value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from rdexplain.photos.arrays import as_images


def numbers(*shape):
    """0, 1, 2, ... from 0 to 255, all different."""
    return np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((2, 5, 3), (2, 0, 1)),
        ((3, 2, 5), (0, 1, 2)),
        ((3, 5, 3), (0, 1, 2)),  # of two axes that may be the channels the first one is
        ((2, 5, 1), (2, 0, 1)),
        ((1, 2, 5), (0, 1, 2)),
        ((4, 2, 5, 1), (0, 3, 1, 2)),
        ((4, 1, 2, 5), (0, 1, 2, 3)),
    ],
)
def test_the_channels_are_found(shape, axes):
    array = numbers(*shape)
    expected = torch.from_numpy(array.transpose(axes)).float() / 255
    assert torch.equal(as_images(array), expected if len(shape) == 4 else expected[None])


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_and_a_tuple_of_images_are_a_batch(kind):
    array = numbers(2, 5, 3)
    found = as_images(kind([array, Image.fromarray(array), array.astype(np.float32) / 255]))
    assert torch.equal(found, torch.from_numpy(array).permute(2, 0, 1).expand(3, 3, 2, 5) / 255)


def test_an_array_that_is_read_backwards():
    """PyTorch takes no array with steps below 0, as a mirrored one has."""
    array = numbers(3, 2, 5)
    assert torch.equal(as_images(array[:, :, ::-1]), torch.from_numpy(array).flip(2)[None] / 255)


def test_an_image_of_pillow_is_turned_upright_and_put_on_white():
    """Orientation 3 is upside down; of 51 of 255 opacity black is 204 on white."""
    image = Image.fromarray(np.array([[[0, 0, 0, 51], [0, 0, 255, 255]]], dtype=np.uint8), "RGBA")
    image.getexif()[0x0112] = 3
    expected = torch.tensor([[0.0, 0.8], [0.0, 0.8], [1.0, 0.8]]).view(1, 3, 1, 2)
    assert torch.equal(as_images(image), expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [">f4", "<f8", np.longdouble, np.float16])
def test_floats_of_any_kind(kind):
    values = np.linspace(0, 1, 12).reshape(1, 3, 2, 2).astype(kind)
    values.flags.writeable = False
    found = as_images(values)
    assert found.dtype == (torch.float32 if values.dtype.itemsize <= 4 else torch.float64)
    assert found.numpy() == pytest.approx(values.astype(float))

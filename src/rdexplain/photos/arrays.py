"""Converts arrays, Pillow's images and photos to tensors (n, c, h, w) of floats in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.photos.images import Photo, to_tensor, upright

Images: TypeAlias = Tensor | np.ndarray | Image.Image | Photo | Sequence[np.ndarray | Image.Image | Photo]
"""One image or several."""
_CHANNELS = (1, 3)


def as_images(images: Any) -> Any:
    """Images as a batch (n, c, h, w); tensors and anything that is no image are returned unchanged.

    Args:
        images: a NumPy array (h, w, c), (c, h, w) or with n images in front, of 8 bits or of floats in [0, 1]; an image
            of Pillow, turned upright and on white where it is transparent; a `Photo`; or a list of these. One image is
            a batch of one.

    Raises:
        OptionError: an array of another shape or type, images of different sizes, or an empty list.
    """
    if isinstance(images, np.ndarray):
        return _of_array(images)
    if isinstance(images, (Image.Image, Photo)):
        return _of_one(images)
    if not isinstance(images, (list, tuple)) or not all(isinstance(one, _KINDS) for one in images):
        return images
    if not images:
        raise OptionError("the list of images is empty")
    parts = [_of_one(one) for one in images]
    sizes = sorted({tuple(part.shape[1:]) for part in parts})
    if len(sizes) > 1:
        raise OptionError(f"images of one batch must be alike, not {sizes[0]} and {sizes[1]}: resize them first")
    return torch.cat(parts)


_KINDS = (np.ndarray, Image.Image, Photo)


def _of_one(image: np.ndarray | Image.Image | Photo) -> Tensor:
    if isinstance(image, Photo):
        return image.pixels[None]
    return _of_array(image) if isinstance(image, np.ndarray) else to_tensor(upright(image))[None]


def _of_array(array: np.ndarray) -> Tensor:
    batch = array[None] if array.ndim == 3 else array
    if batch.ndim != 4 or not {batch.shape[1], batch.shape[3]} & set(_CHANNELS):
        raise OptionError(f"an array of images is (h, w, 3), (3, h, w) or n of them, not {array.shape}")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise OptionError(f"an array of images is of 8 bits or of floats in [0, 1], not {array.dtype}")
    if batch.shape[1] not in _CHANNELS:
        batch = np.moveaxis(batch, -1, 1)
    if array.dtype == np.uint8:
        return torch.from_numpy(np.array(batch)).to(torch.float32).div(255)
    # A copy in a type that PyTorch has: an array may be read-only, of another byte order, or of 80 bits.
    return torch.from_numpy(np.array(batch, np.float32 if array.dtype.itemsize <= 4 else np.float64))

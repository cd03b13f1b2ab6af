"""Checks of a caller's arguments; each error is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import OptionError, PhotoError


def check_images(images: Any) -> Tensor:
    """Images (n, c, h, w), floating point and finite, or an error that says what they are instead."""
    if not isinstance(images, Tensor):
        raise OptionError(f"images must be a tensor (n, 3, h, w), got {type(images).__name__}{_hint(images)}")
    if images.ndim != 4 or 0 in images.shape:
        one = ": images[None] is a batch of one" if images.ndim == 3 else ""
        raise OptionError(f"images must have the shape (n, 3, h, w), got {tuple(images.shape)}{one}")
    if not images.is_floating_point():
        raise OptionError(f"images must be floating point in [0, 1], got {images.dtype}: divide 8-bit values by 255")
    finite = images.isfinite().flatten(1).all(dim=1)
    if not bool(finite.all()):
        raise PhotoError(f"image {int((~finite).nonzero()[0])} of the batch has values that are NaN or infinite")
    # The noise's statistics and the mask need more than half precision; the network keeps its own.
    return images.detach().to(torch.promote_types(images.dtype, torch.float32))


def _hint(images: Any) -> str:
    """A hint on how to get a tensor from the outputs of transformers' image processors."""
    if isinstance(images, Mapping) and "pixel_values" in images:
        return ': images["pixel_values"] is one, but it must not be normalised yet'
    return ""


def check_range(images: Tensor) -> None:
    """OptionError where values lie outside [0, 1]: most often an image that was normalised by the caller."""
    low, high = float(images.min()), float(images.max())
    if low < -1e-4 or high > 1 + 1e-4:
        raise OptionError(
            f"images must lie in [0, 1], got {low:.3g} to {high:.3g}: "
            "normalisation belongs to the model (load_model(...) or as_model(network, mean=..., std=...))"
        )


def check_names(names: Sequence[str | None] | None, images: Tensor) -> None:
    """OptionError unless there is a name, or None, for each image."""
    if isinstance(names, str):
        raise OptionError("photos must be a list with one name for each image, not one string")
    if names is not None and len(names) != len(images):
        raise OptionError(f"{len(names)} photo names for {len(images)} images: give one for each")


def check_whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise OptionError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def check_number(name: str, value: Any) -> float:
    """A real number, as a float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise OptionError(f"{name} must be a number, got {value!r}")
    return float(value)

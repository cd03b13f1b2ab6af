"""Scores to rank: an explanation in its own domain, or converted to pixels or wavelets.

Anything with `scores` and a `representation` can be evaluated; see `Explained`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rdexplain.core.representations import Pixel, Representation, Wavelet

PIXEL, WAVELET = "pixel", "wavelet"


class Explained(Protocol):
    """What the evaluation needs of an explanation of n rows: an `Explanation`, or a baseline's heat map.

    Attributes:
        scores: list of bands in the layout of `Explanation.mask`; higher is more important, signs count.
        picture: (n, 1, h, w).
        images: (n, 3, h, w) in [0, 1].
        target: (n,) or (n, axes).
        photos: names or paths, None where not given.
    """

    @property
    def method(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def scores(self) -> list[Tensor]: ...
    @property
    def representation(self) -> Representation: ...
    @property
    def picture(self) -> Tensor: ...
    @property
    def images(self) -> Tensor: ...
    @property
    def target(self) -> Tensor: ...
    @property
    def photos(self) -> tuple[str | None, ...]: ...


@dataclass(frozen=True)
class Importance:
    """The importance of k components for n rows.

    Attributes:
        scores: (n, k), flat, higher is more important.
        representation: the representation of the components.
        own: whether the explanation was made in this representation, not converted to it.
        second: (n, k), the order of equal scores, see `orders.ordered`; None for a random one.
    """

    scores: Tensor
    representation: Representation
    own: bool
    second: Tensor | None = None

    @property
    def domain(self) -> str:
        """``pixel``, ``wavelet`` or ``shearlet``."""
        return self.representation.name


def in_own(result: Explained) -> Importance:
    """The scores of an explanation, unchanged, in its own representation."""
    representation = result.representation
    size = (result.images.shape[-2], result.images.shape[-1])
    transform = representation.transform(size, torch.float32)
    return Importance(transform.join(result.scores), representation, True)


def in_pixels(result: Explained) -> Importance:
    """An explanation as scores of pixels: its own if it is one of pixels, else its picture."""
    if isinstance(result.representation, Pixel):
        return in_own(result)
    return Importance(result.picture.flatten(1), Pixel(), False)


def in_wavelets(result: Explained, wavelet: Wavelet | None = None) -> Importance:
    """An explanation as scores of wavelet coefficients.

    Its own scores if it was made in this wavelet, else |W a|, the absolute wavelet coefficients of its pixel map a
    (see `pixel_map`).

    Args:
        wavelet: the one to convert to; None for CartoonX's.
    """
    wavelet = wavelet or Wavelet()
    if result.representation.options() == wavelet.options():
        return in_own(result)
    pixels = in_pixels(result)
    size = (result.images.shape[-2], result.images.shape[-1])
    image = pixels.scores.unflatten(1, size).unsqueeze(1).float()
    return Importance(wavelet.transform_of(image).analysis(image).squeeze(1).abs(), wavelet, False)


def pixel_map(result: Explained) -> Tensor:
    """The explanation as one number for each pixel, (n, h, w): the scores or the picture, as in `in_pixels`."""
    size = (result.images.shape[-2], result.images.shape[-1])
    return in_pixels(result).scores.unflatten(1, size)

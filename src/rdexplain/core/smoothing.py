"""Masks that are smooth: an average of their neighbours under a Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor

from rdexplain.core.representations import Transform
from rdexplain.errors import OptionError

REACH = 4.0
"""The Gaussian is cut off beyond this many standard deviations."""


class Smoothing:
    """m = A u Bᵀ on a mask of pixels: each entry becomes the mean of its neighbours under a Gaussian.

    The rows of A and B are positive and sum to one, also at the border, where neighbours are missing: so u in [0, 1]
    gives m in [0, 1], and a constant mask stays as it is. That masks be smooth is the idea of Fong,
    Patrick and Vedaldi, Understanding deep networks via extremal perturbations and smooth masks, ICCV 2019, arXiv
    1910.08485; the form is ours: a Gaussian mean, where they take a smooth maximum over places.

    Args:
        transform: where the mask lives.
        share: the standard deviation, as a share of the image's shorter side.

    Raises:
        OptionError: the mask is not one of pixels.
    """

    def __init__(self, transform: Transform, share: float, dtype: torch.dtype, device: torch.device) -> None:
        if [band.shape for band in transform.bands] != [transform.size]:
            raise OptionError("only a mask of pixels can be smooth")
        self._size = transform.size
        deviation = share * min(transform.size)
        self._down, self._across = (
            averages(length, deviation).to(dtype=dtype, device=device) for length in transform.size
        )

    def smooth(self, mask: Tensor) -> Tensor:
        """u (R, k) to m (R, k)."""
        return (self._down @ mask.unflatten(1, self._size) @ self._across.mT).flatten(1)

    def adjoint(self, gradient: Tensor) -> Tensor:
        """The transpose: dL/dm (R, k) to dL/du (R, k)."""
        return (self._down.mT @ gradient.unflatten(1, self._size) @ self._across).flatten(1)


def averages(length: int, deviation: float) -> Tensor:
    """(length, length), float64: row i has the weights of the mean about i, exp(-d² / (2 deviation²)) / their sum."""
    places = torch.arange(length, dtype=torch.float64)
    apart = (places[:, None] - places[None, :]).abs() / deviation
    weights = torch.exp(-0.5 * apart.square()).where(apart <= REACH, 0.0)
    return weights / weights.sum(dim=1, keepdim=True)

"""What a representation is to the rest: linear maps between pixels and a flat row of coefficients."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Band:
    """A block of coefficients of one kind: the low-pass, or the details of one scale.

    Attributes:
        shape: (h, w), or (orientations, h, w).
        scale: 0 for the low-pass (or pixels), then 1 for the finest details up to J for the coarsest.
        gain: factor on the std of the noise, so that a redundant band's noise does not cancel in the synthesis.

    Independent noise of variance σ² on M coefficients has, after the synthesis F of the band, the energy
    E||F v||² = σ² tr(F Fᵀ). The coefficients it stands for have M σ² (and in a Parseval frame the energies of all bands
    sum to the image's). They are equal with the gain √(M / tr(F Fᵀ)), which is 1 for an orthogonal basis, where F Fᵀ is
    a projection of rank M.
    """

    shape: tuple[int, ...]
    scale: int
    gain: float = 1.0

    @property
    def count(self) -> int:
        return math.prod(self.shape)


class Transform(ABC):
    """A representation at one image size, on flat coefficients (..., k): all that the solver sees.

    ``synthesis`` is linear, ``adjoint`` its transpose, and ``synthesis(analysis(x)) == x``.
    """

    size: tuple[int, int]
    bands: tuple[Band, ...]

    @property
    def count(self) -> int:
        """k, the number of mask entries."""
        return sum(band.count for band in self.bands)

    @abstractmethod
    def analysis(self, images: Tensor) -> Tensor:
        """(n, c, h, w) to coefficients (n, c, k)."""

    @abstractmethod
    def synthesis(self, coefficients: Tensor) -> Tensor:
        """Coefficients (n, c, k) to (n, c, h, w)."""

    @abstractmethod
    def adjoint(self, gradient: Tensor) -> Tensor:
        """The transpose of `synthesis`: (n, c, h, w) to (n, c, k)."""

    def split(self, flat: Tensor) -> list[Tensor]:
        """Views of (..., k) as the list of bands (..., *band.shape), low-pass first."""
        parts = flat.split([band.count for band in self.bands], dim=-1)
        return [part.unflatten(-1, band.shape) for part, band in zip(parts, self.bands, strict=True)]

    def join(self, bands: Sequence[Tensor]) -> Tensor:
        """The inverse of `split`."""
        return torch.cat(
            [tensor.flatten(-len(band.shape)) for tensor, band in zip(bands, self.bands, strict=True)],
            dim=-1,
        )


class Representation(ABC):
    """Where masks live. The object holds options only; `transform` builds the maps for an image size."""

    name: str

    @abstractmethod
    def transform(self, size: tuple[int, int], dtype: torch.dtype, device: torch.device | str = "cpu") -> Transform:
        """The representation at an image size (h, w). Built once for each size, type and device."""

    def transform_of(self, images: Tensor) -> Transform:
        """The representation at the size, in the type and on the device of images (n, c, h, w)."""
        return self.transform((images.shape[-2], images.shape[-1]), images.dtype, images.device)

    @abstractmethod
    def analysis(self, images: Tensor) -> list[Tensor]:
        """(n, c, h, w) to the list of bands (n, c, *band.shape), low-pass first, then coarse to fine."""

    @abstractmethod
    def synthesis(self, coefficients: Sequence[Tensor]) -> Tensor:
        """The inverse of `analysis`."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """What it takes to build this representation again."""

"""Shearlets: waves of a few directions at each scale, so that an edge needs few of them. Products on the spectrum."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.representations.base import Band, Representation, Transform
from rdexplain.core.representations.meyer import shearlet_filters
from rdexplain.errors import OptionError


class ShearletTransform(Transform):
    """Shearlets at one size. The bands are [low-pass, coarsest shearlets, ..., finest shearlets], each of full size.

    With real filters ψ_b whose squares sum to one the frame is a Parseval frame: the coefficients of x are
    IFFT(ψ_b · FFT(x)), x is the sum of IFFT(ψ_b · FFT(c_b)), and each map is the other's transpose. One band is made
    at a time, so that memory is that of the coefficients.
    """

    def __init__(self, size: tuple[int, int], scales: int, dtype: torch.dtype, device: torch.device | str) -> None:
        low, *details = shearlet_filters(size, scales)
        self.size = size
        numbers = range(scales, 0, -1)
        shearlets = (Band((len(part), *size), number) for part, number in zip(details, numbers, strict=True))
        self.bands = (Band(size, 0), *shearlets)
        self._filters = torch.cat([low, *details]).to(device=device, dtype=dtype)

    def analysis(self, images: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(images)
        bands = images.new_empty((*images.shape[:2], len(self._filters), *self.size))
        for number, window in enumerate(self._filters):
            bands[:, :, number] = torch.fft.irfft2(spectrum * window, s=self.size)
        return bands.flatten(2)

    def synthesis(self, coefficients: Tensor) -> Tensor:
        low, *shearlets = coefficients.unflatten(2, (len(self._filters), *self.size)).unbind(2)
        spectrum = torch.fft.rfft2(low).mul_(self._filters[0])
        for band, window in zip(shearlets, self._filters[1:], strict=True):
            spectrum += torch.fft.rfft2(band).mul_(window)
        return torch.fft.irfft2(spectrum, s=self.size)

    def adjoint(self, gradient: Tensor) -> Tensor:
        return self.analysis(gradient)


@functools.lru_cache(maxsize=16)
def _transform(size: tuple[int, int], scales: int, dtype: torch.dtype, device: torch.device | str) -> ShearletTransform:
    return ShearletTransform(size, scales, dtype, device)


class Shearlet(Representation):
    """Cone-adapted band-limited shearlets with Meyer's windows, a Parseval frame at any image size.

    The scale j = 0, ..., J - 1, from coarse to fine, has 2^(j + 2) directions and the wavelengths from 4^(J - j) / 2 to
    4^(J - j) pixels, fading out up to half and twice these. Nothing is subsampled: J scales have 2^(J + 2) - 3
    coefficients a pixel, 61 with J = 4. Up to 4^J pixels the low-pass holds the mean alone.
    Source: Häuser and Steidl, arXiv 1202.1773; the filters are in `meyer.shearlet_filters`.

    Args:
        scales: how many; an image needs 4^scales / 2 pixels each way.

    Raises:
        OptionError: fewer scales than one; later, more scales than an image has room for.
    """

    name = "shearlet"

    def __init__(self, scales: int = 4) -> None:
        if isinstance(scales, bool) or not isinstance(scales, int) or scales < 1:
            raise OptionError(f"scales must be a whole number of at least 1, got {scales!r}")
        self.scales = scales

    def transform(
        self, size: tuple[int, int], dtype: torch.dtype, device: torch.device | str = "cpu"
    ) -> ShearletTransform:
        return _transform(tuple(size), self.scales, dtype, torch.device(device))

    def analysis(self, images: Tensor) -> list[Tensor]:
        """(n, c, h, w) to [(n, c, h, w), (n, c, 4, h, w), (n, c, 8, h, w), ...], coarse to fine.

        The orientations turn half around: of the scale j, the wave vector (x, y) of o = 0 to 2^j is (2^j, o), that of
        o = 2^j to 3 · 2^j is (2 · 2^j - o, 2^j), then (-2^j, 4 · 2^j - o). Edges are perpendicular to it.
        """
        transform = self.transform_of(images)
        return transform.split(transform.analysis(images))

    def synthesis(self, coefficients: Sequence[Tensor]) -> Tensor:
        """The image (n, c, h, w) of a list of bands as `analysis` returns it.

        Raises:
            OptionError: the bands are not those of an image of one size.
        """
        if len(coefficients) != self.scales + 1:
            raise OptionError(f"{self!r} has {self.scales + 1} bands, got {len(coefficients)}")
        transform = self.transform_of(coefficients[0])
        shapes = [tuple(band.shape[2:]) for band in coefficients]
        if shapes != [band.shape for band in transform.bands]:
            height, width = transform.size
            raise OptionError(f"bands of shapes {shapes} are not those of an image of {height} x {width}")
        return transform.synthesis(transform.join(coefficients))

    def options(self) -> dict[str, Any]:
        return {"representation": self.name, "scales": self.scales}

    def __repr__(self) -> str:
        return f"Shearlet(scales={self.scales})"

"""Shearlets: waves of a few directions at each scale, so that an edge needs few of them. Products on the spectrum."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.representations.base import Band, Representation, Transform
from rdexplain.core.representations.meyer import shearlet_filters
from rdexplain.core.representations.sampled import SampledShearletTransform
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
        shearlets = (
            Band((len(part), *size), number, _gain(part, size)) for part, number in zip(details, numbers, strict=True)
        )
        self.bands = (Band(size, 0, _gain(low, size)), *shearlets)
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


def _gain(windows: Tensor, size: tuple[int, int]) -> float:
    """√(M / Σ ψ²), with the sum over all frequencies and windows: 1/√(mean of ψ²), see `Band`."""
    height, width = size
    twice = torch.full((windows.shape[-1],), 2.0, dtype=windows.dtype)
    twice[0] = 1.0
    if width % 2 == 0:
        twice[-1] = 1.0
    trace = float((windows.square() * twice).sum())
    return math.sqrt(len(windows) * height * width / trace)


@functools.lru_cache(maxsize=16)
def _transform(
    size: tuple[int, int], scales: int, sampled: bool, dtype: torch.dtype, device: torch.device | str
) -> Transform:
    return (SampledShearletTransform if sampled else ShearletTransform)(size, scales, dtype, device)


class Shearlet(Representation):
    """Cone-adapted band-limited shearlets with Meyer's windows, a Parseval frame at any image size.

    The scale j = 0, ..., J - 1, from coarse to fine, has 2^(j + 2) directions and the wavelengths from 4^(J - j) / 2 to
    4^(J - j) pixels, fading out up to half and twice these. Up to 4^J pixels the low-pass holds the mean alone.
    Source: Häuser and Steidl, arXiv 1202.1773; the filters are in `meyer.shearlet_filters`.

    Without sampling J scales have 2^(J + 2) - 3 coefficients a pixel, 61 with J = 4. With it each direction has as many
    as its spectrum needs, see `folding.smallest_grid`: about 4 a pixel in all, of the same frame, with the same
    reconstruction to the last digits.

    Args:
        scales: how many; an image needs 4^scales / 2 pixels each way.
        sampled: whether each direction lives on the smallest grid that it fits on.

    Raises:
        OptionError: fewer scales than one; later, more scales than an image has room for.
    """

    name = "shearlet"

    def __init__(self, scales: int = 4, sampled: bool = False) -> None:
        if isinstance(scales, bool) or not isinstance(scales, int) or scales < 1:
            raise OptionError(f"scales must be a whole number of at least 1, got {scales!r}")
        self.scales = scales
        self.sampled = bool(sampled)
        self._sizes: dict[tuple[tuple[int, ...], ...], tuple[int, int]] = {}

    def transform(self, size: tuple[int, int], dtype: torch.dtype, device: torch.device | str = "cpu") -> Transform:
        return _transform(tuple(size), self.scales, self.sampled, dtype, torch.device(device))

    def analysis(self, images: Tensor) -> list[Tensor]:
        """(n, c, h, w) to [(n, c, h, w), (n, c, 4, h, w), (n, c, 8, h, w), ...], coarse to fine.

        Sampled, each orientation is a band (n, c, h', w') of its own, in the same order.

        The orientations turn half around: of the scale j, the wave vector (x, y) of o = 0 to 2^j is (2^j, o), that of
        o = 2^j to 3 · 2^j is (2 · 2^j - o, 2^j), then (-2^j, 4 · 2^j - o). Edges are perpendicular to it.
        """
        transform = self.transform_of(images)
        self._sizes[tuple(band.shape for band in transform.bands)] = transform.size
        return transform.split(transform.analysis(images))

    def synthesis(self, coefficients: Sequence[Tensor], size: tuple[int, int] | None = None) -> Tensor:
        """The image (n, c, h, w) of a list of bands as `analysis` returns it.

        Args:
            size: (h, w) of the image. Left out, it is that of this object's last `analysis` with bands of these sizes,
                or, where nothing is sampled, that of the bands.

        Raises:
            OptionError: the bands are not those of an image of one size.
        """
        count = 2 ** (self.scales + 2) - 3 if self.sampled else self.scales + 1
        if len(coefficients) != count:
            raise OptionError(f"{self!r} has {count} bands, got {len(coefficients)}")
        shapes = [tuple(band.shape[2:]) for band in coefficients]
        size = size or (self._sizes.get(tuple(shapes)) if self.sampled else (shapes[0][0], shapes[0][1]))
        if size is None:
            raise OptionError("bands that are sampled do not say of what size their image is: give `size`")
        transform = self.transform(size, coefficients[0].dtype, coefficients[0].device)
        if shapes != [band.shape for band in transform.bands]:
            height, width = transform.size
            raise OptionError(f"bands of shapes {shapes} are not those of an image of {height} x {width}")
        return transform.synthesis(transform.join(coefficients))

    def options(self) -> dict[str, Any]:
        return {"representation": self.name, "scales": self.scales, "sampled": self.sampled}

    def __repr__(self) -> str:
        return f"Shearlet(scales={self.scales}{', sampled=True' if self.sampled else ''})"

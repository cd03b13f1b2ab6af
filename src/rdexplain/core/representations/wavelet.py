"""The discrete wavelet transform in two dimensions, as matrix products along rows and columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.representations.banded import Banded
from rdexplain.core.representations.base import Band, Representation, Transform
from rdexplain.core.representations.dwt import Level, check_levels, check_mode, find_wavelet, level
from rdexplain.errors import OptionError


@dataclass(frozen=True)
class _Pair:
    """A low-pass and a high-pass matrix."""

    low: Banded
    high: Banded


@dataclass(frozen=True)
class _Scale:
    """One scale's matrices along the rows' axis (height) and along the columns' (width)."""

    analysis: tuple[_Pair, _Pair]
    synthesis: tuple[_Pair, _Pair]
    adjoint: tuple[_Pair, _Pair]


class WaveletTransform(Transform):
    """A wavelet at one size. The bands are [low-pass, coarsest details, ..., finest details]."""

    def __init__(
        self,
        size: tuple[int, int],
        wavelet: str,
        levels: int,
        padding: str,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        check_levels(size, wavelet, levels)
        self.size = size
        shape, bands, scales = size, [], []
        for number in range(1, levels + 1):
            axes = (level(shape[0], wavelet, padding), level(shape[1], wavelet, padding))
            shape = (axes[0].low.shape[0], axes[1].low.shape[0])
            bands.append(Band((3, *shape), number))
            scales.append(_scale(axes, dtype, torch.device(device)))
        self._scales = tuple(scales)  # finest first
        self.bands = (Band(shape, 0), *reversed(bands))

    def analysis(self, images: Tensor) -> Tensor:
        return _decompose(images, [scale.analysis for scale in self._scales])

    def adjoint(self, gradient: Tensor) -> Tensor:
        return _decompose(gradient, [scale.adjoint for scale in self._scales])

    def synthesis(self, coefficients: Tensor) -> Tensor:
        low, *details = self.split(coefficients.flatten(0, 1))
        for detail, scale in zip(details, reversed(self._scales), strict=True):
            horizontal, vertical, diagonal = detail.unbind(1)
            rows, columns = scale.synthesis
            top = columns.low.across(low) + columns.high.across(vertical)
            bottom = columns.low.across(horizontal) + columns.high.across(diagonal)
            low = rows.low.down(top) + rows.high.down(bottom)
        return low.unflatten(0, coefficients.shape[:2])


def _decompose(images: Tensor, scales: list[tuple[_Pair, _Pair]]) -> Tensor:
    low, details = images.flatten(0, 1), []
    for rows, columns in scales:
        left, right = columns.low.across(low), columns.high.across(low)
        # PyWavelets' order: cH is high along the rows' axis (height), cV along the columns' (width).
        detail = (rows.high.down(left), rows.low.down(right), rows.high.down(right))
        details.append(torch.stack(detail, dim=1).flatten(1))
        low = rows.low.down(left)
    flat = torch.cat([low.flatten(1), *reversed(details)], dim=1)
    return flat.unflatten(0, images.shape[:2])


def _scale(axes: tuple[Level, Level], dtype: torch.dtype, device: torch.device) -> _Scale:
    def pairs(matrices: list[tuple[Tensor, Tensor]]) -> tuple[_Pair, _Pair]:
        rows, columns = (_Pair(Banded(low, dtype, device), Banded(high, dtype, device)) for low, high in matrices)
        return rows, columns

    return _Scale(
        analysis=pairs([(axis.low, axis.high) for axis in axes]),
        synthesis=pairs([(axis.synthesis_low, axis.synthesis_high) for axis in axes]),
        adjoint=pairs([(axis.synthesis_low.mT, axis.synthesis_high.mT) for axis in axes]),
    )


@functools.lru_cache(maxsize=16)
def _transform(
    size: tuple[int, int],
    wavelet: str,
    levels: int,
    padding: str,
    dtype: torch.dtype,
    device: torch.device | str,
) -> WaveletTransform:
    return WaveletTransform(size, wavelet, levels, padding, dtype, device)


class Wavelet(Representation):
    """Any discrete wavelet of PyWavelets, at any image size.

    Args:
        wavelet: a name of ``pywt.wavelist(kind="discrete")``.
        levels: how many scales.
        padding: a boundary mode of PyWavelets.

    Raises:
        OptionError: no such wavelet or mode, fewer levels than one; later, more levels than an image has room for.
    """

    name = "wavelet"

    def __init__(self, wavelet: str = "db3", levels: int = 5, padding: str = "zero") -> None:
        if isinstance(levels, bool) or not isinstance(levels, int) or levels < 1:
            raise OptionError(f"levels must be a whole number of at least 1, got {levels!r}")
        self.wavelet = find_wavelet(wavelet).name
        self.levels = levels
        self.padding = check_mode(padding)
        self._sizes: dict[tuple[int, ...], tuple[int, int]] = {}

    def transform(
        self, size: tuple[int, int], dtype: torch.dtype, device: torch.device | str = "cpu"
    ) -> WaveletTransform:
        return _transform(tuple(size), self.wavelet, self.levels, self.padding, dtype, torch.device(device))

    def analysis(self, images: Tensor) -> list[Tensor]:
        """(n, c, h, w) to [(n, c, h', w'), (n, c, 3, h'', w''), ...], coarse to fine.

        The orientations are PyWavelets' cH, cV, cD; the numbers are those of ``pywt.wavedec2``.
        """
        size = (images.shape[-2], images.shape[-1])
        transform = self.transform(size, images.dtype, images.device)
        self._sizes[transform.bands[0].shape + transform.bands[-1].shape] = size
        return transform.split(transform.analysis(images))

    def synthesis(self, coefficients: Sequence[Tensor], size: tuple[int, int] | None = None) -> Tensor:
        """The image (n, c, h, w) of a list of bands as `analysis` returns it.

        Args:
            size: (h, w) of the image. Two sizes can share their band sizes (127 and 128, say): left out, it is that
                of this object's last `analysis` with bands of these sizes, else the larger.

        Raises:
            OptionError: the bands are not those of an image of this size.
        """
        if len(coefficients) != self.levels + 1:
            raise OptionError(f"{self!r} has {self.levels + 1} bands, got {len(coefficients)}")
        low, finest = coefficients[0], coefficients[-1]
        if size is None:
            size = self._sizes.get(tuple(low.shape[2:]) + tuple(finest.shape[2:]))
        if size is None:
            filters = find_wavelet(self.wavelet).dec_len - 2
            excess = 0 if self.padding == "periodization" else filters
            size = (2 * finest.shape[-2] - excess, 2 * finest.shape[-1] - excess)
        transform = self.transform(size, low.dtype, low.device)
        shapes = [tuple(band.shape[2:]) for band in coefficients]
        if shapes != [band.shape for band in transform.bands]:
            raise OptionError(f"bands of shapes {shapes} are not those of an image of {size[0]} x {size[1]}")
        return transform.synthesis(transform.join(coefficients))

    def options(self) -> dict[str, Any]:
        return {
            "representation": self.name,
            "wavelet": self.wavelet,
            "levels": self.levels,
            "padding": self.padding,
        }

    def __repr__(self) -> str:
        return f"Wavelet({self.wavelet!r}, levels={self.levels}, padding={self.padding!r})"

"""Wavelets of PyWavelets as a representation."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.kernels import fused
from rdexplain.core.representations.base import Representation
from rdexplain.core.representations.dwt import check_mode, find_wavelet
from rdexplain.core.representations.wavelet_transform import WaveletTransform
from rdexplain.errors import OptionError

TAPS = 8
"""Longest filter for which a kernel that skips the matrices' zeros is used: its reads grow with the square."""


@functools.lru_cache(maxsize=16)
def _transform(
    size: tuple[int, int],
    wavelet: str,
    levels: int,
    padding: str,
    dtype: torch.dtype,
    device: torch.device | str,
) -> WaveletTransform:
    if fused(torch.device(device)) and find_wavelet(wavelet).dec_len <= TAPS:
        from rdexplain.core.representations.wavelet_kernels import FusedWaveletTransform

        return FusedWaveletTransform(size, wavelet, levels, padding, dtype, device)
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

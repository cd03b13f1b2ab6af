"""One level of a one-dimensional wavelet transform as two pairs of matrices.

The matrices are what PyWavelets' ``dwt`` and ``idwt`` do to the identity, so every wavelet and boundary mode of
PyWavelets is had, and the adjoint is the transpose.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass

import numpy as np
import pywt
import torch
from torch import Tensor

from rdexplain.errors import OptionError, unknown


@dataclass(frozen=True)
class Level:
    """Matrices of one level on a signal of `length` samples, float64 on the CPU.

    Attributes:
        low, high: analysis, (bands, length).
        synthesis_low, synthesis_high: (length, bands). Their sum of products with `low` and `high` is the identity.
    """

    length: int
    low: Tensor
    high: Tensor
    synthesis_low: Tensor
    synthesis_high: Tensor


def find_wavelet(name: str) -> pywt.Wavelet:
    """A discrete wavelet of PyWavelets by its name.

    Raises:
        OptionError: no such wavelet, or it is a continuous one.
    """
    discrete = pywt.wavelist(kind="discrete")
    if name not in discrete:
        raise OptionError(unknown("wavelet", str(name), discrete))
    return pywt.Wavelet(name)


def check_mode(name: str) -> str:
    """The name of a boundary mode of PyWavelets, or OptionError."""
    if name not in pywt.Modes.modes:
        raise OptionError(unknown("padding", str(name), pywt.Modes.modes))
    return name


@functools.lru_cache(maxsize=256)
def level(length: int, wavelet: str, mode: str) -> Level:
    """The matrices for a signal of `length` samples; an odd length comes back exactly."""
    identity = np.eye(length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        low, high = pywt.dwt(identity, wavelet, mode=mode, axis=0)
        bands = np.eye(low.shape[0])
        none = np.zeros_like(bands)
        # An odd length is padded by one sample on analysis; the sample too many is the last one.
        synthesis_low = pywt.idwt(bands, none, wavelet, mode=mode, axis=0)[:length]
        synthesis_high = pywt.idwt(none, bands, wavelet, mode=mode, axis=0)[:length]
    low, high, synthesis_low, synthesis_high = (
        torch.from_numpy(np.ascontiguousarray(matrix)) for matrix in (low, high, synthesis_low, synthesis_high)
    )
    return Level(length, low, high, synthesis_low, synthesis_high)


def check_levels(size: tuple[int, int], wavelet: str, levels: int) -> None:
    """OptionError where a level would have to split a signal shorter than the wavelet's filter."""
    taps = find_wavelet(wavelet).dec_len
    # The last level has max(taps, 2) samples to split at least, and n of them come of 2 n + 1 - taps.
    least = max(taps, 2) - 1 + 2 ** (levels - 1)
    possible, length = 0, min(size)
    while length >= max(taps, 2):
        possible += 1
        shorter = (length + taps - 1) // 2
        if shorter >= length:
            break
        length = shorter
    if levels > possible:
        shown = f"an image of {size[0]} x {size[1]}"
        if not possible:
            more = f", {least} for {levels} levels" if levels > 1 else ""
            raise OptionError(f"{shown} is too small for {wavelet}: {taps} pixels at least{more}")
        raise OptionError(
            f"{levels} levels of {wavelet} are too many for {shown}: at most {possible} fit, or give {least} pixels"
        )

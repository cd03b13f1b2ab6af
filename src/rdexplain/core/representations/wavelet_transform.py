"""The discrete wavelet transform in two dimensions, as matrix products along rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rdexplain.core.representations.banded import Banded
from rdexplain.core.representations.base import Band, Transform
from rdexplain.core.representations.dwt import Level, check_levels, level


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

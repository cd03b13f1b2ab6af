"""The discrete wavelet transform in two dimensions, as matrix products along rows and columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    """One scale's pairs of matrices along the rows' axis (height) and along the columns' (width)."""

    analysis: tuple[Any, Any]
    synthesis: tuple[Any, Any]
    adjoint: tuple[Any, Any]

    @classmethod
    def of(cls, rows: Level, columns: Level, pair: Callable[[Tensor, Tensor], Any]) -> _Scale:
        """The scale of two axes; `pair` makes what is kept of a low-pass and a high-pass matrix."""

        def pairs(matrices: Callable[[Level], tuple[Tensor, Tensor]]) -> tuple[Any, Any]:
            return pair(*matrices(rows)), pair(*matrices(columns))

        return cls(
            analysis=pairs(lambda axis: (axis.low, axis.high)),
            synthesis=pairs(lambda axis: (axis.synthesis_low, axis.synthesis_high)),
            adjoint=pairs(lambda axis: (axis.synthesis_low.mT, axis.synthesis_high.mT)),
        )


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

        def pair(low: Tensor, high: Tensor) -> Any:
            return self._pair(low, high, dtype, torch.device(device))

        for number in range(1, levels + 1):
            rows, columns = level(shape[0], wavelet, padding), level(shape[1], wavelet, padding)
            shape = (rows.low.shape[0], columns.low.shape[0])
            bands.append(Band((3, *shape), number))
            scales.append(_Scale.of(rows, columns, pair))
        self._scales = tuple(scales)  # finest first
        self.bands = (Band(shape, 0), *reversed(bands))

    @staticmethod
    def _pair(low: Tensor, high: Tensor, dtype: torch.dtype, device: torch.device) -> Any:
        """What is kept of a low-pass and a high-pass matrix."""
        return _Pair(Banded(low, dtype, device), Banded(high, dtype, device))

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

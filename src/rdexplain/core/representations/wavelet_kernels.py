"""One level of a wavelet transform as one GPU kernel, in place of products with matrices. Imported where Triton is.

A row of a level's matrix is zero but for as many entries as the filter has taps, whatever the boundary mode. A kernel
reads these alone, along rows and columns at once, and writes the bands where they belong.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from rdexplain.core.representations.wavelet_transform import WaveletTransform

_ROWS, _COLUMNS = 8, 64


@dataclass(frozen=True)
class Taps:
    """A low-pass and a high-pass matrix (n, m) without their zeros.

    Attributes:
        places: (taps, n) the columns that are not zero in one of them, int32; filled up with 0.
        low, high: (taps, n) the entries there; 0 where filled up.
    """

    places: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, low: Tensor, high: Tensor, dtype: torch.dtype, device: torch.device) -> Taps:
        """The taps of two matrices on the CPU."""
        used = (low != 0) | (high != 0)
        taps = max(1, int(used.sum(dim=1).max()))
        places = used.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :taps]
        there = used.gather(1, places)
        return cls(
            *(
                values.where(there, 0).mT.to(device, kind).contiguous()
                for values, kind in (
                    (places, torch.int32),
                    (low.gather(1, places), dtype),
                    (high.gather(1, places), dtype),
                )
            )
        )

    @property
    def count(self) -> int:
        return len(self.places)

    @property
    def length(self) -> int:
        """n, what a product with the matrices has."""
        return self.places.shape[1]


class FusedWaveletTransform(WaveletTransform):
    """A wavelet at one size, by a kernel for each level. Its numbers are the matrices' up to rounding."""

    @staticmethod
    def _pair(low: Tensor, high: Tensor, dtype: torch.dtype, device: torch.device) -> Taps:
        return Taps.of(low, high, dtype, device)

    def analysis(self, images: Tensor) -> Tensor:
        return self._split(images, [scale.analysis for scale in self._scales])

    def adjoint(self, gradient: Tensor) -> Tensor:
        return self._split(gradient, [scale.adjoint for scale in self._scales])

    def synthesis(self, coefficients: Tensor) -> Tensor:
        coefficients = coefficients.contiguous()
        images = coefficients.shape[0] * coefficients.shape[1]
        low, stride, offset = coefficients, self.count, self.bands[0].count
        for scale, band in zip(reversed(self._scales), self.bands[1:], strict=True):
            rows, columns = scale.synthesis
            height, width = rows.length, columns.length
            above = coefficients.new_empty((images, height, width))
            _merge[_grid(images, height, width)](
                low, stride, coefficients, self.count, offset, above,
                rows.places, rows.low, rows.high, columns.places, columns.low, columns.high,
                height, width, *band.shape[1:],
                DOWN=rows.count, ACROSS=columns.count, ROWS=_ROWS, COLUMNS=_COLUMNS,
            )  # fmt: skip
            low, stride = above, height * width
            offset += band.count
        return low.view(*coefficients.shape[:2], *self.size)

    def _split(self, images: Tensor, levels: list[tuple[Taps, Taps]]) -> Tensor:
        flat = images.new_empty((*images.shape[:2], self.count))
        low, offset = images, self.count
        for (rows, columns), band in zip(levels, reversed(self.bands[1:]), strict=True):
            _, height, width = band.shape
            offset -= band.count
            last = offset == self.bands[0].count
            below = flat if last else images.new_empty((*images.shape[:2], height * width))
            _split[_grid(images.shape[0] * images.shape[1], height, width)](
                low, *low.stride(), below, below.stride(1), flat, self.count, offset,
                rows.places, rows.low, rows.high, columns.places, columns.low, columns.high,
                images.shape[1], height, width,
                DOWN=rows.count, ACROSS=columns.count, ROWS=_ROWS, COLUMNS=_COLUMNS,
            )  # fmt: skip
            low = below if last else below.unflatten(2, (height, width))
        return flat


def _grid(images: int, height: int, width: int) -> tuple[int]:
    """A program for each tile of each image."""
    return (images * triton.cdiv(height, _ROWS) * triton.cdiv(width, _COLUMNS),)


_SCALARS = ["by_image", "by_channel", "by_row", "below_count", "low_count", "count", "offset", "channels"]
_SCALARS += ["height", "width", "band_height", "band_width"]
"""Numbers for which no kernel of their own is compiled: they differ from level to level."""


@triton.jit
def _place(height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The image, the rows and the columns of a program's tile."""
    across = tl.cdiv(width, COLUMNS)
    tiles = tl.cdiv(height, ROWS) * across
    tile = tl.program_id(0) % tiles
    r = tile // across * ROWS + tl.arange(0, ROWS)
    c = tile % across * COLUMNS + tl.arange(0, COLUMNS)
    return (tl.program_id(0) // tiles).to(tl.int64), r, c


@triton.jit(do_not_specialize=_SCALARS)
def _split(
    x, by_image, by_channel, by_row, by_column, below, below_count, flat, count, offset,
    row_places, row_low, row_high, column_places, column_low, column_high, channels, height, width,
    DOWN: tl.constexpr, ACROSS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """A tile of an image's four bands at one level."""
    image, r, c = _place(height, width, ROWS, COLUMNS)
    r_in, c_in = r < height, c < width
    source = x + image // channels * by_image + image % channels * by_channel
    kind = x.dtype.element_ty
    low = tl.zeros((ROWS, COLUMNS), kind)
    horizontal = tl.zeros((ROWS, COLUMNS), kind)
    vertical = tl.zeros((ROWS, COLUMNS), kind)
    diagonal = tl.zeros((ROWS, COLUMNS), kind)
    for i in tl.static_range(DOWN):
        row = tl.load(row_places + i * height + r, mask=r_in, other=0)
        left = tl.zeros((ROWS, COLUMNS), kind)
        right = tl.zeros((ROWS, COLUMNS), kind)
        for j in tl.static_range(ACROSS):
            column = tl.load(column_places + j * width + c, mask=c_in, other=0)
            value = tl.load(source + row[:, None] * by_row + column[None, :] * by_column)
            left += value * tl.load(column_low + j * width + c, mask=c_in, other=0)[None, :]
            right += value * tl.load(column_high + j * width + c, mask=c_in, other=0)[None, :]
        down_low = tl.load(row_low + i * height + r, mask=r_in, other=0)[:, None]
        down_high = tl.load(row_high + i * height + r, mask=r_in, other=0)[:, None]
        low += down_low * left
        horizontal += down_high * left
        vertical += down_low * right
        diagonal += down_high * right
    at = r[:, None] * width + c[None, :]
    inside = r_in[:, None] & c_in[None, :]
    tl.store(below + image * below_count + at, low, mask=inside)
    details = flat + image * count + offset
    tl.store(details + at, horizontal, mask=inside)
    tl.store(details + height * width + at, vertical, mask=inside)
    tl.store(details + 2 * height * width + at, diagonal, mask=inside)


@triton.jit(do_not_specialize=_SCALARS)
def _merge(
    low, low_count, flat, count, offset, above,
    row_places, row_low, row_high, column_places, column_low, column_high, height, width, band_height, band_width,
    DOWN: tl.constexpr, ACROSS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """A tile of an image, or of the low-pass above, of the four bands of a level."""
    image, r, c = _place(height, width, ROWS, COLUMNS)
    r_in, c_in = r < height, c < width
    kind = flat.dtype.element_ty
    below = low + image * low_count
    horizontal = flat + image * count + offset
    vertical = horizontal + band_height * band_width
    diagonal = vertical + band_height * band_width
    result = tl.zeros((ROWS, COLUMNS), kind)
    for i in tl.static_range(DOWN):
        row = tl.load(row_places + i * height + r, mask=r_in, other=0)
        top = tl.zeros((ROWS, COLUMNS), kind)
        bottom = tl.zeros((ROWS, COLUMNS), kind)
        for j in tl.static_range(ACROSS):
            column = tl.load(column_places + j * width + c, mask=c_in, other=0)
            at = row[:, None] * band_width + column[None, :]
            across_low = tl.load(column_low + j * width + c, mask=c_in, other=0)[None, :]
            across_high = tl.load(column_high + j * width + c, mask=c_in, other=0)[None, :]
            top += tl.load(below + at) * across_low + tl.load(vertical + at) * across_high
            bottom += tl.load(horizontal + at) * across_low + tl.load(diagonal + at) * across_high
        result += tl.load(row_low + i * height + r, mask=r_in, other=0)[:, None] * top
        result += tl.load(row_high + i * height + r, mask=r_in, other=0)[:, None] * bottom
    inside = r_in[:, None] & c_in[None, :]
    tl.store(above + image * height * width + r[:, None] * width + c[None, :], result, mask=inside)

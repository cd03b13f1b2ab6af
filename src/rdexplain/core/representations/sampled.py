"""Shearlets whose coefficients are sampled no more densely than their spectrum asks for."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from rdexplain.core.representations.base import Band, Transform
from rdexplain.core.representations.folding import Grid, Support, fits, half_places, smallest_grid, support
from rdexplain.core.representations.meyer import shearlet_filters


class SampledShearletTransform(Transform):
    """Shearlets at one size, each direction a band of its own on its own grid, from coarse to fine.

    With U the unitary FFT and S_b the sum of the frequencies that fall together on the grid of the band b, which is a
    permutation on its support, the coefficients are U* S_b ψ_b U x, and x is the sum of U* ψ_b S_bᵀ U c_b: a Parseval
    frame, as without sampling, since the squares of the windows sum to one. Each map is the other's transpose.
    """

    def __init__(self, size: Grid, scales: int, dtype: torch.dtype, device: torch.device | str) -> None:
        self.size = size
        filters = shearlet_filters(size, scales)
        supports = [support(window.numpy(), size[1]) for part in filters for window in part]
        grids = [grid for part in _by_scale(supports, filters) for grid in _grids(part, size)]
        numbers = [number for number, part in zip(_numbers(scales), filters, strict=True) for _ in part]
        self.bands = tuple(
            Band(grid, number, _gain(grid, found)) for grid, found, number in zip(grids, supports, numbers, strict=True)
        )
        self._starts = [0, *itertools.accumulate(band.count for band in self.bands)]
        alike: dict[Grid, list[int]] = defaultdict(list)
        for place, grid in enumerate(grids):
            alike[grid].append(place)
        self._alike = list(alike.items())
        order = [place for places in alike.values() for place in places]
        self._gather, self._weights = self._to_bands(supports, grids, order, dtype, device)
        self._terms = self._to_image(supports, grids, order, dtype, device)

    def analysis(self, images: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(images, norm="ortho").flatten(2)
        folded = _picked(spectrum, self._gather, self._weights)
        found, start = images.new_empty((*images.shape[:2], self.count)), 0
        for (height, width), places in self._alike:
            count = len(places) * height * (width // 2 + 1)
            part = folded[..., start : start + count].unflatten(-1, (len(places), height, width // 2 + 1))
            start += count
            bands = torch.fft.irfft2(part, s=(height, width), norm="ortho").flatten(3)
            for number, place in enumerate(places):
                found[..., self._starts[place] : self._starts[place + 1]] = bands[:, :, number]
        return found

    def synthesis(self, coefficients: Tensor) -> Tensor:
        parts = []
        for grid, places in self._alike:
            bands = [coefficients[..., self._starts[place] : self._starts[place + 1]] for place in places]
            parts.append(torch.fft.rfft2(torch.stack(bands, dim=2).unflatten(-1, grid), norm="ortho").flatten(2))
        folded = torch.cat(parts, dim=-1)
        spectrum = sum((_picked(folded, *term) for term in self._terms[1:]), _picked(folded, *self._terms[0]))
        height, width = self.size
        return torch.fft.irfft2(spectrum.unflatten(-1, (height, width // 2 + 1)), s=self.size, norm="ortho")

    def adjoint(self, gradient: Tensor) -> Tensor:
        return self.analysis(gradient)

    def _to_bands(
        self,
        supports: list[Support],
        grids: list[Grid],
        order: list[int],
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> tuple[Tensor, Tensor]:
        """For each entry of the bands' half spectra, in this order: its place in the image's, and its weights."""
        sources, weights = [], []
        for place in order:
            (height, width), found = grids[place], supports[place]
            there = np.zeros((2, height, width), dtype=np.int64), np.zeros((2, height, width))
            source, sign = half_places(found.rows, found.columns, self.size)
            rows, columns = found.rows % height, found.columns % width
            there[0][0, rows, columns] = source
            there[1][0, rows, columns], there[1][1, rows, columns] = found.values, found.values * sign
            half = slice(width // 2 + 1)
            sources.append(there[0][0, :, half].ravel())
            weights.append(there[1][:, :, half].reshape(2, -1))
        return _on(np.concatenate(sources), device), _on(np.concatenate(weights, axis=1).T, device, dtype)

    def _to_image(
        self,
        supports: list[Support],
        grids: list[Grid],
        order: list[int],
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> list[tuple[Tensor, Tensor]]:
        """The image's half spectrum as a sum of terms: places in the bands' half spectra, and their weights."""
        height, width = self.size
        count = height * (width // 2 + 1)
        filled, start = np.zeros(count, dtype=np.int64), 0
        terms: list[tuple[np.ndarray, np.ndarray]] = []
        for place in order:
            grid, found = grids[place], supports[place]
            half = found.columns % width <= width // 2
            rows, columns, values = found.rows[half], found.columns[half], found.values[half]
            target = rows % height * (width // 2 + 1) + columns % width
            source, sign = half_places(rows, columns, grid)
            while len(terms) <= int(filled[target].max()):
                terms.append((np.zeros(count, dtype=np.int64), np.zeros((count, 2))))
            for number in np.unique(filled[target]).tolist():
                now = filled[target] == number
                terms[number][0][target[now]] = start + source[now]
                terms[number][1][target[now]] = np.stack([values[now], values[now] * sign[now]], axis=1)
            filled[target] += 1
            start += grid[0] * (grid[1] // 2 + 1)
        return [(_on(sources, device), _on(weights, device, dtype)) for sources, weights in terms]


def _picked(spectrum: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """Entries of spectra (n, c, m), their real and imaginary parts times weights (k, 2): (n, c, k)."""
    return torch.view_as_complex(torch.view_as_real(spectrum.index_select(-1, places)) * weights)


def _gain(grid: Grid, found: Support) -> float:
    """√(M / Σ ψ²): with unitary FFTs the trace of F Fᵀ is the sum of the window's squares, see `Band`."""
    return float(np.sqrt(grid[0] * grid[1] / np.square(found.values).sum()))


def _numbers(scales: int) -> list[int]:
    """The number of each scale, the low-pass first: 0, then J for the coarsest to 1."""
    return [0, *range(scales, 0, -1)]


def _by_scale(supports: list[Support], filters: list[Tensor]) -> list[list[Support]]:
    rest = iter(supports)
    return [list(itertools.islice(rest, len(part))) for part in filters]


def _grids(found: list[Support], size: Grid) -> list[Grid]:
    """The grid of each direction of a scale: that of its mirror image, or in a square of its transpose, if it fits.

    At the Nyquist frequency a mirror image can be another.
    """
    count = len(found)
    grids: list[Grid] = []
    for o, one in enumerate(found):
        known: Grid | None = None
        if 2 * o > count:
            known = grids[count - o]
        elif 4 * o > count and size[0] == size[1]:
            known = (grids[count // 2 - o][1], grids[count // 2 - o][0])
        grids.append(known if known is not None and fits(one, known) else smallest_grid(one, size))
    return grids


def _on(values: np.ndarray, device: torch.device | str, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(device=device, dtype=dtype)

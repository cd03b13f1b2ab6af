"""A band's spectrum on the smallest grid that it fits on: where its coefficients can be sampled without a loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Grid = tuple[int, int]
_Places = NDArray[np.int64]

NEGLIGIBLE = 1e-7
"""A window is zero where it is less: there it would be zero but for the rounding of its square."""


class Support(NamedTuple):
    """The frequencies where a window is not zero, with their signs, k and -k, and the window's values there.

    The Nyquist frequency of an even size stands for both signs: it gets that of the other coordinate.
    """

    rows: _Places
    columns: _Places
    values: NDArray[np.float64]
    alone: NDArray[np.bool_]
    """Which of them are their own negative, modulo the image's size."""


def support(half: NDArray[np.float64], width: int) -> Support:
    """The support of a symmetric window, given at the frequencies of `rfft2` for images of this width."""
    height, known = half.shape
    rest = np.arange(known, width)
    whole = np.concatenate([half, half[-np.arange(height) % height][:, -rest % width]], axis=1)
    rows, columns = np.nonzero(whole > NEGLIGIBLE)
    values = whole[rows, columns]
    alone = (2 * rows % height == 0) & (2 * columns % width == 0)
    down, across = (np.where(2 * k < n, k, k - n) for k, n in ((rows, height), (columns, width)))
    # k and -k have to be each other's negative also where the half of an even size is its own.
    down, across = (
        np.where((2 * one == -n) & (other > 0), -one, one)
        for one, other, n in ((down, across, height), (across, down, width))
    )
    return Support(down, across, values, alone)


def smallest_grid(found: Support, size: Grid) -> Grid:
    """The grid of the fewest points on which no two frequencies of a support fall together.

    Sampling every H / Q-th row and W / P-th column adds up the frequencies that are the same modulo (Q, P). Where each
    sum has one term at most, the samples hold all that the band holds, with the same energy up to the factor of the
    FFT; and as a support has k and -k, the samples are real. H / Q need not be whole: then a sinc interpolates.
    Sides are products of 2, 3 and 5, which are quick, or the image's own, which always fit.
    """
    rows, columns = (np.array(sides(length)) for length in size)
    grids = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    points = grids.prod(axis=1)
    grids = grids[np.argsort(points, kind="stable")]
    for height, width in grids[np.sort(points) >= len(found.rows)].tolist():
        if fits(found, (height, width)):
            return height, width
    return size


def fits(found: Support, grid: Grid) -> bool:
    """Whether no two frequencies fall together on a grid."""
    height, width = grid
    if int(np.bincount(found.rows % height * width + found.columns % width).max()) > 1:
        return False
    # What is its own negative has a real coefficient, and so has to be its own negative on the grid too.
    return not (np.any(2 * found.rows[found.alone] % height) or np.any(2 * found.columns[found.alone] % width))


def sides(length: int) -> list[int]:
    """The products of 2, 3 and 5 below a length, and the length."""
    products = {1}
    for prime in (2, 3, 5):
        for number in sorted(products):
            while (number := number * prime) < length:
                products.add(number)
    return [*sorted(number for number in products if number < length), length]


def half_places(rows: _Places, columns: _Places, size: Grid) -> tuple[_Places, NDArray[np.float64]]:
    """Where frequencies are in a flat half spectrum of `rfft2`, and 1, or -1 where that holds the conjugate."""
    height, width = size
    rows, columns = rows % height, columns % width
    mirrored = columns > width // 2
    rows, columns = np.where(mirrored, -rows % height, rows), np.where(mirrored, width - columns, columns)
    return rows * (width // 2 + 1) + columns, np.where(mirrored, -1.0, 1.0)

"""Products with a banded matrix, block by block: a wavelet's matrix is zero but for a band as wide as its filter."""

from __future__ import annotations

import torch
from torch import Tensor

CPU_BLOCK = 32
"""Rows of a block on a CPU. At 256 pixels this is three times as fast as the whole matrix."""


class Banded:
    """A matrix (rows, columns) cut into blocks of rows, each without the columns that are zero in it.

    Args:
        matrix: float64, on the CPU.
        dtype, device: of the products. Away from the CPU the matrix stays whole: few large products are faster there.
    """

    def __init__(self, matrix: Tensor, dtype: torch.dtype, device: torch.device) -> None:
        height = CPU_BLOCK if device.type == "cpu" else matrix.shape[0]
        self._blocks: list[tuple[slice, Tensor]] = []
        for rows in matrix.split(height):
            used = rows.abs().sum(dim=0).nonzero().flatten()
            # A block of zeros still has to make its rows.
            columns = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
            self._blocks.append((columns, rows[:, columns].to(device=device, dtype=dtype).contiguous()))

    def down(self, x: Tensor) -> Tensor:
        """The matrix times each x: (n, columns, m) to (n, rows, m)."""
        return torch.cat([block @ x[:, columns] for columns, block in self._blocks], dim=1)

    def across(self, x: Tensor) -> Tensor:
        """Each x times the matrix's transpose: (n, m, columns) to (n, m, rows)."""
        return torch.cat([x[:, :, columns] @ block.mT for columns, block in self._blocks], dim=2)

"""Bounds the memory: cuts a step's rows and draws into batches, and halves the batch when one does not fit."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from rdexplain.errors import SolverError

T = TypeVar("T")

PIXELS_AT_ONCE = {"cpu": 2**18, "cuda": 2**24}
"""Pixels in one forward pass, where the user does not say: 4 images of 256 x 256 on a CPU, which is fastest while they
stay in its caches, 256 on a GPU."""


class Batch(NamedTuple):
    """Draws `draw` to `draw_end` of the rows `row` to `row_end`."""

    row: int
    row_end: int
    draw: int
    draw_end: int


def batches(rows: int, draws: int, limit: int) -> Iterator[Batch]:
    """Cut rows x draws into batches of at most `limit` images: whole rows, or parts of one row."""
    if limit >= draws:
        together = limit // draws
        for row in range(0, rows, together):
            yield Batch(row, min(row + together, rows), 0, draws)
        return
    parts = -(-draws // limit)
    for row in range(rows):
        for part in range(parts):
            yield Batch(row, row + 1, part * draws // parts, (part + 1) * draws // parts)


class BatchLimit:
    """The largest batch in force; halved each time one runs out of memory.

    Args:
        internal_batch_size: the user's limit in images; None for `PIXELS_AT_ONCE`.
        images: (n, c, h, w), for their size and device.
    """

    def __init__(self, internal_batch_size: int | None, images: Tensor) -> None:
        pixels = PIXELS_AT_ONCE.get(images.device.type, PIXELS_AT_ONCE["cuda"])
        self.size = internal_batch_size or max(1, pixels // (images.shape[-2] * images.shape[-1]))

    def run(self, work: Callable[[int], T]) -> T:
        """``work(limit)``, again with half the limit as long as memory does not suffice.

        Raises:
            SolverError: a single image does not fit.
        """
        while True:
            try:
                return work(self.size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.size == 1:
                    raise SolverError(
                        "out of memory with a single image in the batch: use a smaller image or another device"
                    ) from error
            # Outside the handler, so that the failed pass's tensors are free. Copies of networks may hang in cycles of
            # references: hooks and closures hold the modules that hold them.
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            warnings.warn(
                f"out of memory: going on with {self.size // 2} instead of {self.size} images in a batch",
                RuntimeWarning,
                stacklevel=2,
            )
            self.size //= 2


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text

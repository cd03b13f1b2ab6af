"""The network's pass as a CUDA graph: its kernels are launched at once, not one by one from Python.

A small network's kernels take less time than launching them does. A graph holds the kernels and their addresses, so
inputs are copied to where they were when it was captured, and every shape has a graph of its own. It was not run on a
GPU yet (docs/speed.md), so nothing uses it by default.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from rdexplain.core.memory import is_out_of_memory
from rdexplain.errors import one_line

Work = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From images (b, c, h, w) and rows (b,) to the distortions (b,) and their slope by the images (b, c, h, w)."""
WARMING = 3
"""Passes before a capture, in which libraries choose their kernels and make what they keep."""


def cuda_graph(work: Work, images: Tensor, rows: Tensor) -> Work:
    """Work for inputs of these shapes, captured. Its outputs are overwritten by the next call.

    Raises:
        RuntimeError: it cannot be captured, such as a network that looks at its numbers.
    """
    images, rows = images.detach().clone(), rows.clone()
    current, stream = torch.cuda.current_stream(images.device), torch.cuda.Stream(images.device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        for _ in range(WARMING):
            work(images, rows)
    current.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        outputs = work(images, rows)

    def replayed(new_images: Tensor, new_rows: Tensor) -> tuple[Tensor, Tensor]:
        images.copy_(new_images)
        rows.copy_(new_rows)
        graph.replay()
        return outputs

    return replayed


class Captured:
    """Work that is captured once for each shape of its images, or done as it is where that cannot be.

    Args:
        work: reads nothing but its arguments and what stays the same, and waits for no number from the GPU.
        capture: see `cuda_graph`.
    """

    def __init__(self, work: Work, capture: Callable[[Work, Tensor, Tensor], Work] = cuda_graph) -> None:
        self._work, self._capture = work, capture
        self._captured: dict[tuple[int, ...], Work] = {}

    def __call__(self, images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        shape = tuple(images.shape)
        if shape not in self._captured:
            # The first pass is the plain one, so that its own errors are told apart from those of a capture.
            result = self._work(images, rows)
            self._captured[shape] = self._made(images, rows)
            return result
        return self._captured[shape](images, rows)

    def _made(self, images: Tensor, rows: Tensor) -> Work:
        if images.device.type != "cuda":
            return self._work
        try:
            return self._capture(self._work, images, rows)
        except Exception as error:  # a user's network may do anything that a graph cannot hold
            if is_out_of_memory(error):
                raise
            warnings.warn(f"no CUDA graph of the network: {one_line(error)}", RuntimeWarning, stacklevel=2)
            return self._work

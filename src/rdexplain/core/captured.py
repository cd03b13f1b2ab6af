"""Work on tensors as a CUDA graph: its kernels are launched at once, not one by one from Python.

A small network's kernels take less time than launching them does. A graph holds the kernels and their addresses, so
inputs are copied to where they were when it was captured, and every shape has a graph of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.memory import is_out_of_memory

Results = tuple[Tensor, ...]
Work = Callable[..., Results]
ROUNDING = 0.02
"""By how much, relative to their norm, what a graph gives may differ from what the plain work gives."""
WARMING = 2
"""Passes before a capture, in which libraries choose their kernels and make what they keep."""


def cuda_graph(work: Work, inputs: tuple[Tensor, ...]) -> Work:
    """Work for inputs of these shapes, captured. Its results are overwritten by the next call.

    Raises:
        RuntimeError: it cannot be captured, such as a network that looks at its numbers.
    """
    inputs = tuple(one.detach().clone() for one in inputs)
    current, stream = torch.cuda.current_stream(inputs[0].device), torch.cuda.Stream(inputs[0].device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        for _ in range(WARMING):
            work(*inputs)
    current.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        results = work(*inputs)

    def replayed(*given: Tensor) -> Results:
        for there, one in zip(inputs, given, strict=True):
            there.copy_(one)
        graph.replay()
        return results

    return replayed


class Captured:
    """Work that is captured once for each shape of its inputs, or done as it is where that cannot be.

    A graph is used from the third call with a shape on. At the first it is captured, and at the second, with other
    inputs, it has to give what the plain work gives: a network that keeps something from call to call would not.

    Args:
        work: reads nothing but its arguments and what stays the same, and waits for no number from the GPU. Its first
            argument says how to work, and is no tensor.
        capture: see `cuda_graph`.
    """

    def __init__(self, work: Work, capture: Callable[..., Work] = cuda_graph) -> None:
        self._work, self._capture = work, capture
        self._captured: dict[Hashable, Work] = {}
        self._tried: dict[Hashable, Work] = {}

    def __call__(self, how: Hashable, *inputs: Any) -> Results:
        # Streams of noise are no tensor on a CPU.
        if not all(isinstance(one, Tensor) and one.device.type == "cuda" for one in inputs):
            return self._work(how, *inputs)
        key = how, *(one.shape for one in inputs)
        if key in self._captured:
            return self._captured[key](*inputs)
        # The plain pass comes first, so that its own errors are told apart from those of a capture.
        results = self._work(how, *inputs)
        if key in self._tried:
            graph = self._tried.pop(key)
            self._captured[key] = graph if _same(graph(*inputs), results) else self._plain(how)
        else:
            self._try(key, how, inputs)
        return results

    def _plain(self, how: Hashable) -> Work:
        return lambda *inputs: self._work(how, *inputs)

    def _try(self, key: Hashable, how: Hashable, inputs: tuple[Tensor, ...]) -> None:
        try:
            self._tried[key] = self._capture(self._plain(how), inputs)
        except Exception as error:  # a user's network may do anything that a graph cannot hold
            if is_out_of_memory(error):
                self._captured.clear()  # with the memory that they hold
                self._tried.clear()
                raise
            self._captured[key] = self._plain(how)


def _same(results: Results, expected: Results) -> bool:
    """Whether results are the same but for rounding, of which half precision, or sums in another order, do more."""
    return all(
        bool((one - other).norm() <= ROUNDING * other.norm()) for one, other in zip(results, expected, strict=True)
    )

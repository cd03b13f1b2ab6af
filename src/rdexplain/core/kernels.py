"""Where a GPU's fused kernels are had: one pass over memory in place of the many of tensor arithmetic.

They are written in Triton, which comes with PyTorch for NVIDIA and AMD GPUs on Linux. Elsewhere the plain path does the
same with tensors: the same random integers, and numbers that are the same up to rounding.
"""

from __future__ import annotations

import functools
import importlib.util

import torch


def fused(device: torch.device) -> bool:
    """Whether fused kernels run on a device."""
    return device.type == "cuda" and _has_triton()


@functools.cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None

"""Where a GPU's fused kernels are had: one pass over memory in place of the many of tensor arithmetic.

They are written in Triton, which comes with PyTorch for NVIDIA and AMD GPUs on Linux and needs a C compiler. Elsewhere
the plain path does the same with tensors: the same random integers, and numbers that are the same up to rounding.
"""

from __future__ import annotations

import functools

import numpy as np
import torch


def fused(device: torch.device) -> bool:
    """Whether fused kernels run on a device; found out once, by one that has to give the right numbers."""
    return device.type == "cuda" and _works(device)


@functools.cache
def _works(device: torch.device) -> bool:
    bits = np.random.Philox(key=[0, 0], counter=[0, 0, 0, 0]).random_raw(4).view(np.uint32)
    try:
        from rdexplain.core import philox_kernels

        numbers = philox_kernels.uniform(torch.zeros((1, 5), dtype=torch.int64, device=device), len(bits))
    except Exception:  # no Triton, no compiler, a GPU that is too old: each has errors of its own
        return False
    return torch.equal(numbers[0].cpu(), (torch.from_numpy((bits >> 8).astype(np.float32)) + 0.5) * 2.0**-24)

"""A hash by which a network is known again."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from rdexplain.models.model import Model

_BYTES = torch.uint8


def fingerprint(model: Model) -> str | None:
    """A hash of a network's parameters and buffers, and of the names of its classes; None unless it is an nn.Module."""
    if not isinstance(model.network, nn.Module):
        return None
    total = hashlib.sha256(repr(model.classes).encode())
    for name, tensor in sorted(model.network.state_dict().items()):
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        # As bytes: NumPy does not know every type of PyTorch's.
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(_BYTES).numpy().data)
    return total.hexdigest()[:16]

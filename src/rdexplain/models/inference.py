"""Networks made in ``torch.inference_mode()``, whose tensors can take no part in autograd."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from rdexplain.errors import ModelError, one_line


def outside_inference(network: Any, name: str) -> Any:
    """The network itself, or a private copy with ordinary tensors where it holds inference tensors.

    Raises:
        ModelError: it cannot be copied.
    """
    if not isinstance(network, nn.Module) or not _is_inference(network):
        return network
    try:
        with torch.inference_mode(False):
            twin = copy.deepcopy(network)
    except Exception as error:  # copying a user's network may raise anything
        reason = one_line(f"{type(error).__name__}: {error}")
        raise ModelError(
            f"{name} was made in torch.inference_mode() and cannot be copied: make it outside ({reason})"
        ) from error
    if _is_inference(twin):
        raise ModelError(f"{name} was made in torch.inference_mode(), and so are its copies: make it outside")
    return twin


def _is_inference(network: nn.Module) -> bool:
    tensors = chain(network.parameters(), network.buffers())
    return any(not is_lazy(tensor) and tensor.is_inference() for tensor in tensors)

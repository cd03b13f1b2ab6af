"""A network held still for a while: eval mode, no parameter gradients, and afterwards as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from rdexplain.models.model import Model


@contextmanager
def frozen(network: Model | Callable[..., Any]) -> Iterator[None]:
    """Every submodule in eval mode and no parameter requiring gradients, inside the ``with`` block.

    Each submodule's ``training`` flag and each parameter's ``requires_grad`` flag is restored on the way out,
    also after an exception. A callable that is no ``nn.Module`` is left alone.

    Args:
        network: a `Model` or its network.
    """
    if isinstance(network, Model):
        network = network.network
    if not isinstance(network, nn.Module):
        yield
        return
    # The flags are set directly: train() and eval() may be overridden, and may then do more than set them.
    # A ScriptModule that torch.jit.freeze has been at has no flag left.
    modes = [(module, module.training) for module in network.modules() if hasattr(module, "training")]
    flags = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        for module, _ in modes:
            module.training = False
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, requires_grad in flags:
            parameter.requires_grad_(requires_grad)

"""Freezes a network for a while: eval mode and no parameter gradients, restored afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from rdexplain.models.model import Model


@contextmanager
def frozen(network: Model | Callable[..., Any]) -> Iterator[None]:
    """Every submodule in eval mode and no parameter requiring gradients, inside the ``with`` block.

    Each submodule's ``training`` flag and each parameter's ``requires_grad`` flag is restored on the way out, also
    after an exception. A callable that is no ``nn.Module`` is not touched.

    Args:
        network: a `Model` or its network.
    """
    if isinstance(network, Model):
        network = network.network
    if not isinstance(network, nn.Module):
        yield
        return
    # The flags are set directly: train() and eval() may be overridden, and may then do more than set them.
    # A ScriptModule after torch.jit.freeze has no `training` flag.
    modules = [module for module in network.modules() if hasattr(module, "training")]
    parameters = list(network.parameters())
    try:
        _hold(modules, "training")
        _hold(parameters, "requires_grad")
        yield
    finally:
        _release(modules, "training")
        _release(parameters, "requires_grad")


# Several threads may freeze the same network: the first one saves the flags, the last one restores them.
_held: dict[int, tuple[int, bool]] = {}
_lock = threading.Lock()


def _hold(things: Iterable[Any], flag: str) -> None:
    with _lock:
        for thing in things:
            holders, before = _held.get(id(thing), (0, getattr(thing, flag)))
            _held[id(thing)] = (holders + 1, before)
            setattr(thing, flag, False)


def _release(things: Iterable[Any], flag: str) -> None:
    with _lock:
        for thing in things:
            holders, before = _held.pop(id(thing), (0, getattr(thing, flag)))
            if holders > 1:
                _held[id(thing)] = (holders - 1, before)
            else:
                setattr(thing, flag, before)

"""Makes private copies of a network without in-place activations, and replaces modules in them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from rdexplain.errors import ModelError, one_line
from rdexplain.models import Model
from rdexplain.models.model import uncompiled


def private_copy(model: Model, method: str) -> nn.Module:
    """A copy of a model's network without in-place modules, to hook or to change.

    Raises:
        ModelError: the network is no ``nn.Module``, is compiled or has compiled parts, or cannot be copied.
    """
    network = model.network
    while isinstance(network, nn.DataParallel):  # what is inside computes the same, and has the layers
        network = network.module
    compiled = isinstance(network, nn.Module) and any(
        isinstance(one, torch.jit.ScriptModule) for one in network.modules()
    )
    if not isinstance(network, nn.Module) or compiled:
        raise ModelError(f"{method} changes the network's layers: {model.name} is no nn.Module with layers of its own")
    try:
        twin = copy.deepcopy(network)
    except Exception as error:  # whatever a user's network objects to copying with
        reason = one_line(f"{type(error).__name__}: {error}")
        raise ModelError(f"{method} works on a copy, and {model.name} cannot be copied: {reason}") from error
    for module in list(twin.modules()):
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
        for name, child in list(module.named_children()):
            setattr(module, name, uncompiled(child))
    return twin


def replaced(
    network: nn.Module, kinds: tuple[type[nn.Module], ...], build: Callable[[nn.Module], nn.Module]
) -> list[str]:
    """Replace every module of some kinds, in place; a module with several names gets a replacement for each name.

    Returns:
        the names of those replaced.
    """
    found = [name for name, module in network.named_modules(remove_duplicate=False) if isinstance(module, kinds)]
    for name in found:
        parent, _, child = name.rpartition(".")
        owner = network.get_submodule(parent)
        if isinstance(getattr(owner, child), kinds):  # its parent may have two names as well
            setattr(owner, child, build(getattr(owner, child)))
    return found


def plain_weights(network: nn.Module) -> None:
    """Weights that are computed before each pass (weight and spectral norm, pruning) become parameters, in place."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            # PyTorch's own way would take the properties off the class, which the copied network shares.
            values = {name: getattr(module, name).detach() for name in module.parametrizations}  # type: ignore[union-attr]
            module.__class__ = parametrize.type_before_parametrizations(module)
            del module.parametrizations
            for name, value in values.items():
                module.register_parameter(name, nn.Parameter(value, requires_grad=False))
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, WeightNorm | SpectralNorm | BasePruningMethod):
                del module._forward_pre_hooks[key]
                hook.remove(module)


@contextmanager
def gradient_warnings_off() -> Iterator[None]:
    """Captum warns that it sets hooks and that it sets ``requires_grad``: here both are done to copies alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")
        warnings.filterwarnings("ignore", message=r"Input Tensor \d+ did not already require gradients")
        yield

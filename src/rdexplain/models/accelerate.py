"""A faster private copy of a network: batch normalisation folded into the convolutions, tensors channels last."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from rdexplain.models.model import Model
from rdexplain.models.outputs import tensors_of
from rdexplain.models.tracing import Tracer

TOLERANCE = 1e-4
"""Largest accepted change of the output, relative to its largest absolute value; beyond it the original is used."""


def accelerated(model: Model, images: Tensor, arguments: Sequence[Any] = ()) -> Model:
    """A faster model with the same output up to rounding, or the model itself where there is none.

    Convolutions take the batch normalisations that follow them into their weights, on a private copy, and the copy's
    tensors lie channels last. The model must be in eval mode (see `frozen`). A network with hooks, one that cannot be
    copied, or one whose output changes by more than `TOLERANCE` is used as it is. Where the network's own numbers are
    rounded by more than that, in half precision or by a GPU that may round products to TF32, weights are folded and
    outputs compared in double precision.

    Args:
        model: the model to speed up.
        images: (n, c, h, w) in [0, 1]; the outputs of original and copy are compared on these.
        arguments: further positional arguments of the network for these images.
    """
    network = model.network
    if not isinstance(network, nn.Module) or isinstance(network, torch.jit.ScriptModule) or _has_hooks(network):
        return model
    exact, dtype = model, _rounded(network)
    try:
        twin = copy.deepcopy(network)
        if dtype is not None:
            exact = model.with_twin(copy.deepcopy(network).double())
            twin.double()
    except Exception:  # a user's network may raise anything when it is copied; it can still be used as it is
        return model
    fold_batch_norms(twin)
    if not any(isinstance(module, nn.Conv2d) for module in twin.modules()):
        return model
    candidate = model.with_twin(_ChannelsLast(twin))
    if not _agree(exact, candidate, images if dtype is None else images.double(), arguments):
        return model
    if dtype is not None:
        twin.to(dtype)
    return candidate


def _rounded(network: nn.Module) -> torch.dtype | None:
    """The one type of a network's numbers, if what it computes is rounded by more than `TOLERANCE`; else None."""
    tensors = [one for one in (*network.parameters(), *network.buffers()) if one.is_floating_point()]
    types, devices = {one.dtype for one in tensors}, {one.device.type for one in tensors}
    if len(types) != 1 or types == {torch.float64} or (types == {torch.float32} and devices == {"cpu"}):
        return None
    return types.pop()


class _ChannelsLast(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor, *arguments: Any) -> Any:
        return self.network(images.contiguous(memory_format=torch.channels_last), *arguments)


def fold_batch_norms(network: nn.Module) -> int:
    """Fold every batch normalisation that directly follows a convolution into it, in place.

    Returns:
        how many were folded.
    """
    uses = Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    folded = 0
    for parent, convolution, norm in list(_pairs(network)):
        first, second = parent.get_submodule(convolution), parent.get_submodule(norm)
        if uses[id(first)] == 1 and uses[id(second)] == 1 and _foldable(first, second):
            _fold(first, second)
            owner, _, name = norm.rpartition(".")
            setattr(parent.get_submodule(owner), name, _remainder(second))
            folded += 1
    return folded


def _pairs(module: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Largest traceable submodules, with the names of two layers where the second alone reads the first's output."""
    graph = _trace(module)
    if graph is None:
        for child in module.children():
            yield from _pairs(child)
        return
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        if node.op != "call_module" or len(node.args) != 1 or not isinstance(node.args[0], fx.Node):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) != 1:
            continue
        if calls[str(node.target)] == calls[str(before.target)] == 1:
            yield module, str(before.target), str(node.target)


class _Tracer(Tracer):
    """Traces into blocks but keeps convolutions and batch normalisations, subclasses too, as single calls."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d | nn.BatchNorm2d) or super().is_leaf_module(m, module_qualified_name)


def _trace(module: nn.Module) -> fx.Graph | None:
    if not any(True for _ in module.children()):
        return None
    try:
        return _Tracer().trace(module)
    except Exception:  # tracing runs the module's own code on proxies, which may fail in any way
        return None


def _foldable(convolution: nn.Module, norm: nn.Module) -> bool:
    return (
        isinstance(convolution, nn.Conv2d)
        and isinstance(norm, nn.BatchNorm2d)
        and norm.running_mean is not None
        and norm.running_var is not None
        and not norm.training
        and not hasattr(convolution, "parametrizations")
        and not hasattr(norm, "parametrizations")
        and _remainder(norm) is not None
    )


def _fold(convolution: nn.Module, norm: nn.Module) -> None:
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,  # type: ignore[arg-type]
        convolution.bias,  # type: ignore[arg-type]
        norm.running_mean,  # type: ignore[arg-type]
        norm.running_var,  # type: ignore[arg-type]
        norm.eps,  # type: ignore[arg-type]
        norm.weight,  # type: ignore[arg-type]
        norm.bias,  # type: ignore[arg-type]
    )
    convolution.weight.requires_grad_(False)
    convolution.bias.requires_grad_(False)


def _remainder(norm: nn.Module) -> nn.Module | None:
    """The module that replaces a folded normalisation (such as its activation); None for an unknown subclass."""
    if type(norm) is nn.BatchNorm2d:
        return nn.Identity()
    drop, act = getattr(norm, "drop", None), getattr(norm, "act", None)
    # timm's BatchNormAct2d: a normalisation, a drop layer and an activation in one.
    if type(norm).__name__ == "BatchNormAct2d" and isinstance(drop, nn.Module) and isinstance(act, nn.Module):
        return act if isinstance(drop, nn.Identity) else nn.Sequential(drop, act)
    return None


def _has_hooks(network: nn.Module) -> bool:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, kind, None) for module in network.modules() for kind in kinds)


def _agree(model: Model, candidate: Model, images: Tensor, arguments: Sequence[Any]) -> bool:
    with torch.no_grad():
        try:
            expected, got = model(images, *arguments), candidate(images, *arguments)
        except Exception:  # the network's own error is raised where it is used, not here
            return False
    pairs = list(zip(tensors_of(expected), tensors_of(got), strict=False))
    return bool(pairs) and all(
        one.shape == other.shape and bool((one - other).abs().max() <= TOLERANCE * one.abs().max().clamp_min(1e-6))
        for one, other in pairs
    )

"""A network as a graph of modules, each with a rule by which relevance passes it, for captum's LRP.

Captum's hooks want every step between layers to be a module used once, whose input nothing else reads. The network is
traced, and its copy gets what is missing: modules for functional sums, poolings and rectifiers, a module of its own for
each use of one, and a copy of each input.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from rdexplain.errors import ModelError, one_line
from rdexplain.models.tracing import Tracer

_WEIGHTED = (nn.Conv2d, nn.Linear)
_LINEAR = (nn.BatchNorm2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.MaxPool2d, nn.Flatten, nn.Unflatten, nn.ZeroPad2d)
_PASSING = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Tanh, nn.Hardtanh, nn.Hardswish),
)
_IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout)
# Layers of torchvision and timm, by name, to import neither: activations, and what does nothing in eval mode.
_PASSING_NAMES = ("Swish", "HardSwish", "HardSwishMe", "SwishMe", "GELU", "GELUTanh", "QuickGELU", "PReLU")
_IDLE_NAMES = ("StochasticDepth", "DropPath")
_SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")
_RECTIFIERS = (torch.relu, functional.relu, "relu", "relu_")
_MEANS = (torch.mean, "mean")
# What moves numbers and changes none: relevance passes backwards as a gradient does.
_MOVING = (
    *(torch.flatten, torch.cat, torch.reshape, torch.permute, torch.squeeze, functional.dropout),
    *("flatten", "view", "reshape", "contiguous", "permute", "squeeze", "clone", "to"),
)


class _Tracer(Tracer):
    """Every module without modules of its own is one step."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(True for _ in m.children()) or super().is_leaf_module(m, module_qualified_name)


class Sum(nn.Module):
    """A sum of two branches. In the pass that relevance follows it may be one of sizes: branches that cancel would
    otherwise get large relevances of both signs."""

    def __init__(self, by_size: bool) -> None:
        super().__init__()
        self.by_size, self.propagates = by_size, False

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return one.abs() + other.abs() if self.by_size and self.propagates else one + other


class ZPlus(nn.Module):
    """A convolution or linear layer; in the pass that relevance follows, its positive contributions a⁺w⁺ + a⁻w⁻."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        signed = []
        for clamp in (torch.Tensor.relu, lambda weight: -(-weight).relu()):
            part = copy.deepcopy(layer)
            part.weight = nn.Parameter(clamp(layer.weight.detach()), requires_grad=False)  # type: ignore[operator]
            part.register_parameter("bias", None)
            signed.append(part)
        # Captum takes modules without modules of their own for layers: these are hidden from it.
        self._parts = (layer, *signed)
        self.propagates = False

    def forward(self, inputs: Tensor) -> Tensor:
        layer, positive, negative = self._parts
        if not self.propagates:
            return layer(inputs)
        return positive(inputs.clamp_min(0)) + negative(inputs.clamp_max(0))


class Mean(nn.Module):
    """The mean over the positions of (n, c, h, w)."""

    def __init__(self, keep: bool) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean(dim=(2, 3), keepdim=self.keep)


def prepared(network: nn.Module, name: str, images: Tensor, arguments: list[Any], rule: str) -> fx.GraphModule:
    """The network as modules that relevance can pass.

    Args:
        network: a private copy, which is changed.
        name: what it is called in messages.
        images, arguments: one image and its further arguments, to run it on.
        rule: as `LRP`'s.

    Raises:
        ModelError: it cannot be traced, or has a step without a rule, which is named.
    """
    try:
        graph = fx.GraphModule(network, _Tracer().trace(network))
        with torch.no_grad():
            ShapeProp(graph).propagate(images, *arguments)
    except Exception as error:  # tracing runs the network's own code on proxies, which may fail in any way
        reason = one_line(f"{type(error).__name__}: {error}")[:200]
        raise ModelError(f"LRP cannot follow the layers of {name}: {reason}") from error
    plus, used = rule == "epsilon_plus", set[str]()
    explained = _of_the_images(graph)
    for node in list(graph.graph.nodes):
        if node.op in ("call_function", "call_method") and node in explained and "tensor_meta" in node.meta:
            _as_module(graph, node, name, plus, explained)
        if node.op == "call_module" and node not in explained:
            raise ModelError(f"LRP has no rule for {node.target} of {name}, whose input is not of the images")
        if node.op == "call_module":
            _prepare(graph, node, name, plus, used)
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    return graph


def attach_rules(graph: fx.GraphModule, epsilon: float) -> None:
    """Give each layer its rule. Captum takes the rules off after each attribution."""
    from captum.attr._utils.lrp_rules import EpsilonRule, IdentityRule

    class Propagating(EpsilonRule):
        """The ε rule on what the layer does when relevance is propagated."""

        def _manipulate_weights(self, module: Any, inputs: Any, outputs: Any) -> None:
            module.propagates = True

    for module in graph.modules():
        if isinstance(module, Sum | ZPlus):
            module.propagates = False
            module.rule = Propagating(epsilon)  # type: ignore[assignment]
        elif isinstance(module, (*_WEIGHTED, *_LINEAR, Mean)):
            module.rule = EpsilonRule(epsilon)
        elif _passes(module):
            module.rule = IdentityRule(epsilon)


def _of_the_images(graph: fx.GraphModule) -> set[fx.Node]:
    """The steps whose output depends on the images. The others, of parameters and other arguments alone, have no
    gradient for captum to follow."""
    found: set[fx.Node] = set()
    for node in graph.graph.nodes:
        if (node.op == "placeholder" and not found) or found.intersection(node.all_input_nodes):
            found.add(node)
    return found


def _as_module(graph: fx.GraphModule, node: fx.Node, name: str, plus: bool, explained: set[fx.Node]) -> None:
    """Put a module in place of a functional step, or leave one that relevance passes by itself."""
    inputs = [one for one in node.all_input_nodes if "tensor_meta" in one.meta and one in explained]
    if node.target in _SUMS and len(inputs) == 2 and set(node.kwargs) <= {"input", "other"}:
        _call(graph, node, Sum(plus), tuple(inputs))
    elif node.target in _RECTIFIERS:
        _call(graph, node, nn.ReLU(), (inputs[0],))
    elif node.target is functional.adaptive_avg_pool2d:
        size = node.args[1] if len(node.args) > 1 else node.kwargs["output_size"]
        _call(graph, node, nn.AdaptiveAvgPool2d(size), (inputs[0],))  # type: ignore[arg-type]
    elif node.target in _MEANS and _over_positions(node):
        _call(graph, node, Mean(len(node.meta["tensor_meta"].shape) == 4), (inputs[0],))
    elif node.target not in _MOVING:
        raise ModelError(f"LRP has no rule for {_step(node)} in {_place(node)} of {name}")


def _call(graph: fx.GraphModule, node: fx.Node, module: nn.Module, inputs: tuple[fx.Node, ...]) -> None:
    name = f"step_{node.name}"
    graph.add_submodule(name, module)
    node.op, node.target, node.args, node.kwargs = "call_module", name, inputs, {}


def _over_positions(node: fx.Node) -> bool:
    """Whether a mean is that over the two last axes of (n, c, h, w)."""
    axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    source = node.args[0]
    shape = source.meta["tensor_meta"].shape if isinstance(source, fx.Node) else ()
    return len(shape) == 4 and isinstance(axes, list | tuple) and {int(axis) % 4 for axis in axes} == {2, 3}  # type: ignore[call-overload]


def _prepare(graph: fx.GraphModule, node: fx.Node, name: str, plus: bool, used: set[str]) -> None:
    """Make a layer ready for captum: it must have a rule, be used once, and be the only reader of its inputs."""
    target = str(node.target)
    layer = graph.get_submodule(target)
    if isinstance(layer, _IDLE) or type(layer).__name__ in _IDLE_NAMES:
        node.replace_all_uses_with(node.all_input_nodes[0])
        graph.graph.erase_node(node)
        return
    if not isinstance(layer, (*_WEIGHTED, *_LINEAR, Sum, Mean)) and not _passes(layer):
        raise ModelError(f"LRP has no rule for {target} ({type(layer).__name__}) of {name}")
    if plus and isinstance(layer, nn.Conv2d):
        layer = ZPlus(layer)
    elif target in used:
        layer = copy.deepcopy(layer)
    if layer is not graph.get_submodule(target):
        target = f"{target.replace('.', '_')}_{node.name}"
        graph.add_submodule(target, layer)
        node.target = target
    used.add(target)
    for before in node.all_input_nodes:
        with graph.graph.inserting_before(node):
            own = graph.graph.call_method("clone", (before,))
        own.meta = dict(before.meta)
        node.replace_input_with(before, own)


def _passes(layer: nn.Module) -> bool:
    return isinstance(layer, _PASSING) or type(layer).__name__ in _PASSING_NAMES


def _step(node: fx.Node) -> str:
    """A functional step in words: `mul`, `matmul`."""
    target: str | Callable[..., Any] = node.target
    return target if isinstance(target, str) else getattr(target, "__name__", str(target))


def _place(node: fx.Node) -> str:
    """The submodule in whose forward a step is."""
    stack = node.meta.get("nn_module_stack") or {}
    found = [str(entry[0] if isinstance(entry, tuple) else entry) for entry in stack.values()]
    return found[-1] if found and found[-1] else "the forward method"

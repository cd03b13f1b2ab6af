"""Finds the last layer of a network whose output is a grid over the image, and reads its output as such a grid."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rdexplain.core.gradients import NO_INFLUENCE, differentiating
from rdexplain.errors import ModelError, OptionError, unknown
from rdexplain.models import Model

_POOLING = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.LPPool2d,
    nn.FractionalMaxPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)


@dataclass(frozen=True)
class Grid:
    """A layer whose output is a grid of features, and how to read it.

    Attributes:
        layer: the submodule's name.
        kind: "channels first" for (n, d, h, w), "channels last" for (n, h, w, d), "tokens" for (n, p + h w, d) with
            p tokens before the grid's.
        shape: (h, w).
    """

    layer: str
    kind: str
    shape: tuple[int, int]

    def read(self, output: Tensor) -> Tensor:
        """The layer's output, or its gradient, as (n, d, h, w)."""
        if self.kind == "channels first":
            return output
        if self.kind == "channels last":
            return output.permute(0, 3, 1, 2)
        return output[:, -self.shape[0] * self.shape[1] :].mT.unflatten(2, self.shape)


@contextmanager
def watched(model: Model, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """The outputs of submodules, in the order in which they are computed; each the last one of its module.

    The hooks are gone when the block ends, also after an exception. What comes after a module gets a copy, so that
    nothing changes its output in place.
    """
    seen: dict[str, Tensor] = {}
    thread = threading.get_ident()

    def hook(name: str) -> Callable[[nn.Module, Any, Any], Any]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> Any:
            if threading.get_ident() != thread:  # another one explains with the same network
                return None
            if not isinstance(output, Tensor) or not output.is_floating_point():
                return None
            seen.pop(name, None)
            seen[name] = output
            return output.clone()

        return keep

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(model.network.get_submodule(name).register_forward_hook(hook(name)))  # type: ignore[attr-defined]
        yield seen


def find_grid(model: Model, score: Callable[[Tensor], Tensor], image: Tensor, layer: str | None = None) -> Grid:
    """The last layer with a grid of features on which the class's logit depends.

    For a convolutional network that is the last output (n, d, h, w) of more than one position that no pooling has made.
    For a vision transformer it is the last (n, tokens, d) that still reaches the score from the patches' tokens: in the
    usual ones, where the class token alone is read, the input of the last block's attention.

    Args:
        score: runs the model on an image (1, c, h, w), and returns the class's logit. Its probability would not do:
            where that is 1, no layer has a gradient.
        image: (1, c, h, w).
        layer: the name of the layer to use; None to look for one.

    Raises:
        OptionError: the network has no such layer, or its output is no grid.
        ModelError: the network is no ``nn.Module`` or is compiled, or nothing is found.
    """
    if not isinstance(model.network, nn.Module) or isinstance(model.network, torch.jit.ScriptModule):
        raise ModelError(
            f"Grad-CAM looks into the network's layers: {model.name} is no nn.Module with layers of its own"
        )
    # A compiled part takes no hooks; what torch.compile was given lies in it as _orig_mod.
    modules = {
        name: module
        for name, module in model.network.named_modules()
        if name and not isinstance(module, torch.jit.ScriptModule) and "_orig_mod" not in name.split(".")
    }
    if layer is not None and layer not in modules:
        raise OptionError(unknown("layer", layer, modules))
    with differentiating(), watched(model, list(modules)) as seen:
        result = score(image.detach().requires_grad_()).sum()
        if not result.requires_grad:
            raise ModelError(NO_INFLUENCE)
        grids = _grids(seen, modules, (image.shape[-2], image.shape[-1]))
        if layer is not None:
            found = [grid for grid in grids if grid.layer == layer]
            if not found:
                shape = tuple(seen[layer].shape) if layer in seen else "none"
                raise OptionError(
                    f"the output of {layer} is no grid of features (its shape is {shape}): choose another"
                )
            return found[-1]
        found = [grid for grid in grids if not _pooled(seen, modules, grid.layer)]
        gradients = (
            torch.autograd.grad(result, [seen[grid.layer] for grid in found], allow_unused=True) if found else ()
        )
    reached = [
        grid
        for grid, gradient in zip(found, gradients, strict=True)
        if gradient is not None and bool(grid.read(gradient).any())
    ]
    if not found:
        raise ModelError(f"{model.name} has no layer with a place for each part of the image: name one with layer")
    return (reached or found)[-1]


def _grids(seen: dict[str, Tensor], modules: dict[str, nn.Module], size: tuple[int, int]) -> list[Grid]:
    grids, patches = [], None  # patches: the shape of the last convolution's output
    for name, output in seen.items():
        # What does not depend on the image is no grid of its features, such as a table of relative positions.
        if not output.requires_grad:
            continue
        shape = tuple(output.shape)
        if output.ndim == 4 and len(output) == 1:
            for kind, place in (("channels first", (shape[2], shape[3])), ("channels last", (shape[1], shape[2]))):
                # Attention between t tokens is t x t as well, and larger than the tokens' own grid.
                grown = patches is not None and place[0] > patches[2]
                if place[0] * place[1] > 1 and _similar(place, size) and not grown:
                    grids.append(Grid(name, kind, place))
                    break
            if isinstance(modules[name], nn.Conv2d) and shape[2] * shape[3] > 1:
                patches = shape
        # Tokens are as many and as wide as the patches' embedding was, with a few more before them.
        if output.ndim == 3 and len(output) == 1 and patches is not None and shape[2] == patches[1]:
            count = patches[2] * patches[3]
            if count > 1 and 0 <= shape[1] - count < min(count, 16):
                grids.append(Grid(name, "tokens", (patches[2], patches[3])))
    return grids


def _similar(place: Sequence[int], size: tuple[int, int]) -> bool:
    """Whether a grid (h, w) can be that of an image of this size: as tall and wide in proportion, up to rounding."""
    step = max(size[0] / place[0], size[1] / place[1])
    return step >= 1 and all(abs(side / step - count) <= 2 for side, count in zip(size, place, strict=True))


def _pooled(seen: dict[str, Tensor], modules: dict[str, nn.Module], name: str) -> bool:
    """Whether an output is that of a pooling layer: its own, or its last child's."""
    module = modules[name]
    if isinstance(module, nn.Sequential) and len(module):
        last = f"{name}.{list(module.named_children())[-1][0]}"
        return last in seen and _pooled(seen, modules, last)
    return isinstance(module, _POOLING)

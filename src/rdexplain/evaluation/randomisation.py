"""The sanity check of model-parameter randomisation: explanations should change with the network.

Adebayo et al.: Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv 1810.03292.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from rdexplain.core import philox
from rdexplain.errors import ModelError, one_line
from rdexplain.models import Model, frozen

IMAGES = 16
"""Number of images from which batch normalisations take their statistics."""


def layers_of(model: Model) -> list[str]:
    """The names of the modules with parameters or statistics of their own, in the order of `named_modules`.

    Raises:
        ModelError: a network that is no ``nn.Module``, or has none.
    """
    if not isinstance(model.network, nn.Module) or isinstance(model.network, torch.jit.ScriptModule):
        raise ModelError(f"{model.name} has no parameters that could be randomised")
    names = [
        name
        for name, module in model.network.named_modules()
        if next(module.parameters(recurse=False), None) is not None or _has_statistics(module)
    ]
    if not names:
        raise ModelError(f"{model.name} has no parameters that could be randomised")
    return names


def randomised(model: Model, size: tuple[int, int], seed: int = 0, layers: Sequence[str] | None = None) -> Model:
    """The model on a copy of its network with the parameters of some layers drawn anew: by a module's
    `reset_parameters`, or else from a normal distribution with the parameter's own mean and standard deviation.

    Batch normalisations among the layers then take their statistics from random smooth images: with the initial ones,
    the signal of a deep network vanishes and every image gives the same output. All numbers are functions of the seed
    and the layer's name (philox seeds the generator that a module draws from), drawn on the CPU, so that they are the
    same on every device and no GPU's generator changes.

    Args:
        size: (h, w) of the images to explain.
        layers: names of modules with parameters of their own; None for all.

    Raises:
        ModelError: a network that is no ``nn.Module``, has no parameters or cannot be copied.
    """
    layers = layers_of(model) if layers is None else layers
    try:
        network = copy.deepcopy(model.network).cpu()  # type: ignore[attr-defined]
    except (RuntimeError, TypeError) as error:
        raise ModelError(f"{model.name} cannot be copied: {one_line(error)}") from error
    # Modules draw from the CPU's global generator, which is restored afterwards. torch.manual_seed would seed the
    # GPUs' generators as well.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for name in layers:
            _seed(seed, name)
            _draw(network.get_submodule(name))
        other = model.with_network(network.to(model.device), name=f"{model.name} (randomised)")
        _seed(seed, "statistics")
        _take_statistics(other, [network.get_submodule(name) for name in layers], size)
    return other


def _seed(seed: int, name: str) -> None:
    bits = philox.random_bits([philox.Stream(seed, philox.name_key(name), 0, 0, philox.RANDOMISE)], 1)
    torch.default_generator.manual_seed(int(bits))


def _draw(layer: nn.Module) -> None:
    """Give a module's own parameters new values."""
    reset = getattr(layer, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for parameter in layer.parameters(recurse=False):
        spread = parameter.std() if parameter.numel() > 1 else parameter.abs().sum()
        parameter.copy_(parameter.mean() + spread * torch.randn_like(parameter))


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats


def _take_statistics(model: Model, layers: Sequence[Any], size: tuple[int, int]) -> None:
    """Set the running statistics of the batch normalisations among some layers from random images (h, w) = `size`."""
    norms = [layer for layer in layers if _has_statistics(layer)]
    if not norms:
        return
    coarse = 0.5 + 0.25 * torch.randn(IMAGES, 3, 8, 8)
    images = nn.functional.interpolate(coarse, size=size, mode="bicubic", antialias=True)
    images = (images + 0.05 * torch.randn(images.shape)).clamp(0, 1).to(model.device, model.dtype)
    before = [(norm, norm.momentum, norm.training) for norm in norms]
    with frozen(model):
        for norm in norms:
            norm.momentum, norm.training = None, True  # the plain mean over these images
        model(images)
    for norm, momentum, training in before:
        norm.momentum, norm.training = momentum, training

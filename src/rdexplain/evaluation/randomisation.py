"""The sanity check of model-parameter randomisation: explanations should change with the network.

Adebayo et al.: Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv 1810.03292.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from rdexplain.errors import ModelError, OptionError
from rdexplain.models import Model, frozen
from rdexplain.text.extras import needed

IMAGES = 16
"""Number of images from which batch normalisations take their statistics."""
LEAST_SIZE = 3
"""Least side of a map in pixels: the smallest window of the structural similarity."""


def randomised(model: Model, size: tuple[int, int], seed: int = 0) -> Model:
    """The model on a copy of its network with all parameters drawn anew: by a module's `reset_parameters`, or else from
    a normal distribution with the parameter's own mean and standard deviation.

    Batch normalisations then take their statistics from random smooth images: with the initial ones, the signal of a
    deep network vanishes and every image gives the same output. All numbers are drawn on the CPU, so that they are the
    same on every device and no GPU's generator changes.

    Args:
        size: (h, w) of the images to explain.

    Raises:
        ModelError: a network that is no ``nn.Module`` or cannot be copied.
    """
    if not isinstance(model.network, nn.Module) or isinstance(model.network, torch.jit.ScriptModule):
        raise ModelError(f"{model.name} has no parameters that could be randomised")
    try:
        network = copy.deepcopy(model.network).cpu()
    except (RuntimeError, TypeError) as error:
        raise ModelError(f"{model.name} cannot be copied: {' '.join(str(error).split())}") from error
    # Modules draw from the CPU's global generator, which is restored afterwards. torch.manual_seed would seed the
    # GPUs' generators as well.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
            else:
                for parameter in module.parameters(recurse=False):
                    spread = parameter.std() if parameter.numel() > 1 else parameter.abs().sum()
                    parameter.copy_(parameter.mean() + spread * torch.randn_like(parameter))
        other = model.with_network(network.to(model.device), name=f"{model.name} (randomised)")
        _take_statistics(other, size)
    return other


def _take_statistics(model: Model, size: tuple[int, int]) -> None:
    """Set the running statistics of a model's batch normalisations from random images (h, w) = `size`."""
    norms = [
        module
        for module in model.network.modules()  # type: ignore[attr-defined]
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
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


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's correlation of the rows of (n, k), (n,); equal scores share a rank, NaN where all are equal."""
    a, b = (_centred_ranks(scores) for scores in (first, second))
    return (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))


def _centred_ranks(scores: Tensor) -> Tensor:
    rising = scores.double().sort(dim=1).values
    values = scores.double().contiguous()
    below, upto = torch.searchsorted(rising, values), torch.searchsorted(rising, values, right=True)
    ranks = (below + upto).double() / 2
    return ranks - ranks.mean(dim=1, keepdim=True)


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM (Wang et al. 2004) of the pixel maps (n, h, w), each rescaled to [0, 1], (n,), by scikit-image.

    Raises:
        OptionError: the maps are smaller than `LEAST_SIZE`, or scikit-image is not installed.
    """
    if min(first.shape[1:]) < LEAST_SIZE:
        raise OptionError(f"the structural similarity needs maps of {LEAST_SIZE} x {LEAST_SIZE} pixels at least")
    ssim = needed("skimage.metrics", "this score").structural_similarity
    pairs = zip(_unit(first).cpu().numpy(), _unit(second).cpu().numpy(), strict=True)
    side = min(7, 2 * ((min(first.shape[1:]) - 1) // 2) + 1)
    return torch.tensor([float(ssim(a, b, data_range=1.0, win_size=side)) for a, b in pairs], dtype=torch.float64)


def _unit(maps: Tensor) -> Tensor:
    maps = maps.double()
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)

"""Models by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rdexplain.errors import ModelError, OptionError, unknown
from rdexplain.models import (
    custom,
    efficientnet_lite,
    files,
    hf_models,
    timm_models,
    yolov5,
)
from rdexplain.models.activation import Activation
from rdexplain.models.classes import ClassName
from rdexplain.models.known_classes import read_classes
from rdexplain.models.model import Model
from rdexplain.models.source import ListedSource, ModelInfo, Source
from rdexplain.models.torchvision_models import CLASSIFIERS, DETECTORS, SEGMENTATION

# The names of the other sources' models are on a hub, or known to the user alone.
LISTED: tuple[ListedSource, ...] = (efficientnet_lite, yolov5, CLASSIFIERS, SEGMENTATION, DETECTORS)
# The first source that matches a name loads it, so those with the cheapest `matches` come first.
SOURCES: tuple[Source, ...] = (timm_models, hf_models, files, custom, *LISTED)

_PRECISIONS = ("float32", "float16", "bfloat16")


def load_model(
    name: str,
    *,
    weights: str | Path | None = None,
    mean: float | Iterable[float] | None = None,
    std: float | Iterable[float] | None = None,
    normalise: bool = True,
    input_size: int | None = None,
    classes: str | Path | Iterable[str | ClassName] | None = None,
    activation: Activation | None = None,
    device: str | torch.device | None = None,
    precision: str | None = None,
) -> Model:
    """A model in eval mode.

    Args:
        name: ``efficientnet_lite0``, a torchvision classifier such as ``resnet50`` or
            ``resnet50@IMAGENET1K_V2`` (`list_models` has them all), ``timm/NAME``, ``hf/NAME``, a file (``.onnx``,
            ``.pt2``, TorchScript, a YOLOv5 checkpoint), or ``package.module:factory`` of your own.
        weights: None for the published ones; a safetensors or PyTorch file with a state dict; the name of an
            entry of torchvision's weights; "random" (or "none") for a network as initialised, the same every
            time.
        mean, std: the normalisation in place of the published one, a number or one per channel.
        normalise: False feeds the images in [0, 1] to the network as they are, as the published CartoonX
            scripts do.
        input_size: the side of the images in pixels, in place of the published one.
        classes: class names: a list, a text file with one name per line, or "imagenet". With weights from a file or
            random ones, their number sets the number of the network's outputs.
        activation: what makes probabilities of the output, in place of the model's own: "softmax", "sigmoid", "none",
            or "auto" to find it out; see `Model`.
        device: the device to put the network on, such as "cuda".
        precision: "float32", "float16" or "bfloat16", what the network computes in; masks stay in float32.

    Raises:
        ModelError: an unknown name, or weights that cannot be loaded or do not fit.
        OptionError: an invalid option.
    """
    if not normalise and (mean is not None or std is not None):
        raise OptionError("normalise=False leaves no use for mean and std")
    if precision is not None and precision not in _PRECISIONS:
        raise OptionError(unknown("precision", precision, _PRECISIONS))
    # Options are checked before anything is downloaded.
    options = Model(_nothing, mean=mean, std=std, input_size=input_size, activation=activation or "auto")
    names = None if classes is None else read_classes(classes)
    model = find_source(name).load(name, weights=weights, classes=names)
    changes: dict[str, Any] = {}
    if not normalise:
        changes |= {"mean": None, "std": None}
    if mean is not None:
        changes["mean"] = options.mean
    if std is not None:
        changes["std"] = options.std
    if activation is not None:
        changes["activation"] = activation
    if input_size is not None:
        if model.fixed_size and input_size != model.input_size:
            raise ModelError(f"{name} takes images of {model.input_size} x {model.input_size} pixels only")
        changes["input_size"] = input_size
    model = model.with_options(**changes) if changes else model
    if precision is not None and isinstance(model.network, nn.Module):
        model.network.to(getattr(torch, precision))
    return model if device is None else model.on(device)


def find_source(name: str) -> Source:
    """The source of a model, without building or downloading it.

    Raises:
        ModelError: an unknown name.
    """
    for source in SOURCES:
        if source.matches(name):
            return source
    raise ModelError(unknown("model", name, [info.name for info in list_models()]))


def list_models() -> list[ModelInfo]:
    """The models that can be loaded by name, without building or downloading any."""
    return [info for source in LISTED for info in source.list_models()]


def _nothing(*_: Any) -> None:
    """A network for checking options."""

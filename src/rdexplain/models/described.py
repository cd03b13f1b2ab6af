"""Finds the task, image size and batch size of a network from a file by running it on grey images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rdexplain.errors import ModelError, one_line
from rdexplain.models.classes import ClassName
from rdexplain.models.imagenet import imagenet_classes
from rdexplain.models.known_classes import coco_classes, voc_classes
from rdexplain.models.model import Kind, Model, as_model
from rdexplain.models.outputs import scores_of

_SIZES = (256, 224, 299, 320, 384, 512, 640)
"""Image sides in pixels, tried in this order where the file states none."""


def square(path: Path, height: int | None, width: int | None) -> int | None:
    """The side of the images that a network takes; None for any.

    Raises:
        ModelError: they are not square.
    """
    if height != width:
        raise ModelError(f"{path} takes images of {height} x {width} pixels; only squares can be explained")
    return height


def described(
    network: nn.Module,
    path: Path,
    classes: tuple[ClassName, ...] | None,
    *,
    batch: int | None = None,
    size: int | None = None,
) -> Model:
    """The `Model` of a network from a file, whose missing properties are found by running it.

    Args:
        batch: how many images it takes at once; None where the file does not say.
        size: the fixed side of its images in pixels; None where the file does not say.
    """
    found: Any = None
    reason = ""
    count = batch or 1
    for side in _SIZES if size is None else (size,):
        try:
            with torch.no_grad():
                found = scores_of(network(_grey(network, count, side)))
            break
        except Exception as error:  # a wrong size may raise anything
            reason = reason or one_line(error)
    else:
        raise ModelError(f"{path} fails on images of {size or _SIZES[0]} pixels: {reason}")
    if size is None and side != _SIZES[0]:
        size = side
    if batch is None and not _takes_two(network, side, found):
        batch = 1
    task, names = _task(path, found, count)
    return as_model(
        network,
        name=path.stem,
        input_size=side,
        fixed_size=size is not None,
        classes=names if classes is None else classes,
        weights=path.name,
        task=task,
        batch_size=batch,
    )


def _grey(network: nn.Module, count: int, side: int) -> Tensor:
    parameter = next((one for one in network.parameters() if one.is_floating_point()), None)
    return torch.full((count, 3, side, side), 0.5, dtype=None if parameter is None else parameter.dtype)


def _takes_two(network: nn.Module, side: int, one: Any) -> bool:
    """Whether a batch of two images gives the output of one image twice."""
    try:
        with torch.no_grad():
            two = scores_of(network(_grey(network, 2, side)))
        return two.shape == (2, *one.shape[1:]) and bool(torch.allclose(two[1:].float(), one.float(), atol=1e-3))
    except Exception:  # a wrong batch size may raise anything
        return False


def _task(path: Path, output: Any, images: int) -> tuple[Kind, tuple[ClassName, ...] | None]:
    """The task and the likely class names, from the shape of an output for `images` images."""
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    if len(shape) == 2 or shape == (images,):
        return "classification", imagenet_classes() if shape[1:] == (1000,) else None
    if len(shape) == 3 and min(shape[1:]) > 5:
        count = shape[2] - 5 if shape[1] >= shape[2] else shape[1] - 4
        return "detection", coco_classes() if count == 80 else None
    if len(shape) == 4:
        return "segmentation", voc_classes() if shape[1] == 21 else None
    raise ModelError(f"{path} returns {shape or type(output).__name__}: no scores of classes, regions or objects")

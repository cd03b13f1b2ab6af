"""Networks in files that hold the network itself: ONNX, TorchScript and `torch.export`.

What such a file does not say is found out by running it once: what task it is for, what its classes are called where
there are as many as in a common data set, and how many images it takes at once.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rdexplain.errors import ModelError
from rdexplain.models import yolov5
from rdexplain.models.activation import Activation
from rdexplain.models.checkpoint import one_line
from rdexplain.models.classes import ClassName
from rdexplain.models.known_classes import coco_classes, voc_classes
from rdexplain.models.model import Kind, Model, as_model
from rdexplain.models.outputs import scores_of
from rdexplain.models.source import ModelInfo

_SUFFIXES = (".onnx", ".pt", ".pth", ".ts", ".torchscript", ".pt2")
_ENDLESS = 2**20
_BATCH = 8
"""Images at once for an exported network that takes up to some number of them."""
_SIZES = (256, 224, 299, 320, 384, 512, 640)
"""Sides that are tried, in pixels, where the file does not say its own."""


def matches(name: str) -> bool:
    """Whether the name is one of a file with a network."""
    return ":" not in name and name.lower().endswith(_SUFFIXES)


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The network in a file, in eval mode on the CPU, without normalisation: the file may hold one.

    Args:
        name: a path that ends in ``.onnx``, ``.pt2`` (`torch.export`), ``.pt``, ``.pth``, ``.ts`` or ``.torchscript``
            (TorchScript, or a checkpoint of YOLOv5).
        weights: none: they are in the file.
        classes: the class names. Without them those in the file's metadata, or, by their number, ImageNet's (1000
            outputs of a classifier) or Pascal VOC's (21 of a segmentation).

    Raises:
        ModelError: the file is missing, damaged, needs a package that is not installed, or holds no network.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        raise ModelError(f"no file {path}")
    if weights is not None:
        raise ModelError(f"{path} holds its weights itself: leave out {weights}")
    with warnings.catch_warnings():
        # The converters and loaders warn about themselves, once each.
        warnings.simplefilter("ignore")
        return _loader(path)(path, classes)


def list_models() -> Iterable[ModelInfo]:
    """None: they are the user's."""
    return ()


def _loader(path: Path) -> Callable[[Path, tuple[ClassName, ...] | None], Model]:
    if path.suffix.lower() == ".onnx":
        from rdexplain.models.onnx_files import load_onnx

        return load_onnx
    if path.suffix.lower() == ".pt2":
        return _load_exported
    if _is_torchscript(path):
        return _load_script
    return _load_checkpoint


def _load_checkpoint(path: Path, classes: tuple[ClassName, ...] | None) -> Model:
    """A checkpoint that says by its own names and shapes what network it is of."""
    state, names = yolov5.read_checkpoint(path)
    if yolov5.is_yolov5(state):
        return yolov5.build(state, names if classes is None else classes, path.name)
    raise ModelError(
        f"{path} holds no TorchScript network and no YOLOv5: if it holds weights, name their network with --model and "
        "give the file with --weights"
    )


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _load_script(path: Path, classes: tuple[ClassName, ...] | None) -> Model:
    try:
        network = torch.jit.load(path, map_location="cpu").eval()
    except Exception as error:  # a damaged archive can end in any
        raise ModelError(f"cannot read {path} as TorchScript: {one_line(error)}") from error
    return described(network, path, classes)


def _load_exported(path: Path, classes: tuple[ClassName, ...] | None) -> Model:
    try:
        program = torch.export.load(path)
        network = program.module()
    except Exception as error:  # a damaged archive can end in any
        raise ModelError(f"cannot read {path} as a torch.export file: {one_line(error)}") from error
    inputs = [node.meta.get("val") for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    shape = tuple(getattr(inputs[0], "shape", ())) if len(inputs) == 1 else ()
    if len(shape) != 4:
        raise ModelError(f"{path} takes {len(inputs)} inputs, not one of images (n, 3, h, w)")
    height, width = (side if type(side) is int else None for side in shape[2:])
    return described(network, path, classes, batch=_batch(program, shape[0]), size=square(path, height, width))


def _batch(program: Any, length: Any) -> int | None:
    """How many images to give an exported network at once; None for any number."""
    if type(length) is int:
        return length
    bounds = program.range_constraints.get(length.node.expr)
    most = getattr(bounds, "upper", _ENDLESS)
    return None if most >= _ENDLESS else min(int(most), _BATCH)


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
    activation: Activation = "auto",
) -> Model:
    """The model of a network from a file, after a look at what it returns.

    Args:
        batch: how many images it takes at once; None where the file does not say.
        size: the only side, in pixels, that it takes; None where the file does not say.
    """
    found: Any = None
    reason = ""
    count = batch or 1
    for side in _SIZES if size is None else (size,):
        try:
            with torch.no_grad():
                found = scores_of(network(_grey(network, count, side)))
            break
        except Exception as error:  # a network may object to a size in any way
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
        activation=activation,
    )


def _grey(network: nn.Module, count: int, side: int) -> Tensor:
    parameter = next((one for one in network.parameters() if one.is_floating_point()), None)
    return torch.full((count, 3, side, side), 0.5, dtype=None if parameter is None else parameter.dtype)


def _takes_two(network: nn.Module, side: int, one: Any) -> bool:
    """Whether the network gives two images two outputs, each as for the image alone."""
    try:
        with torch.no_grad():
            two = scores_of(network(_grey(network, 2, side)))
        return two.shape == (2, *one.shape[1:]) and bool(torch.allclose(two[1:].float(), one.float(), atol=1e-3))
    except Exception:  # a network may object in any way
        return False


def _task(path: Path, output: Any, images: int) -> tuple[Kind, tuple[ClassName, ...] | None]:
    """What an output for so many images is for, and the classes that it may have."""
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    if len(shape) == 2 or shape == (images,):
        from rdexplain.models.imagenet import imagenet_classes

        return "classification", imagenet_classes() if shape[1:] == (1000,) else None
    if len(shape) == 3 and min(shape[1:]) > 5:
        count = shape[2] - 5 if shape[1] >= shape[2] else shape[1] - 4
        return "detection", coco_classes() if count == 80 else None
    if len(shape) == 4:
        return "segmentation", voc_classes() if shape[1] == 21 else None
    raise ModelError(f"{path} returns {shape or type(output).__name__}: no scores of classes, regions or objects")

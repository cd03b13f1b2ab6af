"""Networks in files that hold the network itself: ONNX, TorchScript and `torch.export`.

What the file does not state is found by running the network: the task, the class names (where their number is that of a
common data set) and the batch size.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rdexplain.errors import ModelError, one_line
from rdexplain.models import yolov5
from rdexplain.models.classes import ClassName
from rdexplain.models.described import described, square
from rdexplain.models.model import Model
from rdexplain.models.onnx_files import load_onnx

_SUFFIXES = (".onnx", ".pt", ".pth", ".ts", ".torchscript", ".pt2")
_ENDLESS = 2**20
_BATCH = 8
"""Largest batch for an exported network whose batch size has an upper bound."""


def matches(name: str) -> bool:
    """Whether the name ends like that of a network file."""
    return ":" not in name and name.lower().endswith(_SUFFIXES)


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The network in a file, in eval mode on the CPU, without normalisation: the file may hold one.

    Args:
        name: a path that ends in ``.onnx``, ``.pt2`` (`torch.export`), ``.pt``, ``.pth``, ``.ts`` or ``.torchscript``
            (TorchScript, or a checkpoint of YOLOv5).
        weights: must be None, since the file holds the weights.
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
        # Converters and loaders give warnings that do not concern the user.
        warnings.simplefilter("ignore")
        return _loader(path)(path, classes)


def _loader(path: Path) -> Callable[[Path, tuple[ClassName, ...] | None], Model]:
    if path.suffix.lower() == ".onnx":
        return load_onnx
    if path.suffix.lower() == ".pt2":
        return _load_exported
    if _is_torchscript(path):
        return _load_script
    return _load_checkpoint


def _load_checkpoint(path: Path, classes: tuple[ClassName, ...] | None) -> Model:
    """A checkpoint whose keys and shapes identify its network, which is YOLOv5."""
    state, names = yolov5.read_checkpoint(path)
    if yolov5.is_yolov5(state):
        return yolov5.build(state, names if classes is None else classes, path.name)
    raise ModelError(
        f"{path} holds no TorchScript network and no YOLOv5: if it holds weights, name their network with `model` and "
        "give the file with `weights`"
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
    """Batch size for an exported network; None where it takes any."""
    if type(length) is int:
        return length
    bounds = program.range_constraints.get(length.node.expr)
    most = getattr(bounds, "upper", _ENDLESS)
    return None if most >= _ENDLESS else min(int(most), _BATCH)

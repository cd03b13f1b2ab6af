"""YOLOv5 detectors, with the user's own checkpoint: ``yolov5n`` to ``yolov5x``.

The network is rdexplain's own (`yolov5_network`). Its weights are not: bring an official ``.pt`` of version 6 or later,
whose pickled classes are never run, or its state dict as safetensors or ``.pt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from rdexplain.errors import ModelError
from rdexplain.models.checkpoint import is_random, load_state, own_random_state, read_state, renamed
from rdexplain.models.classes import ClassName, named_in
from rdexplain.models.inert import Inert, read_object, state_of
from rdexplain.models.known_classes import coco_classes
from rdexplain.models.model import Model
from rdexplain.models.source import ModelInfo
from rdexplain.models.yolov5_network import SIZES, YOLOv5

INPUT_SIZE = 480
"""Side of the images in pixels, as in the reproduction study; trained at 640, the networks take any multiple of 32."""
_STEM = "model.0.conv.weight"
_HEAD = "model.24."
_DERIVED = (f"{_HEAD}anchor_grid",)
"""Entries of old checkpoints that are left out, because they follow from the anchors."""


def matches(name: str) -> bool:
    """Whether the name is that of one of the five sizes."""
    return re.fullmatch(f"yolov5[{''.join(SIZES)}]", name) is not None


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The detector.

    Args:
        name: ``yolov5n``, ``yolov5s``, ``yolov5m``, ``yolov5l`` or ``yolov5x``.
        weights: an official checkpoint, a state dict, or "random".
        classes: the class names. Without them those in the checkpoint, or COCO's where there are 80.

    Raises:
        ModelError: no weights are given, or they do not fit.
    """
    if weights is None:
        raise ModelError(f"{name} comes without weights: give your own, an official .pt, with `weights`")
    if is_random(weights):
        given = coco_classes() if classes is None else classes
        with own_random_state():
            network = YOLOv5(name[-1], len(given))
        return _model(network, f"{name} (random)", given, "random")
    state, names = read_checkpoint(Path(weights).expanduser())
    return build(state, names if classes is None else classes, str(weights), name)


def list_models() -> Iterable[ModelInfo]:
    """The five sizes, without weights."""
    for size in SIZES:
        yield ModelInfo(f"yolov5{size}", "YOLOv5", INPUT_SIZE, "your own", 80)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], tuple[ClassName, ...] | None]:
    """The state dict and, where the file has them, the class names.

    Raises:
        ModelError: the file is missing, damaged, or holds no network.
    """
    if path.suffix == ".safetensors" or not path.is_file():
        return read_state(path), None
    content = read_object(path)
    names = None
    network = content
    if isinstance(content, Mapping):
        network = content.get("ema") or content.get("model") or content
    state = state_of(network)
    if not state and isinstance(network, Mapping):
        state = {key: value for key, value in network.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if not state:
        raise ModelError(f"{path} holds no network")
    if isinstance(network, Inert):
        names = named_in(getattr(network, "names", None))
    return state, names


def is_yolov5(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict is that of a YOLOv5 network."""
    return _STEM in state and f"{_HEAD}anchors" in state


def build(
    state: Mapping[str, Tensor], classes: tuple[ClassName, ...] | None, origin: str, name: str | None = None
) -> Model:
    """The model of a state dict, whose shapes determine the network's size.

    Raises:
        ModelError: it is none of these networks, or of another size than the name says.
    """
    anchors = state.get(f"{_HEAD}anchors")
    if not is_yolov5(state) or anchors is None or anchors.ndim != 3:
        raise ModelError(f"{origin} is no YOLOv5 of version 6 or later with three maps")
    width = len(state[_STEM]) / 64
    size = next((size for size, (_, wide) in SIZES.items() if wide == width), None)
    if size is None or (name is not None and name[-1] != size):
        found = "of no known size" if size is None else f"yolov5{size}"
        raise ModelError(f"{origin} does not fit {name or 'YOLOv5'}: it is {found}")
    outputs = len(state[f"{_HEAD}m.0.bias"]) // anchors.shape[1] - 5
    if classes is not None and len(classes) != outputs:
        raise ModelError(f"{len(classes)} class names for the {outputs} classes of {origin}")
    with own_random_state():
        network = YOLOv5(size, outputs, anchors.shape[1])
    whole = renamed({key: value.float() for key, value in state.items() if key not in _DERIVED}, lambda key: key)
    load_state(network, whole, origin, f"yolov5{size}")
    known = coco_classes() if outputs == len(coco_classes()) else None
    return _model(network, f"yolov5{size}", known if classes is None else classes, origin)


def _model(network: YOLOv5, name: str, classes: tuple[ClassName, ...] | None, origin: str) -> Model:
    network.eval()
    return Model(network, name=name, input_size=INPUT_SIZE, classes=classes, weights=origin, task="detection")

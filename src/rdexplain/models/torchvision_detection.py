"""torchvision's detectors by their names, such as ``fasterrcnn_resnet50_fpn``, read before their post-processing.

Weights are chosen as in `torchvision_models`. The networks resize and normalise images themselves, so that the model
has no normalisation.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from rdexplain.models.checkpoint import load_state, own_random_state
from rdexplain.models.classes import ClassName
from rdexplain.models.detectors import as_detector
from rdexplain.models.known_classes import named
from rdexplain.models.model import Model
from rdexplain.models.source import ModelInfo
from rdexplain.models.torchvision_weights import availability, find_entry, find_weights

INPUT_SIZE = 480


def matches(name: str) -> bool:
    """Whether torchvision has a detector of that name, with or without ``@VERSION``."""
    return name.partition("@")[0] in _names()


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The detector; arguments and errors as for torchvision's classifiers. The first class is the background."""
    import torchvision

    found = find_weights(name, weights, classes)
    names = named(found.entry.meta["categories"]) if classes is None else classes
    with own_random_state():
        network = torchvision.models.get_model(
            found.network, weights=None, weights_backbone=None, num_classes=len(names)
        )
    if found.state is not None:
        load_state(network, found.state, found.origin, found.network)
    return Model(
        as_detector(network.eval()),
        name=found.name,
        input_size=INPUT_SIZE,
        classes=names,
        weights=found.origin,
        task="detection",
    )


def list_models() -> Iterable[ModelInfo]:
    """All of torchvision's detectors."""
    for name in _names():
        entry = find_entry(name)
        source = "torchvision detection"
        yield ModelInfo(name, source, INPUT_SIZE, availability(entry), len(entry.meta["categories"]))


@cache
def _names() -> tuple[str, ...]:
    import torchvision

    return tuple(torchvision.models.list_models(module=torchvision.models.detection))

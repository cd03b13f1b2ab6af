"""torchvision's classifiers, segmentation networks and detectors by their names, with torchvision's own weights.

The weights are those of the entry ``IMAGENET1K_V1`` where a network has it, because the published CartoonX
studies used it; torchvision's own default is often the newer V2. ``resnet50@IMAGENET1K_V2`` or
``weights="IMAGENET1K_V2"`` (or ``DEFAULT``) asks for another. They are downloaded on first use to PyTorch's
hub folder (``TORCH_HOME``). Those of segmentation networks are trained on COCO with Pascal VOC's 20 classes and the
background. Detectors are read before their post-processing; they resize and normalise images themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from rdexplain.models.checkpoint import load_state, own_random_state, renamed
from rdexplain.models.classes import ClassName
from rdexplain.models.detectors import as_detector
from rdexplain.models.imagenet import imagenet_classes
from rdexplain.models.known_classes import named
from rdexplain.models.model import Kind, Model
from rdexplain.models.source import ModelInfo
from rdexplain.models.torchvision_weights import availability, find_entry, find_weights

DETECTOR_SIZE = 480
"""Side of the images for detectors in pixels; they take any size."""
# These take one size only. All others, including Swin, take any size that is not too small.
_FIXED_SIZE = ("vit_", "maxvit_")
_AUXILIARY = {"googlenet": "aux", "inception_v3": "AuxLogits"}
_DENSENET_KEY = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


@dataclass(frozen=True)
class TorchvisionModels:
    """torchvision's networks for a task, as a `Source`.

    Attributes:
        task: what they are for.
        module: the submodule of `torchvision.models` that has them; empty for that itself.
    """

    task: Kind
    module: str = ""

    def matches(self, name: str) -> bool:
        """Whether torchvision has such a network of that name, with or without ``@VERSION``."""
        return name.partition("@")[0] in _names(self.module)

    def load(
        self, name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None
    ) -> Model:
        """The network.

        Args:
            name: torchvision's, such as ``resnet50`` or ``resnet50@IMAGENET1K_V2``.
            weights: None, the name of an entry, "random", or a file with a state dict.
            classes: the class names; another number than published needs random weights or a file. The first class of
                a detector is the background.

        Raises:
            ModelError: no such entry; the weights cannot be loaded or do not fit.
        """
        found = find_weights(name, weights, classes)
        names = class_names(found.entry) if classes is None else classes
        size = self._size(found.entry)
        network = _build(found.network, self.task, size, len(names), found.state or {})
        if found.state is not None:
            load_state(network, _current_keys(found.network, found.state), found.origin, found.network)
        detector = self.task == "detection"
        preset = None if detector else found.entry.transforms()
        return Model(
            as_detector(network.eval()) if detector else network.eval(),
            name=found.name,
            mean=None if preset is None else preset.mean,
            std=None if preset is None else preset.std,
            input_size=size,
            fixed_size=found.network.startswith(_FIXED_SIZE),
            classes=names,
            weights=found.origin,
            task=self.task,
            activation="auto" if detector else "softmax",
        )

    def list_models(self) -> Iterable[ModelInfo]:
        """All of them, with the weights that a plain name loads."""
        source = f"torchvision {self.module}".strip()
        for name in _names(self.module):
            entry = find_entry(name)
            yield ModelInfo(name, source, self._size(entry), availability(entry), len(entry.meta["categories"]))

    def _size(self, entry: Any) -> int:
        """The side of the images, in pixels."""
        if self.task == "detection":
            return DETECTOR_SIZE
        preset = entry.transforms()
        size: int = (preset.crop_size if self.task == "classification" else preset.resize_size)[0]
        return size


CLASSIFIERS = TorchvisionModels("classification")
SEGMENTATION = TorchvisionModels("segmentation", "segmentation")
DETECTORS = TorchvisionModels("detection", "detection")


def class_names(entry: Any) -> tuple[ClassName, ...]:
    """The class names of an entry of torchvision's weights; ImageNet's with their WordNet ids."""
    categories, imagenet = entry.meta["categories"], imagenet_classes()
    return imagenet if [one.name for one in imagenet] == categories else named(categories)


@cache
def _names(module: str) -> tuple[str, ...]:
    import torchvision

    models = torchvision.models
    return tuple(models.list_models(module=getattr(models, module) if module else models))


def _build(name: str, task: Kind, size: int, outputs: int, state: Mapping[str, Tensor]) -> nn.Module:
    """The network as torchvision builds it for its own weights."""
    import torchvision

    options: dict[str, Any] = {"num_classes": outputs}
    if task != "classification":
        options["weights_backbone"] = None
    if name.startswith("vit_"):
        options["image_size"] = size  # the positional embedding depends on it
    # Auxiliary classifiers serve training only, but the published weights hold them.
    if task == "segmentation" and any(key.startswith("aux_classifier") for key in state):
        options["aux_loss"] = True
    if name in _AUXILIARY:
        # The published weights expect Inception's normalisation, made from ImageNet's inside the network.
        auxiliary = any(key.startswith(_AUXILIARY[name]) for key in state)
        options |= {"transform_input": True, "init_weights": False, "aux_logits": auxiliary}
    with own_random_state():
        return torchvision.models.get_model(name, weights=None, **options)


def _current_keys(name: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The current names of the keys: DenseNet's published weights have ``norm.1`` for what is ``norm1`` now."""
    if not name.startswith("densenet"):
        return state
    return renamed(state, lambda key: _DENSENET_KEY.sub(r"\1\2", key))

"""The class names of common data sets, as torchvision has them."""

from __future__ import annotations

from functools import cache
from typing import Any

from rdexplain.models.classes import ClassName, as_class_names

BACKGROUND = "background"


@cache
def voc_classes() -> tuple[ClassName, ...]:
    """Pascal VOC's 20 classes behind the background, in the order that all its networks have."""
    return named(_categories("deeplabv3_resnet50"))


@cache
def coco_classes() -> tuple[ClassName, ...]:
    """COCO's 80 classes, in the order of their ids, without the gaps."""
    every = _categories("fasterrcnn_resnet50_fpn")
    return named(name for name in every if name not in ("N/A", "__background__"))


def named(categories: Any) -> tuple[ClassName, ...]:
    """torchvision's categories; its ``__background__`` is called by its name."""
    return as_class_names(BACKGROUND if name == "__background__" else name for name in categories)


def _categories(network: str) -> list[str]:
    import torchvision

    return torchvision.models.get_model_weights(network).DEFAULT.meta["categories"]  # type: ignore[attr-defined]

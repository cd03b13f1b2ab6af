"""Class names from a list, a file, or the name of a common data set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from rdexplain.errors import ModelError
from rdexplain.models.classes import ClassName, as_class_names
from rdexplain.models.imagenet import imagenet_classes

BACKGROUND = "background"


def read_classes(classes: str | Path | Iterable[str | ClassName]) -> tuple[ClassName, ...]:
    """Class names from a list, from a text file with one name per line, or ``"imagenet"``, ``"voc"`` or ``"coco"``.

    Raises:
        ModelError: the file cannot be read, or a line in the middle of it is empty.
    """
    if isinstance(classes, str) and classes in ("imagenet", "voc", "coco"):
        return {"imagenet": imagenet_classes, "voc": voc_classes, "coco": coco_classes}[classes]()
    if not isinstance(classes, (str, Path)):
        return as_class_names(classes)
    path = Path(classes).expanduser()
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ModelError(f"cannot read the class names in {path}: {reason}") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines or "" in lines:
        where = f"line {lines.index('') + 1} is empty" if lines else "the file is empty"
        raise ModelError(f"cannot read the class names in {path}: {where}")
    return as_class_names(lines)


@cache
def voc_classes() -> tuple[ClassName, ...]:
    """The background and Pascal VOC's 20 classes, in the usual order of a network's 21 outputs."""
    return named(_categories("deeplabv3_resnet50"))


@cache
def coco_classes() -> tuple[ClassName, ...]:
    """COCO's 80 classes, in the order of their ids, without the gaps."""
    every = _categories("fasterrcnn_resnet50_fpn")
    return named(name for name in every if name not in ("N/A", "__background__"))


def named(categories: Any) -> tuple[ClassName, ...]:
    """Class names from torchvision's categories, with "background" for ``__background__``."""
    return as_class_names(BACKGROUND if name == "__background__" else name for name in categories)


def _categories(network: str) -> list[str]:
    import torchvision

    return torchvision.models.get_model_weights(network).DEFAULT.meta["categories"]  # type: ignore[attr-defined]

"""Whether the explained class is the data set's own."""

from __future__ import annotations

import functools
import re

from rdexplain.errors import TargetError
from rdexplain.models.classes import ClassIndex
from rdexplain.models.imagenet import imagenet_classes


def is_right(label: str, target: object, true_name: str | None, true_index: int | None) -> bool | None:
    """Whether a class is the true one; None where that cannot be told.

    Names are the same but for case, blanks, `_` and `-`. ImageNet's may also be WordNet ids and synonyms.

    Args:
        label, target: the class in words, and its index where that is one number.
        true_name, true_index: the true one, as far as the data set says.
    """
    if true_name is None:
        return None if true_index is None or not isinstance(target, int) else target == true_index
    if isinstance(target, int) and _is_imagenet(label, target):
        try:
            return _imagenet().find(true_name) == target
        except TargetError:
            return None  # a name that ImageNet does not have, or has twice
    if label == f"class {target}":  # the model has no names
        return None if true_index is None else target == true_index
    return _plain(label) == _plain(true_name)


def true_class(true_name: str | None, true_index: int | None) -> str | None:
    """The true class in words, as far as the data set says; a WordNet id of ImageNet's is its name."""
    if true_name is None:
        return None if true_index is None else f"class {true_index}"
    if not re.fullmatch(r"n\d{8}", true_name):
        return true_name
    try:
        return imagenet_classes()[_imagenet().find(true_name)].name
    except TargetError:
        return true_name


def _is_imagenet(label: str, target: int) -> bool:
    classes = imagenet_classes()
    return 0 <= target < len(classes) and classes[target].name == label


@functools.cache
def _imagenet() -> ClassIndex:
    return ClassIndex(imagenet_classes())


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[_-]", " ", name).casefold().split())

"""Compares the explained class with the true class in the data set."""

from __future__ import annotations

import functools
import re

from rdexplain.errors import TargetError
from rdexplain.models.classes import ClassIndex, plain_name
from rdexplain.models.imagenet import imagenet_classes


def is_right(label: str, target: object, true_name: str | None, true_index: int | None) -> bool | None:
    """Whether a class is the true one; None if that cannot be told.

    Names are compared without case, blanks, `_` and `-`. For ImageNet, WordNet ids and synonyms count as names.

    Args:
        label, target: the name and the index of the class.
        true_name, true_index: those of the true class, as far as the data set states them.
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
    return plain_name(label) == plain_name(true_name)


def true_class(true_name: str | None, true_index: int | None) -> str | None:
    """The true class in words, if the data set states it; a WordNet id becomes the name of ImageNet's class."""
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

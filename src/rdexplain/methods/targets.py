"""Turns the caller's targets into rows, one for each photo and target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.errors import OptionError, TargetError
from rdexplain.models import Model, frozen
from rdexplain.models.decisions import Decision, Detect, Label, Rows, Segment, Task, Value, check_target
from rdexplain.models.decisions.outputs import check_output, flattened, scores_in
from rdexplain.models.outputs import EXPECTED

Row = tuple[int, tuple[int, ...]]
"""A photo's position and its target's indices."""

# What is explained where the user does not say, as a classifier's predicted class is.
_DEFAULTS: dict[str, type[Task]] = {"segmentation": Segment, "detection": Detect}


def resolve(model: Model, output: Any, target: Any, top_k: int | None) -> Rows:
    """The rows to explain, and the decision that reads them.

    Args:
        output: the model's output on the n clean images.
        target: a `Task`, a callable or a list of n callables (see `Value`), or classes as in `rows_for`.
        top_k: the k most probable classes of each photo, instead of `target`.

    Raises:
        TargetError, OptionError: the target is not in the output, or is invalid.
    """
    task = _task(target)
    if task is None and target is None and top_k is None and model.task in _DEFAULTS:
        task = _DEFAULTS[model.task]()
    if task is None:
        rows = rows_for(model, scores_in(model, output), target, top_k)
        photos, targets = tuple(photo for photo, _ in rows), tuple(indices for _, indices in rows)
        labels = tuple(model.class_name(indices[0]) for indices in targets)
        return Rows(photos, targets, labels, Label(targets, model.probabilities, model.meaning.exclusive))
    if top_k is not None:
        raise OptionError("give either a target or top_k, not both")
    return task.ask(model, output)


def _task(target: Any) -> Task | None:
    if isinstance(target, Task):
        return target
    if isinstance(target, Decision):
        raise TargetError(f"{type(target).__name__} reads rows: give the Task that makes it")
    if callable(target) or (isinstance(target, list) and target and all(callable(one) for one in target)):
        return Value(target)
    return None


def rows_for(model: Model, output: Tensor, target: Any, top_k: int | None) -> list[Row]:
    """The rows to explain, photo by photo.

    Args:
        output: the model's output on the n clean images, (n, classes) or (n, classes, ...).
        target: None for each photo's predicted class; captum's int, tuple, tensor (n,) or list of n ints or tuples;
            class names in place of ints; a tensor (n, k) or a list of n lists for several targets a photo.
        top_k: the k most probable classes of each photo, instead of `target`.

    Raises:
        TargetError: outside the output, an unknown name, or not one for each photo.
        OptionError: both `target` and `top_k`, or `top_k` out of range.
    """
    given, output = output.shape, model.scores(output)
    photos = len(output)
    if top_k is not None:
        return _most_probable(output, given, target, top_k)
    if target is None:
        return [(photo, (index,)) for photo, index in enumerate(_scores(output, given).argmax(dim=1).tolist())]
    if isinstance(target, Tensor) and (target.is_floating_point() or target.ndim > 2):
        raise TargetError("a target tensor holds integers, of shape (n,) or (n, targets)")
    target = _plain(target)
    if isinstance(target, int | str | tuple):
        target = [target] * photos
    if not isinstance(target, Sequence):
        raise TargetError(f"a target is an int, a class name, a tuple, a tensor or a list, not {type(target).__name__}")
    if len(target) == 1 and photos > 1:
        target = list(target) * photos
    if len(target) != photos:
        raise TargetError(f"targets for {len(target)} images, but {photos} images: give one for each, or one for all")
    target = [_plain(wanted) for wanted in target]
    if any(isinstance(wanted, list) and not wanted for wanted in target):
        raise TargetError("a photo without targets: give each at least one")
    rows = [
        (photo, check_target(_index(model, one), output, given))
        for photo, wanted in enumerate(target)
        for one in (wanted if isinstance(wanted, list) else [wanted])
    ]
    # A one-hot row such as [0, 0, 1] looks like a list of classes; it is found out by its repeated numbers.
    for (photo, indices), count in Counter(rows).items():
        if count > 1:
            shown = str(indices[0] if len(indices) == 1 else indices)
            name = f", {model.class_name(indices[0])}," if model.classes is not None else ""
            raise TargetError(
                f"target {shown}{name} is asked for twice of image {photo}: give it once (of one-hot rows the argmax)"
            )
    return rows


def _plain(target: Any) -> Any:
    """The numbers of a tensor, an array of NumPy or a column of pandas as Python has them; all else as it is."""
    return target if isinstance(target, Sequence) or not hasattr(target, "tolist") else target.tolist()


def predicted_classes(model: Model, images: Tensor) -> list[int]:
    """The likeliest class of each of the images (n, 3, h, w)."""
    images = model.placed(images)
    with frozen(model), torch.no_grad():
        output = check_output(model(images), len(images))
        model.resolve(philox.noise_image(images), clean=output)
        return model.scores(output).flatten(1).argmax(dim=1).tolist()


def with_predicted(model: Model, images: Tensor, classes: Sequence[Sequence[int | None]]) -> list[list[int]] | None:
    """The classes of each of the images (n, 3, h, w), each once, with the predicted class in the place of None.

    Returns:
        None where only the predicted classes are asked for, which `explain` finds itself.
    """
    if all(list(one) == [None] for one in classes):
        return None
    predicted = [-1] * len(images)
    if any(None in one for one in classes):
        predicted = predicted_classes(model, images)
    # The predicted class may be one of the others.
    return [
        list(dict.fromkeys(best if index is None else index for index in one))
        for best, one in zip(predicted, classes, strict=True)
    ]


def _most_probable(output: Tensor, given: Sequence[int], target: Any, top_k: int) -> list[Row]:
    if target is not None:
        raise OptionError("give either a target or top_k, not both")
    scores = _scores(output, given)
    if isinstance(top_k, bool) or not isinstance(top_k, Integral) or not 1 <= top_k <= scores.shape[1]:
        raise OptionError(f"top_k must lie between 1 and the model's {scores.shape[1]} classes, got {top_k}")
    best = scores.topk(int(top_k), dim=1).indices.tolist()
    return [(photo, (index,)) for photo, indices in enumerate(best) for index in indices]


def _scores(output: Tensor, given: Sequence[int]) -> Tensor:
    """Scores (n, classes), or TargetError with the shape that the network gave."""
    if output.ndim != 2:
        raise TargetError(
            f"the model's output has the shape {tuple(given)}, not {EXPECTED}{flattened(given)}: "
            "give the target as a tuple of indices, or a Segment for a region of it"
        )
    return output


def _index(model: Model, target: Any) -> int | tuple[int, ...]:
    if isinstance(target, str):
        return model.find_class(target)
    indices = [_plain(index) for index in target] if isinstance(target, tuple) else [_plain(target)]
    if any(isinstance(index, bool) or not isinstance(index, int | torch.SymInt) for index in indices):
        raise TargetError(f"a target is a whole number, a class name or a tuple of numbers, not {target!r}")
    return tuple(map(int, indices)) if isinstance(target, tuple) else int(indices[0])

"""Checks that a network's output can be explained and contains the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from rdexplain.errors import ModelError, TargetError
from rdexplain.models.detections import RawDetections
from rdexplain.models.model import Model
from rdexplain.models.outputs import check_axis


def check_output(output: Any, images: int) -> Any:
    """The output itself: (n,), (n, classes, ...) or `RawDetections`, finite and for n = `images`.

    Raises:
        ModelError: it is something else; the message says what.
    """
    if isinstance(output, RawDetections):
        if len(output) != images or not bool(output.scores.isfinite().all()):
            raise ModelError(f"the detector's scores for {images} images are for {len(output)}, or not finite")
        return output
    if not isinstance(output, Tensor):
        raise ModelError(f"the model returned a {type(output).__name__}, not a tensor of shape (n, classes)")
    check_axis(output.shape, images)
    if not output.is_floating_point():
        raise ModelError(f"the model returned {output.dtype}, not floating-point scores")
    if not bool(output.isfinite().all()):
        raise ModelError("the model's output on the clean image is not finite; are its weights or type at fault?")
    return output


def scores_in(model: Model, output: Any) -> Tensor:
    """A checked output of a model as scores of classes, (n,) or (n, classes, ...).

    Raises:
        TargetError: the model is a detector.
        ModelError: it counts as probabilities but has values outside [0, 1].
    """
    if isinstance(output, RawDetections):
        raise TargetError("a detector's output is of objects: ask for a Detect, or a Value of your own")
    model.check_probabilities(output)
    return output


def check_target(target: int | tuple[int, ...], output: Tensor, given: Sequence[int] | None = None) -> tuple[int, ...]:
    """A target as a tuple of indices into an output (n, classes, ...).

    Args:
        given: shape of the network's own output, where `output` is derived from it; for the message.

    Raises:
        TargetError: outside the output, or the wrong number of indices.
    """
    indices = target if isinstance(target, tuple) else (target,)
    axes = tuple(output.shape[1:])
    if len(indices) != len(axes):
        raise TargetError(
            f"target {target} has {len(indices)} indices, "
            f"the model's output of shape {_of_any(given or output.shape)} needs {len(axes)}"
            + flattened(given or output.shape)
        )
    for index, length in zip(indices, axes, strict=True):
        if not 0 <= index < length:
            raise TargetError(f"target {index} is outside the model's {length} outputs (0 to {length - 1})")
    return indices


def flattened(shape: Sequence[int]) -> str:
    """A hint to flatten a shape (n, classes, 1, ...), whose last axes have length 1; "" for other shapes."""
    if len(shape) < 3 or any(length != 1 for length in shape[2:]):
        return ""
    return f" (flatten(1) makes {_of_any(shape[:2])} of it)"


def _of_any(shape: Sequence[int]) -> str:
    """A shape as text, with n for the number of images: ``(n, 3)``."""
    return f"({', '.join(('n', *map(str, shape[1:])))}{',' if len(shape) == 1 else ''})"

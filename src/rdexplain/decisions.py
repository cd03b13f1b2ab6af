"""What a model decided: which numbers of its output are explained.

A decision turns the model's output for some rows into a reading (b, m); the distortions compare readings. The solver
knows decisions only through `Decision.read`, so another task is another decision.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import ModelError, TargetError

Target = int | tuple[int, ...]


class Decision(ABC):
    """Reads the explained numbers of R rows (a row is a photo with a target)."""

    @abstractmethod
    def read(self, output: Any, rows: Tensor) -> Tensor:
        """The reading (b, m) of a model's output for the rows (b,), differentiable."""


class Label(Decision):
    """The probability of each row's label: a reading (b, 1).

    Args:
        targets: one for each row: a class, or as many indices as the output has axes after the first, the first of
            them the class (captum's tuples).
        probabilities: from the model's output to probabilities over axis 1.
    """

    def __init__(self, targets: Sequence[Target], probabilities: Callable[[Tensor], Tensor]) -> None:
        self.targets = tuple(target if isinstance(target, tuple) else (target,) for target in targets)
        self._indices = torch.tensor(self.targets)
        self._probabilities = probabilities

    def read(self, output: Any, rows: Tensor) -> Tensor:
        probabilities = self._probabilities(output)
        self._indices = self._indices.to(probabilities.device)
        numbers = torch.arange(len(rows), device=probabilities.device)
        return probabilities[(numbers, *self._indices[rows].unbind(1))].unsqueeze(1)


class Probabilities(Decision):
    """All probabilities: a reading (b, classes)."""

    def __init__(self, probabilities: Callable[[Tensor], Tensor]) -> None:
        self._probabilities = probabilities

    def read(self, output: Any, rows: Tensor) -> Tensor:
        return self._probabilities(output).flatten(1)


def check_output(output: Any, images: int) -> Tensor:
    """The output of a classifier, (n, classes) or (n, classes, ...), or a ModelError that says what came instead."""
    if not isinstance(output, Tensor):
        raise ModelError(f"the model returned a {type(output).__name__}, not a tensor of shape (n, classes)")
    if output.ndim < 2 or output.shape[0] != images:
        raise ModelError(
            f"the model returned a tensor of shape {tuple(output.shape)} for {images} images, not (n, classes)"
        )
    if not output.is_floating_point():
        raise ModelError(f"the model returned {output.dtype}, not floating-point scores")
    if not bool(output.isfinite().all()):
        raise ModelError("the model's output on the clean image is not finite; are its weights or type at fault?")
    return output


def check_target(target: Target, output: Tensor) -> tuple[int, ...]:
    """A target as a tuple of indices into an output (n, classes, ...).

    Raises:
        TargetError: outside the output, or the wrong number of indices.
    """
    indices = target if isinstance(target, tuple) else (target,)
    axes = tuple(output.shape[1:])
    if len(indices) != len(axes):
        raise TargetError(
            f"target {target} has {len(indices)} indices, "
            f"the model's output of shape (n, {_join(axes)}) needs {len(axes)}"
        )
    for index, length in zip(indices, axes, strict=True):
        if not 0 <= index < length:
            raise TargetError(f"target {index} is outside the model's {length} outputs (0 to {length - 1})")
    return indices


def _join(axes: tuple[int, ...]) -> str:
    return ", ".join(str(length) for length in axes)

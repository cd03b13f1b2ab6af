"""Finds the scores in a network's output, which may be a dict, tuple or object that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import ModelError
from rdexplain.models.detections import RawDetections

EXPECTED = "(n,), (n, 1) or (n, classes)"
_KEYS = ("out", "logits")


def scores_of(output: Any) -> Any:
    """The scores of a network's output.

    A mapping gives its entry ``out`` (torchvision's segmentation) or ``logits`` (transformers), or its only tensor; an
    object its attribute ``logits``; a tuple or list its first entry, if that is a tensor. Anything else, such as a
    tensor or `RawDetections`, is returned as it is.
    """
    if isinstance(output, Tensor | RawDetections):
        return output
    if isinstance(output, Mapping):
        for key in _KEYS:
            if isinstance(output.get(key), Tensor):
                return output[key]
        tensors = [value for value in output.values() if isinstance(value, Tensor)]
        return tensors[0] if len(tensors) == 1 else output
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return output[0]
    return output


class ShapeError(ModelError):
    """An output whose first axis is not the batch axis."""


def check_axis(shape: Sequence[int], images: int) -> None:
    """Raises ShapeError unless the first axis of an output's shape has length `images`."""
    if not shape or shape[0] != images:
        # With a single image `squeeze()` removes the batch axis too.
        hint = ": where the network says squeeze(), squeeze(1) keeps the axis of the images" if images == 1 else ""
        raise ShapeError(
            f"the model returned a tensor of shape {tuple(shape)} for {images} images, not {EXPECTED}{hint}"
        )


def tensors_of(output: Any) -> list[Tensor]:
    """The tensors of an output: a tensor itself, the fields of `RawDetections`, none of anything else."""
    if isinstance(output, Tensor):
        return [output]
    return [value for _, value in output.tensors()] if isinstance(output, RawDetections) else []


def join(outputs: list[Any]) -> Any:
    """Concatenates the outputs for parts of a batch."""
    if len(outputs) == 1:
        return outputs[0]
    return RawDetections.cat(outputs) if isinstance(outputs[0], RawDetections) else torch.cat(outputs)

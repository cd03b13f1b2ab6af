"""The scores in what a network returns: some return dicts, tuples or objects that hold them."""

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

    A tensor is itself. Of a mapping it is the entry ``out`` (torchvision's segmentation) or ``logits`` (transformers),
    or the only tensor there is; of an object its attribute ``logits``; of a tuple or list the first entry, if that is
    a tensor. Anything else, `RawDetections` among it, is returned as it is.
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
    """An output whose first axis is not that of the images."""


def check_axis(shape: Sequence[int], images: int) -> None:
    """ShapeError where a shape is not that of an output for so many images, one after another."""
    if not shape or shape[0] != images:
        # Of one image `squeeze()` takes the axis of the images too.
        hint = ": where the network says squeeze(), squeeze(1) keeps the axis of the images" if images == 1 else ""
        raise ShapeError(
            f"the model returned a tensor of shape {tuple(shape)} for {images} images, not {EXPECTED}{hint}"
        )


def tensors_of(output: Any) -> list[Tensor]:
    """The tensors of an output: itself, or those that it says it has; none of anything else."""
    if isinstance(output, Tensor):
        return [output]
    return [value for _, value in output.tensors()] if isinstance(output, RawDetections) else []


def join(outputs: list[Any]) -> Any:
    """The outputs for parts of a batch, put together."""
    if len(outputs) == 1:
        return outputs[0]
    return RawDetections.cat(outputs) if isinstance(outputs[0], RawDetections) else torch.cat(outputs)

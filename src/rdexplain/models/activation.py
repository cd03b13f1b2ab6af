"""What the numbers that a network returns mean: logits of a softmax, logits of sigmoids, or probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Activation = Literal["auto", "softmax", "sigmoid", "none"]

_SHAPES = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Select", "Slice", "Alias", "ToCopy", "Clone")
_LAYOUTS = ("Transpose", "Permute", "Expand", "T")
_MIXES = ("Mean", "Sum", "Add", "Mul", "Div", "Stack", "Cat")
_LINEAR = ("Addmm", "Mm", "Bmm", "Linear", "Convolution", "MkldnnConvolution", "Baddbmm")
_PROBABILITIES = ("Softmax", "Sigmoid", "Hardsigmoid")
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Meaning:
    """How an output becomes probabilities.

    Attributes:
        activation: the function that makes probabilities of it: ``softmax``, ``sigmoid`` or ``none``.
        exclusive: whether its classes exclude each other, so that their probabilities sum to 1.
        certain: False where neither the autograd graph nor the values settle the question.
        outside: smallest and largest value, where the user declares probabilities and some are outside [0, 1].
    """

    activation: Literal["softmax", "sigmoid", "none"]
    exclusive: bool = True
    certain: bool = True
    outside: tuple[float, float] | None = None


def meaning_of(activation: Activation, output: Any) -> Meaning:
    """The meaning of an output, found from the operation that made it or else from the range of its values.

    Args:
        activation: as declared by the user; "auto" where it is not declared.
        output: the network's output for any images, (n,) or (n, classes, ...), with its autograd graph if any.
    """
    single = is_single(output)
    if activation == "softmax":
        return Meaning("sigmoid") if single else Meaning("softmax")
    if activation == "sigmoid":
        return Meaning("sigmoid", exclusive=single)
    values = output.detach()
    in_range = bool(((values >= 0) & (values <= 1)).all())
    exclusive = single or (in_range and bool(((values.sum(dim=1) - 1).abs() < _ROUNDING).all()))
    if activation == "none":
        return Meaning("none", exclusive, outside=outside(values))
    made = _made_by(output.grad_fn)
    if made == "probabilities" and in_range:
        return Meaning("none", exclusive)
    if made == "logits" or not in_range:
        return Meaning("sigmoid" if single else "softmax")
    # Rows that sum to 1 are surely probabilities; single numbers in [0, 1] may be logits as well.
    return Meaning("none", exclusive, certain=exclusive and not single)


def outside(output: Tensor) -> tuple[float, float] | None:
    """Smallest and largest value of an output, if one of them is outside [0, 1] by more than rounding."""
    slack = max(_ROUNDING, torch.finfo(output.dtype).eps)
    least, largest = float(output.min()), float(output.max())
    return (least, largest) if least < -slack or largest > 1 + slack else None


def is_probabilities(output: Tensor) -> bool:
    """Whether an output, with its autograd graph where there is one, certainly holds probabilities."""
    found = meaning_of("auto", output)
    return found.certain and found.activation == "none"


def probes(noise: Tensor) -> Iterator[Tensor]:
    """Test images (1, c, h, w) for a network: the given noise in [0, 1], then black, white, and half-half images."""
    height, width = noise.shape[-2:]
    half = torch.zeros_like(noise)
    half[..., : width // 2] = 1
    upper = torch.zeros_like(noise)
    upper[..., : height // 2, :] = 1
    for image in (noise, torch.zeros_like(noise), torch.ones_like(noise), half, 1 - half, upper, 1 - upper):
        yield image.clone()


def is_single(output: Tensor) -> bool:
    """Whether an output is one number for each image (or pixel), as that of a binary classifier."""
    return output.ndim == 1 or output.shape[1] == 1


def two_classes(output: Tensor, meaning: Meaning) -> Tensor:
    """A single output (n,) or (n, 1, ...) as that of two classes, (n, 2, ...): "no" and "yes".

    A logit z becomes (-z/2, z/2): its softmax is the sigmoid, and each of the two has a gradient. A probability p
    becomes (1 - p, p).
    """
    one = output.unsqueeze(1) if output.ndim == 1 else output
    return torch.cat((1 - one, one) if meaning.activation == "none" else (-one / 2, one / 2), dim=1)


def _made_by(node: Any) -> Literal["probabilities", "logits"] | None:
    """What the last operation of an autograd graph returns; reshapes and sums or means of outputs are skipped."""
    if node is None:
        return None
    name = type(node).__name__.split("Backward")[0]
    if name in _PROBABILITIES:
        return "probabilities"
    if name in _LINEAR or name == "LogSoftmax":
        return "logits"
    before = [one for one, _ in node.next_functions if one is not None]
    if name in _SHAPES or name in _LAYOUTS:
        return _made_by(before[0]) if before else None
    if name in _MIXES and before:
        found = {_made_by(one) for one in before}
        return found.pop() if len(found) == 1 else None
    return None

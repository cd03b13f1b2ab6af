"""Orders of the components that an explanation does not tell apart, such as the zeros of its mask.

Nearly all of a sparse mask is zero, so nearly all of a curve shows in which order the zeros come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.gradients import differentiating
from rdexplain.core.noise import Noise
from rdexplain.errors import OptionError, unknown
from rdexplain.evaluation.domains import Explained, Importance
from rdexplain.evaluation.subject import Subject
from rdexplain.methods.orders import LEVELS
from rdexplain.results.explanation import Explanation, mask_picture

Convert = Callable[[Any], Importance]
"""One of `in_own`, `in_pixels` and `in_wavelets`."""


def ordered(subject: Subject, result: Explained, convert: Convert, order: str) -> Importance:
    """The importance of an explanation's components in a domain, with an order of those that are equally important.

    Args:
        convert: to the domain: `in_own`, `in_pixels`, or `in_wavelets` with its wavelet.
        order: a name of `ORDERS`.

    Raises:
        OptionError: no such order.
        ModelError: ``sensitivity``, and the network has no gradient.
    """
    found, importance = find_order(order), convert(result)
    return replace(importance, second=found(subject, result, convert, importance))


def _kept(subject: Subject, result: Explained, convert: Convert, importance: Importance) -> Tensor | None:
    """The order that the explanation keeps, converted as its mask is; None where it keeps none, as heatmaps do."""
    if not isinstance(result, Explanation) or result.order is None:
        return None
    bands = [1 - band.float() / (LEVELS - 1) for band in result.order]
    picture = mask_picture(result.representation, result.images, [band.to(result.images) for band in bands])
    return convert(replace(result, mask=bands, picture=picture)).scores


def _random(subject: Subject, result: Explained, convert: Convert, importance: Importance) -> None:
    """None: equal scores come in a random order, a function of the seed and the photo."""


def _magnitude(subject: Subject, result: Explained, convert: Convert, importance: Importance) -> Tensor:
    """How far noise moves a component on average: |h - mean v|, mean over the channels, (n, k)."""
    transform = importance.representation.transform_of(subject.images)
    coefficients = transform.analysis(subject.images)
    mean, _ = Noise().statistics(coefficients, transform)
    return (coefficients - mean).abs().mean(dim=1)


def _sensitivity(subject: Subject, result: Explained, convert: Convert, importance: Importance) -> Tensor:
    """How far noise in a component alone moves the target's probability p, to first order, (n, k):

        E[(p(h) - p(v))²]  ≈  (Σ_c g_c (h_c - mean v))² + std² Σ_c g_c²,    g = ∂p/∂h on the clean image

    Exact for a network that is linear.
    """
    transform = importance.representation.transform_of(subject.images)
    coefficients = transform.analysis(subject.images)
    mean, deviation = Noise().statistics(coefficients, transform)
    slope = transform.adjoint(slopes(subject))
    shift = (slope * (coefficients - mean)).sum(dim=1)
    return shift.square() + deviation[:, 0].square() * slope.square().sum(dim=1)


def slopes(subject: Subject) -> Tensor:
    """The gradient of each row's target's probability by its clean image, (n, c, h, w).

    Raises:
        ModelError: the network has none.
    """
    parts: list[Tensor] = []
    label = subject.label()
    # One at a time, so that no order depends on the rows beside it.
    for row in range(len(subject)):
        images = subject.images[row : row + 1].clone()
        with differentiating():
            probabilities = subject.probabilities(images.requires_grad_())
            reading = label.read(probabilities, torch.tensor([row], device=images.device))
            parts += torch.autograd.grad(reading.sum(), images)
    return torch.cat(parts)


Order = Callable[[Subject, Explained, Convert, Importance], Tensor | None]
ORDERS: dict[str, Order] = {
    "kept": _kept,
    "random": _random,
    "magnitude": _magnitude,
    "sensitivity": _sensitivity,
}


def find_order(name: str) -> Order:
    """An order by its name, or OptionError with the nearest names."""
    if name not in ORDERS:
        raise OptionError(unknown("order", str(name), ORDERS))
    return ORDERS[name]

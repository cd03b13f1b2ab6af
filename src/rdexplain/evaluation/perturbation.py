"""Infidelity and max-sensitivity, by captum: how explanations respond to perturbations of the image.

Yeh, Hsieh, Suggala, Inouye, Ravikumar: On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019,
arXiv 1901.09392.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.errors import SolverError
from rdexplain.evaluation.subject import Subject
from rdexplain.text.extras import needed

INFIDELITY_SAMPLES, INFIDELITY_SCALE = 64, 0.1
SENSITIVITY_SAMPLES, SENSITIVITY_RADIUS = 10, 0.02


def infidelity(
    subject: Subject,
    pixels: Tensor,
    *,
    samples: int = INFIDELITY_SAMPLES,
    scale: float = INFIDELITY_SCALE,
    seed: int = 0,
) -> Tensor:
    """E[ (b I·a - (p_j(x) - p_j(x - I)))² ] with I ~ N(0, scale²) for every pixel and channel, (n,); lower is better.

    b is the factor that minimises it (captum's `normalize`): explanations have no common scale. a is the pixel map, the
    same for all channels.

    Args:
        pixels: (n, h, w).
        samples: perturbations of each image, a function of (seed, key, number).
        scale: standard deviation.

    Raises:
        OptionError: captum is not installed.
    """
    measure = needed("captum.metrics", "this score").infidelity
    maps = pixels.to(subject.images).unsqueeze(1).expand_as(subject.images)

    def of(row: int, limit: int) -> Tensor:
        noise = _Perturbations(seed, subject.keys[row])

        def perturb(images: Tensor) -> tuple[Tensor, Tensor]:
            change = noise.normal(images).mul_(scale)
            return change, images - change

        return measure(
            subject.probabilities,
            perturb,
            subject.images[row : row + 1],
            maps[row : row + 1],
            target=subject.target[row],
            n_perturb_samples=samples,
            max_examples_per_batch=min(limit, samples),
            normalize=True,
        )

    return _each(subject, of)


def max_sensitivity(
    subject: Subject,
    attribute: Callable[..., Tensor],
    *,
    samples: int = SENSITIVITY_SAMPLES,
    radius: float = SENSITIVITY_RADIUS,
    seed: int = 0,
) -> Tensor:
    """max ‖a(x + e) - a(x)‖ / ‖a(x)‖ over e, uniform in [-radius, radius], (n,); lower is more stable.

    The method explains samples + 1 images for each row.

    Args:
        attribute: a method's `attribute`; maps images (m, c, h, w) and `target` to attributions of the same shape.
        samples: perturbations of each image, a function of (seed, key, number).

    Raises:
        OptionError: captum is not installed.
        SolverError: the method cannot explain a perturbed image; its `photos` is the row of the image.
    """
    measure = needed("captum.metrics", "this score").sensitivity_max

    def of(row: int, limit: int) -> Tensor:
        noise = _Perturbations(seed, subject.keys[row])

        def perturb(images: Tensor, size: float) -> Tensor:
            return images + noise.uniform(images).mul_(2).sub_(1).mul_(size)

        def explain(images: tuple[Tensor, ...] | Tensor, target: Any) -> Tensor | tuple[Tensor, ...]:
            if isinstance(images, tuple):  # captum then expects a tuple
                return (attribute(images[0], target=target),)
            return attribute(images, target=target)

        return measure(
            explain,
            subject.images[row : row + 1],
            perturb,
            perturb_radius=radius,
            n_perturb_samples=samples,
            target=subject.target[row],
        )

    return _each(subject, of)


class _Perturbations:
    """Noise for a row's perturbations, numbered in sequence, so that captum's batch size has no influence."""

    def __init__(self, seed: int, key: int) -> None:
        self._seed, self._key, self._next = seed, key, 0

    def normal(self, images: Tensor) -> Tensor:
        return self._numbers(philox.normal, images)

    def uniform(self, images: Tensor) -> Tensor:
        return self._numbers(philox.uniform, images)

    def _numbers(self, draw: Callable[..., Tensor], images: Tensor) -> Tensor:
        numbers = range(self._next, self._next + len(images))
        self._next = numbers.stop
        streams = [philox.Stream(self._seed, self._key, 0, number, philox.PERTURB) for number in numbers]
        return draw(streams, images[0].numel(), images.dtype, images.device).view_as(images)


def _each(subject: Subject, of: Callable[[int, int], Tensor]) -> Tensor:
    """Row by row, so that a row's figure is the same whatever else is evaluated."""
    found = []
    with torch.no_grad():
        for row in range(len(subject)):
            try:
                found.append(subject.limit.run(functools.partial(of, row)))
            except SolverError as error:
                if not error.photos:
                    raise
                # The photos that the error names are perturbations of this one.
                reason = error.__cause__ if isinstance(error.__cause__, SolverError) else error
                raise SolverError.of([row], reason) from reason
    return torch.cat(found).cpu().double()

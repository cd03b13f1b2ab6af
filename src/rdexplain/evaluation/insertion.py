"""Insertion and deletion: the target's probability as the top pixels are inserted or removed.

Petsiuk, Das, Saenko: RISE, BMVC 2018, section 4.3, arXiv 1806.07421.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rdexplain.evaluation.curves import PROBABILITY, Curves, Mode, trace
from rdexplain.evaluation.domains import Importance
from rdexplain.evaluation.ordering import ranks
from rdexplain.evaluation.replacement import Fixed
from rdexplain.evaluation.statistics import area
from rdexplain.evaluation.subject import Subject

BLUR_SIZE, BLUR_SIGMA = 11, 5.0
"""Size and standard deviation, in pixels, of the Gaussian kernel of RISE's insertion."""
STEPS = 50
"""Number of steps, each 2 % of the pixels."""


def blurred(images: Tensor) -> Tensor:
    """Images (n, c, h, w) under RISE's blur, or the largest odd kernel that a smaller image has room for."""
    from torchvision.transforms.functional import gaussian_blur  # slow to import, and no explanation needs it

    sizes = [min(BLUR_SIZE, 2 * ((side - 1) // 2) + 1) for side in (images.shape[-1], images.shape[-2])]
    return gaussian_blur(images, sizes, [BLUR_SIGMA, BLUR_SIGMA])


def emptied(subject: Subject) -> Tensor:
    """Images (n, c, h, w) of the mean of the network's normalisation (else black), as in RISE's deletion."""
    mean = subject.model.mean or (0.0,) * subject.images.shape[1]
    colour = torch.tensor(mean, dtype=subject.images.dtype, device=subject.images.device)
    return colour.view(1, -1, 1, 1).expand_as(subject.images)


def insertion(subject: Subject, pixels: Importance, *, steps: int = STEPS, seed: int = 0) -> tuple[Tensor, Curves]:
    """Insert the top pixels into the blurred image. The area (n,) is in [0, 1], higher is better."""
    return _curve(subject, pixels, "keep", blurred(subject.images), steps, seed)


def deletion(subject: Subject, pixels: Importance, *, steps: int = STEPS, seed: int = 0) -> tuple[Tensor, Curves]:
    """Replace the top pixels by the mean colour. The area (n,) is in [0, 1], lower is better."""
    return _curve(subject, pixels, "randomise", emptied(subject), steps, seed)


def _curve(
    subject: Subject, pixels: Importance, mode: Mode, substrate: Tensor, steps: int, seed: int
) -> tuple[Tensor, Curves]:
    transform = pixels.representation.transform_of(subject.images)
    order = ranks(pixels.scores.to(subject.images.device), subject.keys, seed=seed, second=pixels.second)
    percentages = [100 * step / steps for step in range(steps + 1)]
    curves = trace(subject, order, transform, Fixed(transform.analysis(substrate)), mode, percentages=percentages)
    return torch.from_numpy(area(curves.share.numpy(), curves.measures[PROBABILITY].numpy())), curves

"""How much an explanation depends on what should not matter: its seed, and small changes of the photo."""

from __future__ import annotations

import io
from itertools import combinations
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from rdexplain.evaluation.domains import Explained, pixel_map
from rdexplain.evaluation.likeness import iou, rank_correlation, structural_similarity
from rdexplain.evaluation.subject import Subject

SEEDS = 5
"""Number of seeds that are compared, with the explanation's own."""
QUALITY = 90
"""Quality of the JPEG on Pillow's scale."""
SHIFT = 1
"""Pixels by which the photo is moved to the right and down."""


def over_seeds(subject: Subject, method: Any, result: Explained, *, seeds: int = SEEDS) -> tuple[Tensor, Tensor]:
    """How alike explanations of the same photos by the same method with other seeds are: means over all pairs.

    A method without anything random costs nothing, and has 1. The seeds are that of the method and the following ones.

    Args:
        method: its `again` gives it with another seed, and its `uses_seed` says whether that changes anything.
        result: its explanation.
        seeds: number of seeds, with the explanation's own.

    Returns:
        Spearman's correlation of the pixel maps, and the intersection over the union of what is kept in the method's
        own domain (see `likeness.kept`), each float64 (n,); of the pairs for which they are defined, NaN where there
        is none.
    """
    if not method.uses_seed:
        one = torch.ones(len(subject), dtype=torch.float64)
        return one, one
    first = int(getattr(result, "seed", 0))
    results = [result] + [
        method.again(seed=first + number).explain(subject.images, target=subject.target, ids=list(subject.keys))
        for number in range(1, seeds)
    ]
    maps = [pixel_map(one).flatten(1) for one in results]
    ranks = torch.stack([rank_correlation(one, other) for one, other in combinations(maps, 2)])
    ious = torch.stack([iou(one, other) for one, other in combinations(results, 2)])
    return ranks.nanmean(dim=0), ious.nanmean(dim=0)


def under_jpeg(subject: Subject, method: Any, result: Explained) -> tuple[Tensor, Tensor]:
    """How alike the explanations of a photo and of its JPEG of quality 90 are (Pillow's, with half the resolution of
    colours): Spearman's correlation and SSIM of the pixel maps, (n,) each. The classes and the noise are the same."""
    other = _of_changed(subject, method, torch.stack([_jpeg(image) for image in subject.images.cpu()]))
    return _compared(pixel_map(result), pixel_map(other))


def under_shift(subject: Subject, method: Any, result: Explained) -> tuple[Tensor, Tensor]:
    """How alike the explanations of a photo and of the photo moved by one pixel to the right and down are, where both
    show the same: Spearman's correlation and SSIM of the pixel maps, (n,) each. The pixels that come in repeat the
    border; the classes and the noise are the same."""
    padded = nn.functional.pad(subject.images, (SHIFT, 0, SHIFT, 0), mode="replicate")
    other = _of_changed(subject, method, padded[..., :-SHIFT, :-SHIFT])
    return _compared(pixel_map(result)[..., :-SHIFT, :-SHIFT], pixel_map(other)[..., SHIFT:, SHIFT:])


def _of_changed(subject: Subject, method: Any, images: Tensor) -> Any:
    """The explanation of changed images; the noise is that of the unchanged ones, so that only the photo differs."""
    return method.explain(images.to(subject.images), target=subject.target, ids=list(subject.keys))


def _compared(maps: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    ranks = rank_correlation(maps.flatten(1), others.flatten(1))
    return ranks, structural_similarity(maps, others)


def _jpeg(image: Tensor) -> Tensor:
    """An image (3, h, w) in [0, 1] after it was a JPEG."""
    levels = image.double().mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=QUALITY)
    read = np.array(Image.open(file))
    return torch.from_numpy(read).permute(2, 0, 1).double() / 255

"""How alike two explanations of the same images are: rank correlation, structural similarity, and what both keep."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.evaluation.domains import Explained, in_own, pixel_map
from rdexplain.evaluation.ordering import counts, ranks
from rdexplain.methods.repeats import KEPT, overlap
from rdexplain.text.extras import needed

LEAST_SIZE = 3
"""Least side of a map in pixels: the smallest window of the structural similarity."""
TOP = 10.0
"""Percentage of a heatmap's components that count as kept: its scores rank them, but none is set to zero."""


class Likeness(NamedTuple):
    """How alike two explanations of n rows are, each (n,).

    Attributes:
        rank: Spearman's correlation of their pixel maps, in [-1, 1]; NaN where one of them is constant.
        ssim: the structural similarity of their pixel maps, in [-1, 1].
        iou: the intersection over the union of what they keep, in [0, 1], see `kept`; NaN where neither keeps anything
            or both keep everything, or where they live in different representations.
    """

    rank: Tensor
    ssim: Tensor
    iou: Tensor


def likeness(first: Explained, second: Explained) -> Likeness:
    """Compare explanations of the same images, by two methods, with two seeds or of two networks.

    Raises:
        OptionError: they have different numbers of rows, or images of different sizes; scikit-image is not installed.
    """
    maps, others = pixel_map(first), pixel_map(second)
    if maps.shape != others.shape:
        raise OptionError(
            f"explanations of {tuple(maps.shape)} and {tuple(others.shape)} (rows, height, width) cannot be compared: "
            "explain the same photos at the same size"
        )
    return Likeness(
        rank_correlation(maps.flatten(1), others.flatten(1)), structural_similarity(maps, others), iou(first, second)
    )


def kept(result: Explained) -> Tensor:
    """What an explanation keeps of its own components, bool (n, k): of a mask the entries above `KEPT` = 0.3, as in
    `Explanation.agreement`; of a heatmap its top 10 %, with all that equal the least of these.
    """
    scores = in_own(result).scores
    if getattr(result, "mask", None) is not None:
        return scores > KEPT
    return ranks(scores, [0] * len(scores), ties="together") < counts([TOP], scores.shape[1])[0]


def iou(first: Explained, second: Explained) -> Tensor:
    """The intersection over the union of what two explanations keep (Jaccard 1901), float64 (n,); see `Likeness`."""
    if first.representation.options() != second.representation.options():
        return torch.full((len(first.images),), torch.nan, dtype=torch.float64)
    one, other = kept(first), kept(second)
    return torch.where((one | other).any(dim=1) & ~(one & other).all(dim=1), overlap(one, other).double(), torch.nan)


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's correlation of the rows of (n, k), (n,); equal scores share a rank, NaN where all are equal."""
    a, b = (_centred_ranks(scores) for scores in (first, second))
    # Of equal ranks it is exactly 1, which the product of two norms would miss by rounding.
    return (a * b).sum(dim=1) / ((a * a).sum(dim=1) * (b * b).sum(dim=1)).sqrt()


def _centred_ranks(scores: Tensor) -> Tensor:
    rising = scores.double().sort(dim=1).values
    values = scores.double().contiguous()
    below, upto = torch.searchsorted(rising, values), torch.searchsorted(rising, values, right=True)
    ranks = (below + upto).double() / 2
    return ranks - ranks.mean(dim=1, keepdim=True)


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM (Wang et al. 2004) of the pixel maps (n, h, w), each rescaled to [0, 1], (n,), by scikit-image.

    Raises:
        OptionError: the maps are smaller than `LEAST_SIZE`, or scikit-image is not installed.
    """
    if min(first.shape[1:]) < LEAST_SIZE:
        raise OptionError(f"the structural similarity needs maps of {LEAST_SIZE} x {LEAST_SIZE} pixels at least")
    ssim = needed("skimage.metrics", "this score").structural_similarity
    pairs = zip(_unit(first).cpu().numpy(), _unit(second).cpu().numpy(), strict=True)
    side = min(7, 2 * ((min(first.shape[1:]) - 1) // 2) + 1)
    return torch.tensor([float(ssim(a, b, data_range=1.0, win_size=side)) for a, b in pairs], dtype=torch.float64)


def _unit(maps: Tensor) -> Tensor:
    maps = maps.double()
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)

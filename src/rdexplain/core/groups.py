"""Blocks of neighbouring mask entries that are updated together, and a sparsity penalty that depends on sensitivity."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from rdexplain.core.representations import Transform

REFERENCE = 0.95
"""An entry at this quantile of the sensitivities has the penalty weight λ itself, a factor of 1."""
LEAST, MOST = 0.3, 10.0
"""Least and greatest factor on λ: those of the most and of the least sensitive entries."""


def blocks(transform: Transform, side: int, device: torch.device) -> Tensor:
    """The block of each mask entry, (k,).

    A block has `side` x `side` places of one band, with all their orientations.
    """
    numbers, count = [], 0
    for band in transform.bands:
        height, width = band.shape[-2:]
        across = -(-width // side)
        rows, columns = torch.arange(height, device=device) // side, torch.arange(width, device=device) // side
        places = rows[:, None] * across + columns
        numbers.append((places.expand(band.shape) + count).flatten())
        count += -(-height // side) * across
    return torch.cat(numbers)


def block_sums(values: Tensor, transform: Transform, side: int) -> Tensor:
    """The sum of mask entries (R, k) in each block, (R, blocks), always in the same order: equal to the last bit."""
    sums = []
    for band in transform.split(values):
        maps = band if band.ndim == 4 else band.unsqueeze(1)
        whole = pad(maps, (0, -maps.shape[-1] % side, 0, -maps.shape[-2] % side))
        tiles = whole.unflatten(-1, (-1, side)).unflatten(-3, (-1, side))
        sums.append(tiles.sum(dim=(1, 3, 5)).flatten(1))
    return torch.cat(sums, dim=1)


def weights(sensitivity: Tensor, transform: Transform, power: float) -> Tensor:
    """The factor (R, k) on the sparsity penalty's weight λ at each entry: greater where the decision is not sensitive.

    An adaptive lasso (Zou, JASA 2006): (S / S_ref)^-power, between `LEAST` and `MOST`, with S the sensitivity (R, k),
    mean over 3 x 3 places of its band, and S_ref its quantile `REFERENCE`. Where several coefficients serve equally
    well, the photo and the network decide between them, not the noise.
    """
    smooth = []
    for band in transform.split(sensitivity):
        maps = band if band.ndim == 4 else band.unsqueeze(1)
        smooth.append(avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False).view_as(band))
    found = transform.join(smooth)
    # `quantile` takes 16 million numbers at most.
    place = min(int(REFERENCE * found.shape[1]), found.shape[1] - 1)
    reference = found.sort(dim=1).values[:, place : place + 1]
    tiny = torch.finfo(found.dtype).tiny
    pull = (found.clamp_min(tiny) / reference.clamp_min(tiny)) ** -power
    return pull.clamp(LEAST, MOST).where(reference > tiny, 1.0)

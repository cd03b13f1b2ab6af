"""The explainer's network: a U-Net whose levels are the scales of the wavelet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from rdexplain.core.explainer.look import CONDITIONS, FEATURES, Look
from rdexplain.core.explainer.maps import STRIDES
from rdexplain.core.representations import Transform

WIDTHS = (8, 32, 48, 64, 64)
"""Channels of each level, finest first; further levels are as wide as the last. The finest has most of the work,
and the least to say."""
PLANES = 3 + STRIDES
ORIENTATIONS = 3
GAIN = 10.0
"""How much faster what a coefficient's own features say is learnt than the rest: these few numbers do most of it."""
SLOPE, FALL, FINEST = 2.0, -0.7, -3.0
"""The logits of a network that has learnt nothing: the slope by the logarithm of the sensitivity, over 3; the fall for
a fourfold λk; the finest scale, of which most networks need little."""


def down(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Halve maps (n, c, h, w) to the next coarser scale's size: each place is the mean of the four it is made from.

    A wavelet's border adds as many places before as after, so a band of h places has its own 2 h' - h beyond them.
    """
    margins = [2 * small - large for small, large in zip(size, maps.shape[-2:], strict=True)]
    left = [margin // 2 for margin in margins]
    (top, before), (under, after) = left, [margin - one for margin, one in zip(margins, left, strict=True)]
    return avg_pool2d(pad(maps, (before, after, top, under)), 2)


def up(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """The transpose of `down` but for a factor: each place goes to the four that it was made from."""
    margins = [2 * small - large for small, large in zip(maps.shape[-2:], size, strict=True)]
    top, before = (margin // 2 for margin in margins)
    wide = maps.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
    return wide[..., top : top + size[0], before : before + size[1]]


class _Block(nn.Module):
    """Two convolutions, with the conditions as a bias of the first."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(inputs, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.GroupNorm(4, width)
        self.condition = nn.Linear(CONDITIONS, 2 * width)

    def forward(self, maps: Tensor, conditions: Tensor) -> Tensor:
        scale, shift = self.condition(conditions)[..., None, None].chunk(2, dim=1)
        inner = nn.functional.silu(self.norm(self.first(maps)) * (1 + scale) + shift)
        return nn.functional.silu(self.second(inner))


class ExplainerNetwork(nn.Module):
    """Predicts the mask of every band.

    Args:
        levels: scales of the wavelet.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        widths = [WIDTHS[min(level, len(WIDTHS) - 1)] for level in range(levels)]
        own = FEATURES * ORIENTATIONS + PLANES
        inputs = [own + (widths[level - 1] if level else 0) for level in range(levels)]
        inputs[-1] += FEATURES  # of the low-pass, which has the coarsest details' size
        self.narrowing = nn.ModuleList(_Block(count, width) for count, width in zip(inputs, widths, strict=True))
        self.widening = nn.ModuleList(
            _Block(widths[level] + widths[level + 1], widths[level]) for level in range(levels - 1)
        )
        outputs = [ORIENTATIONS] * (levels - 1) + [ORIENTATIONS + 1]
        heads = [nn.Conv2d(width, count, 1) for width, count in zip(widths, outputs, strict=True)]
        self.heads = nn.ModuleList(heads)
        for head in heads:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        # What a coefficient's own features say, for each band, low-pass first: sensitivity alone ranks them well.
        first = torch.tensor([0.0, SLOPE, 0.0, FALL, 0.0, 0.0]).repeat(levels + 1, 1)
        first[-1, -1] = FINEST
        self.own = nn.Parameter(first / GAIN)

    def forward(self, seen: Look, conditions: Tensor, transform: Transform) -> Tensor:
        """The logits of the mask, (R, k).

        Args:
            conditions: (R, CONDITIONS), `Look.conditions`.
        """
        low, *details = transform.split(seen.coefficients)
        details = [band.flatten(1, 2) for band in reversed(details)]  # finest first
        details[-1] = torch.cat((details[-1], low), dim=1)
        planes = seen.planes
        kept: list[Tensor] = []
        for detail, block in zip(details, self.narrowing, strict=True):
            planes = down(planes, _size(detail))
            finer = [down(kept[-1], _size(detail))] if kept else []
            kept.append(block(torch.cat((detail, planes, *finer), dim=1), conditions))
        maps = kept[-1]
        outputs = [self.heads[-1](maps)]
        for level in reversed(range(self.levels - 1)):
            wide = up(maps, _size(kept[level]))
            maps = self.widening[level](torch.cat((kept[level], wide), dim=1), conditions)
            outputs.append(self.heads[level](maps))
        coarsest, *others = outputs
        bands = [coarsest[:, ORIENTATIONS], coarsest[:, :ORIENTATIONS], *others]
        return transform.join(bands) + self._of_its_own(seen, conditions, transform)

    def _of_its_own(self, seen: Look, conditions: Tensor, transform: Transform) -> Tensor:
        parts = seen.coefficients.split([band.count for band in transform.bands], dim=2)
        given = torch.cat((conditions, torch.ones_like(conditions[:, :1])), dim=1)
        weights = GAIN * self.own
        return torch.cat(
            [
                torch.einsum("f,rfk->rk", row[:FEATURES], part) + (given @ row[FEATURES:])[:, None]
                for row, part in zip(weights, parts, strict=True)
            ],
            dim=1,
        )


def _size(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]

"""What replaces the coefficients that are masked away.

Gaussian noise has the mean and the (unbiased) standard deviation of each coefficient tensor: the low-pass is one
tensor, the details of each scale (all channels, orientations and positions) are one; for pixels the image is one.
Source: Kolek et al., arXiv 2110.03485, section 4. The scalings are those of Taslimi et al., ReScience C 2023.
Noise that is grey is that of Kolek et al., CVPR 2023, arXiv 2211.12857.

Where a representation is redundant, independent noise on its coefficients mostly cancels in the synthesis, and the std
is multiplied by the band's gain, see `Band.gain`; the published scripts do not, which is our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.representations import Band, Transform
from rdexplain.errors import OptionError, unknown

KINDS = ("gaussian", "uniform", "zero")

SCALINGS: dict[str, Callable[[int, int], float]] = {
    "original": lambda i, levels: 1.0,
    "linear": lambda i, levels: (levels - i + 1) / levels,
    "inverse_linear": lambda i, levels: i / levels,
    "exponential": lambda i, levels: 2.0 ** (-i / levels),
}
"""Factor on the standard deviation at scale i of J levels; i = 1 is the finest.

The names are those of the study's script and its table 1. The study's text prints i/J for "linear" and (J - i)/J for
its inverse: names and formulas are swapped between text and script.
"""


@dataclass(frozen=True)
class Draws:
    """The draws of a batch's rows.

    Attributes:
        count: how many there are for each row.
        mirrored: whether every second one is the mirror image of the one before.
        first: if they are, 1 where the first one is such a mirror image, else 0.
    """

    count: int
    mirrored: bool = False
    first: int = 0

    @property
    def sources(self) -> int:
        """How many different draws they are made of."""
        return (self.first + self.count + 1) // 2 if self.mirrored else self.count


@dataclass(frozen=True)
class Noise:
    """A noise strategy.

    Attributes:
        kind: ``gaussian`` N(mean, std²); ``uniform`` on [mean - std, mean + std]; ``zero``.
        scaling: a name of `SCALINGS`, the factor on the std of each scale's details. The low-pass keeps its std.
        grey: whether the statistics are those of the mean of the channels, and all channels get the same draw.
    """

    kind: str = "gaussian"
    scaling: str = "original"
    grey: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise OptionError(unknown("noise", str(self.kind), KINDS))
        if self.scaling not in SCALINGS:
            raise OptionError(unknown("noise scaling", str(self.scaling), SCALINGS))

    @property
    def is_random(self) -> bool:
        return self.kind != "zero"

    def seen(self, coefficients: Tensor) -> Tensor:
        """The coefficients whose statistics are taken: all of them (n, c, k), or those of the grey images (n, 1, k)."""
        return coefficients.mean(dim=1, keepdim=True) if self.grey else coefficients

    def statistics(self, coefficients: Tensor, transform: Transform) -> tuple[Tensor, Tensor]:
        """Mean of each entry's band, and its std times its scaling and its gain.

        Args:
            coefficients: (n, c, k).

        Returns:
            two tensors (n, 1, k); both zero where the noise is.
        """
        if not self.is_random:
            zero = torch.zeros_like(coefficients[:, :1])
            return zero, zero
        levels = max(band.scale for band in transform.bands)
        means, deviations, start = [], [], 0
        for band in transform.bands:
            part = coefficients[:, :, start : start + band.count].flatten(1)
            start += band.count
            factor = (SCALINGS[self.scaling](band.scale, levels) if band.scale else 1.0) * band.gain
            # One number has no spread; the unbiased formula would make it NaN.
            spread = part.std(dim=1) if part.shape[1] > 1 else torch.zeros_like(part[:, 0])
            means.append(_spread_over(part.mean(dim=1), band))
            deviations.append(_spread_over(spread * factor, band))
        return torch.cat(means, dim=-1), torch.cat(deviations, dim=-1)

    def draw(self, streams: philox.Streams, count: int, dtype: torch.dtype, device: torch.device | str) -> Tensor:
        """Noise of mean 0 and scale 1, (len(streams), count): multiply by the std and add the mean."""
        if self.kind == "gaussian":
            return philox.normal(streams, count, dtype, device)
        if self.kind == "uniform":
            return philox.uniform(streams, count, dtype, device).mul_(2).sub_(1)
        return torch.zeros((len(streams), count), dtype=dtype, device=device)


def _spread_over(values: Tensor, band: Band) -> Tensor:
    return values[:, None, None].expand(-1, 1, band.count)

"""Values that replace removed components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from rdexplain.core.noise import Noise
from rdexplain.core.philox import EVALUATE, Stream
from rdexplain.core.representations import Transform


class Replacement(Protocol):
    """Gives replacement coefficients for rows and draws."""

    @property
    def is_random(self) -> bool:
        """Whether draws differ from each other."""

    def __call__(self, rows: list[int], draws: list[int]) -> Tensor:
        """Coefficients (len(rows), c, k), one set for each pair of a row and a draw."""


@dataclass(frozen=True)
class Drawn:
    """Noise with the statistics of the image it replaces: v = mean + std * e.

    A draw is a function of (seed, key, draw): the same for every method, mode and percentage, so that they are
    compared on the same noise.

    Attributes:
        mean, deviation: (n, 1, k), of `Noise.statistics`.
        channels: number of channels of the images.
        clipped: whether v is clamped to [0, 1]: the published pixel noise.
    """

    noise: Noise
    mean: Tensor
    deviation: Tensor
    channels: int
    keys: tuple[int, ...]
    seed: int
    clipped: bool = False

    @property
    def is_random(self) -> bool:
        return self.noise.is_random

    def __call__(self, rows: list[int], draws: list[int]) -> Tensor:
        streams = [Stream(self.seed, self.keys[row], 0, draw, EVALUATE) for row, draw in zip(rows, draws, strict=True)]
        entries = self.mean.shape[-1]
        values = self.noise.draw(streams, self.channels * entries, self.mean.dtype, self.mean.device)
        values = values.view(-1, self.channels, entries).mul_(self.deviation[rows]).add_(self.mean[rows])
        return values.clamp_(0, 1) if self.clipped else values


def adaptive(
    coefficients: Tensor, transform: Transform, keys: tuple[int, ...], seed: int = 0, noise: Noise | None = None
) -> Drawn:
    """Noise with the mean and std of each coefficient tensor (n, c, k), as the methods use it."""
    noise = noise or Noise()
    mean, deviation = noise.statistics(coefficients, transform)
    return Drawn(noise, mean, deviation, coefficients.shape[1], keys, seed)


def published_pixels(coefficients: Tensor, keys: tuple[int, ...], seed: int = 0) -> Drawn:
    """clip(N(0, 1), 0, 1) for every pixel and channel, whatever the image: the study's pixel noise in 7a and 7b."""
    mean = coefficients.new_zeros(len(coefficients), 1, coefficients.shape[-1])
    return Drawn(Noise(), mean, mean + 1, coefficients.shape[1], keys, seed, clipped=True)


@dataclass(frozen=True)
class Fixed:
    """Given coefficients (n, c, k), such as those of a blurred image."""

    coefficients: Tensor
    is_random: bool = False

    def __call__(self, rows: list[int], draws: list[int]) -> Tensor:
        return self.coefficients[rows]

"""Areas under curves, and intervals over photos."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rdexplain.errors import OptionError

Array = npt.NDArray[np.float64]
RESAMPLES = 2000
LEVEL = 0.95
P_RESAMPLES = 9999
"""Resamples for a p-value: the smallest, 2 / 10000, stays below 0.05 when it is corrected for up to 249 comparisons."""


def mean_by(rows: Iterable[tuple[Hashable, float | Array]]) -> Array:
    """The mean of each photo's values, in order of first appearance: the bootstrap resamples photos, not their targets.

    Args:
        rows: pairs of a photo and the value, a number or (P,), for one of its targets.

    Returns:
        (photos,) or (photos, P).
    """
    photos: dict[Hashable, list[Array]] = {}
    for photo, value in rows:
        photos.setdefault(photo, []).append(np.asarray(value, dtype=np.float64))
    return np.stack([np.stack(values).mean(axis=0) for values in photos.values()])


class Interval(NamedTuple):
    """A mean over photos and its bootstrap confidence interval; the bounds are NaN for fewer than two photos."""

    mean: float
    low: float
    high: float
    photos: int


class Comparison(NamedTuple):
    """An `Interval` of differences, and `p_value`: how sure it is that their mean is not zero."""

    mean: float
    low: float
    high: float
    photos: int
    p: float


def area(share: npt.ArrayLike, values: npt.ArrayLike) -> Array:
    """The area under curves by the trapezoid rule, over the last axis.

    Args:
        share: (..., P) in [0, 1], rising; repeated shares have no width and add nothing.
        values: (..., P).

    Raises:
        OptionError: fewer than two points, or shares that fall.
    """
    x, y = np.asarray(share, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if y.shape[-1] < 2:
        raise OptionError("an area needs a curve of at least two percentages")
    widths = np.diff(x, axis=-1)
    if (widths < 0).any():
        raise OptionError("an area needs percentages in rising order")
    return (widths * (y[..., 1:] + y[..., :-1]) / 2).sum(axis=-1)


def log_area(share: npt.ArrayLike, values: npt.ArrayLike) -> Array:
    """The mean of curves over log p, from the smallest share above zero to the largest, over the last axis:

        sum_i (log p_(i+1) - log p_i) (y_i + y_(i+1)) / 2 / (log p_max - log p_min)

    Every tenfold of the share counts alike, so that the first per cent of a sparse explanation is as much as the rest
    of it. In the unit of the values, as `area` over all of [0, 1] is. NaN where fewer than two shares are above zero.

    Args: as `area`'s.
    """
    x, y = np.asarray(share, dtype=np.float64), np.asarray(values, dtype=np.float64)
    there = x > 0
    logs = np.log(np.where(there, x, 1.0))
    widths = np.where(there[..., 1:] & there[..., :-1], np.diff(logs, axis=-1), 0.0)
    if (widths < 0).any():
        raise OptionError("an area needs percentages in rising order")
    whole = widths.sum(axis=-1)
    total = (widths * (y[..., 1:] + y[..., :-1]) / 2).sum(axis=-1)
    return np.where(whole > 0, total / np.where(whole > 0, whole, 1.0), np.nan)


def bootstrap(
    values: npt.ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> tuple[Array, Array, Array]:
    """The mean over photos and its percentile bootstrap interval (Efron 1979): photos are drawn with replacement.

    Args:
        values: (n, ...), one row per photo. Equal seeds draw the same photos, whatever the values.
        seed: of the resampling.
        resamples: number of resamples.
        level: confidence level of the interval, in (0, 1).

    Returns:
        mean, lower and upper bound, each (...); the bounds are NaN for fewer than two photos.
    """
    sample = np.asarray(values, dtype=np.float64)
    mean = sample.mean(axis=0) if len(sample) else np.full(sample.shape[1:], np.nan)
    if len(sample) < 2:
        nothing = np.full_like(mean, np.nan)
        return mean, nothing, nothing
    chosen = np.random.Generator(np.random.Philox(seed)).integers(0, len(sample), (resamples, len(sample)))
    # How often each photo was drawn, as weights: the means are one matrix product.
    weights = np.stack([np.bincount(row, minlength=len(sample)) for row in chosen]) / len(sample)
    means = np.tensordot(weights, sample, axes=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return mean, low, high


def interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """`bootstrap` of one number per photo."""
    mean, low, high = bootstrap(values, seed=seed)
    return Interval(float(mean), float(low), float(high), len(values))


def p_value(differences: Sequence[float], *, seed: int = 0) -> float:
    """How often a mean as far from zero would come by chance, on either side (Davison and Hinkley 1997, section 4.4):

        max(2 (1 + min(#{m_b <= 0}, #{m_b >= 0})) / (B + 1), 2^(1 - n))

    m_b are the means of B = 9999 bootstrap resamples of the n photos. The second term is the probability that n
    signs are equal by chance: where all differences have one sign all resamples have it, however few photos there are.

    Args:
        differences: one for each photo.
        seed: of the resampling.

    Returns:
        in (0, 1]; NaN without photos.
    """
    sample = np.asarray(differences, dtype=np.float64)
    n = len(sample)
    if not n or not np.isfinite(sample).all():
        return float("nan")
    means = _p_weights(n, seed) @ sample
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return float(min(1.0, max(2 * (1 + beyond) / (P_RESAMPLES + 1), 2.0 ** (1 - n))))


@lru_cache(maxsize=2)  # a table has thousands of differences, nearly all over as many photos
def _p_weights(n: int, seed: int) -> Array:
    """How often each resample has each photo, over n: (`P_RESAMPLES`, n)."""
    chosen = np.random.Generator(np.random.Philox(seed)).integers(0, n, (P_RESAMPLES, n))
    return np.stack([np.bincount(row, minlength=n) for row in chosen]) / n


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number m by Holm's step-down (1979): of those in rising order the i-th becomes

        max over j <= i of min(1, (m - j + 1) p_(j))

    With a probability of at least 95 % none of those below 0.05 is there by chance, however they depend on each other.

    Args:
        p: of one family of comparisons. NaN stands for one that was not made, stays, and does not count.
    """
    corrected, least = [float("nan")] * len(p), 0.0
    made = sorted((value, place) for place, value in enumerate(p) if value == value)
    for rank, (value, place) in enumerate(made):
        least = corrected[place] = max(least, min(1.0, (len(made) - rank) * value))
    return corrected


def compared(differences: Sequence[float], *, seed: int = 0) -> Comparison:
    """The `interval` of differences, one for each photo, and their `p_value`."""
    return Comparison(*interval(differences, seed=seed), p_value(differences, seed=seed))


def paired_difference(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Comparison:
    """first - second, photo by photo, `compared` with zero: what differs between photos cancels.

    Raises:
        OptionError: not the same number of photos.
    """
    if len(first) != len(second):
        raise OptionError(f"{len(first)} and {len(second)} values cannot be paired")
    return compared([a - b for a, b in zip(first, second, strict=True)], seed=seed)


def shown(value: float) -> str:
    """A number as text: three decimals, or two significant digits if it is below 0.01."""
    return f"{value:.3f}" if value == 0 or not abs(value) < 0.01 else f"{value:.2g}"

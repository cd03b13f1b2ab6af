"""Which components come first: from scores to ranks, and from ranks to the components above a percentage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.errors import OptionError, unknown

Ties = Literal["random", "together"]


def ranks(
    scores: Tensor, keys: Sequence[int], *, seed: int = 0, ties: Ties = "random", second: Tensor | None = None
) -> Tensor:
    """The rank of each component, 0 for the most important.

    A component is among the top m where its rank is below m, so one array of ranks stands for the nested sets of all
    percentages.

    Args:
        scores: (n, k), higher is more important, signs count.
        keys: the n noise keys of the rows' photos.
        seed: of the order of equal scores.
        ties: ``random``: equal scores come in a random order, a function of (seed, key), so that counts are exact.
            ``together``: a component's rank is the number of components with a higher score, so "rank below m" is
            "score at least the m-th largest": equal scores come in together, and more than m may come. That is the
            published scripts' threshold on wavelet masks.
        second: (n, k), higher comes first among equal scores, such as the zeros of a mask; what is equal in both comes
            in a random order. Only where ties are ``random``. It may lie on another device, as what is loaded does.

    Returns:
        int64 (n, k).

    Raises:
        OptionError: scores that are NaN, not (n, k) for n keys, `second` of another shape, or an unknown `ties`.
    """
    if scores.ndim != 2 or len(scores) != len(keys):
        raise OptionError(
            f"scores of shape {tuple(scores.shape)} for {len(keys)} rows: they must be (rows, components)"
        )
    if ties not in get_args(Ties):
        raise OptionError(unknown("order of ties", str(ties), get_args(Ties)))
    if second is not None and second.shape != scores.shape:
        raise OptionError(f"an order of {tuple(second.shape)} for scores of shape {tuple(scores.shape)}")
    if any(bool(values.isnan().any()) for values in (scores, second) if values is not None):
        raise OptionError("scores that are NaN cannot be ordered")
    if ties == "together":
        rising, order = (-scores).sort(dim=1)
        places = torch.searchsorted(rising, rising)  # the first index of equal values
    else:
        streams = [philox.Stream(seed, key, 0, 0, philox.TIES) for key in keys]
        order = philox.random_bits(streams, scores.shape[1], scores.device).argsort(dim=1)
        # A stable sort leaves equal scores in the order in which it finds them.
        for values in (scores,) if second is None else (second, scores):
            order = order.gather(
                1, values.to(order.device).gather(1, order).argsort(dim=1, descending=True, stable=True)
            )
        places = torch.arange(scores.shape[1], device=scores.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places.contiguous())


def counts(percentages: Sequence[float], components: int) -> Tensor:
    """How many components each percentage stands for, rounded to the nearest, int64 (percentages,).

    Raises:
        OptionError: a percentage outside 0 to 100.
    """
    for percentage in percentages:
        if not 0 <= percentage <= 100:
            raise OptionError(f"percentages lie between 0 and 100, not {percentage:g}")
    return torch.tensor([round(percentage * components / 100) for percentage in percentages])


def true_share(positions: Tensor, limits: Tensor) -> Tensor:
    """The share of components whose rank is below each limit, float64 (n, limits): more than asked with joint ties.

    Args:
        positions: `ranks` (n, k).
        limits: `counts` (percentages,).

    Returns:
        on the CPU.
    """
    below = torch.stack([(positions < limit).sum(dim=1) for limit in limits.tolist()], dim=1)
    return below.cpu().double() / positions.shape[1]

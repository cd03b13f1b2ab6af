"""How concentrated an explanation is, without regard to the network: sparseness and complexity."""

from __future__ import annotations

import torch
from torch import Tensor


def sparseness(scores: Tensor) -> Tensor:
    """The Gini index of |scores|, (n, k) to (n,): 0 if all are equal, 1 - 1/k if all but one are 0.

    G = sum_i (2 i - k - 1) a_i / (k sum_i a_i) with a_1 <= ... <= a_k. Hurley, Rickard: Comparing Measures of
    Sparsity, IEEE Trans. Inf. Theory 2009; for explanations Chalasani et al., ICML 2020. NaN where all scores are 0.
    """
    sizes = scores.abs().double().sort(dim=1).values
    count = sizes.shape[1]
    weights = 2 * torch.arange(1, count + 1, device=sizes.device, dtype=sizes.dtype) - count - 1
    return (sizes * weights).sum(dim=1) / (count * sizes.sum(dim=1))


def complexity(scores: Tensor) -> Tensor:
    """The entropy of |scores| / sum |scores|, (n, k) to (n,), in nats: 0 if all but one are 0, log k if all are
    equal.

    Bhatt, Weller, Moura: Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020. NaN where all
    scores are 0.
    """
    sizes = scores.abs().double()
    shares = sizes / sizes.sum(dim=1, keepdim=True)
    return -torch.special.xlogy(shares, shares).sum(dim=1)

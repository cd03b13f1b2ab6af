"""Conciseness-preciseness: how much of the probability an explanation retains for how much of the image.

Kolek, Windesheim, Andrade-Loarca, Kutyniok, Levie: Explaining Image Classifiers with Multiscale Directional Image
Representation, CVPR 2023, arXiv 2211.12857.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rdexplain.errors import SolverError
from rdexplain.evaluation.concentration import complexity
from rdexplain.evaluation.subject import Subject

LEAST_PROBABILITY = 1e-6
"""Least probability of the target on the photo for which a retained share is defined."""


def conciseness(retained: Tensor, kept: Tensor, whole: Tensor) -> Tensor:
    """CP = retained / (kept / whole), (n,), above 0 and without a bound; higher is better, and 1 is the photo itself.

    NaN where no information is kept, or the photo has none.

    Args:
        retained: (n,) `retained_probability`.
        kept, whole: (n,) the information, `l1` or `entropy`, in what the mask keeps and in all of it.
    """
    information = kept / whole
    return torch.where(information > 0, retained.to(information) / information, torch.nan)


def retained_probability(subject: Subject, images: Tensor) -> Tensor:
    """p_j(x̂) / p_j(x) of explanations as images x̂ (n, c, h, w), (n,); NaN where p_j(x) is below `LEAST_PROBABILITY`.

    Raises:
        SolverError: the network gives values that are not finite; its `photos` are the affected rows.
    """
    label = subject.label()
    every = torch.arange(len(subject), device=images.device)

    def work(limit: int) -> Tensor:
        parts = [label.read(subject.probabilities(images[rows]), rows) for rows in every.split(limit)]
        return torch.cat(parts).squeeze(1)

    with torch.no_grad():
        after, before = (
            subject.limit.run(work).cpu().double(),
            label.read(subject.clean, every).squeeze(1).cpu().double(),
        )
    if not bool(after.isfinite().all()):
        blamed = (~after.isfinite()).nonzero().flatten().tolist()
        raise SolverError.of(blamed, SolverError("of its explanation, the network gives values that are not finite"))
    return torch.where(before >= LEAST_PROBABILITY, after / before, torch.nan)


def l1(values: Tensor) -> Tensor:
    """Σ|z|, (n, ...) to (n,)."""
    return values.cpu().double().abs().flatten(1).sum(dim=1)


def entropy(values: Tensor) -> Tensor:
    """H(z) = -Σ q log q with q = z² / Σ z², (n, ...) to (n,), in nats: how the energy is spread; NaN where all is 0."""
    return complexity(values.cpu().double().square().flatten(1))

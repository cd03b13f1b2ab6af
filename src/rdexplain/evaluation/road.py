"""ROAD: remove pixels and fill the gaps in with what their neighbours suggest, so that no hole tells where they were.

Rong, Leemann, Borisov, Kasneci, Kasneci: A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML
2022, arXiv 2202.00449.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.errors import OptionError
from rdexplain.evaluation.curves import AGREEMENT, PROBABILITY, Curves, check_finite, compare
from rdexplain.evaluation.domains import Importance
from rdexplain.evaluation.ordering import counts, ranks, true_share
from rdexplain.evaluation.statistics import Array
from rdexplain.evaluation.subject import Subject
from rdexplain.text.extras import needed

PERCENTAGES = (10.0, 20.0, 30.0, 40.0, 50.0, 70.0, 90.0)
"""Percentages of the pixels that are removed, as in the authors' experiments."""
NOISE = 0.01
"""Standard deviation of the noise on what is filled in, the authors'."""
_OFFSETS = [(y, x, 1 / 6 if y == 0 or x == 0 else 1 / 12) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def road(
    subject: Subject,
    pixels: Importance,
    *,
    least_first: bool = False,
    percentages: Sequence[float] = PERCENTAGES,
    noise: float = NOISE,
    seed: int = 0,
) -> Curves:
    """The decision as the pixels of the highest scores (MoRF), or of the lowest, are removed and filled in.

    The score of a photo is the mean of ``probability`` over the percentages: the lower the better for the most
    important first, the higher the better for the least important. Of a data set ``agreement`` is the paper's accuracy,
    where the classes that are explained are those that the network gives.

    Args:
        pixels: scores of pixels, `in_pixels`.
        least_first: whether the least important are removed first (LeRF), in the opposite order.
        percentages: of the pixels, in [0, 100).
        noise: standard deviation of the noise on what is filled in, in units of [0, 1]; the filled-in values are
            clamped to [0, 1].
        seed: of the noise and of the random order of scores that are equal in `pixels.second` too.

    Raises:
        OptionError: all pixels are to be removed; SciPy is not installed.
        SolverError: the network gives values that are not finite; its `photos` are the affected rows.
    """
    limits = counts(percentages, pixels.scores.shape[1])
    if int(limits.max()) >= pixels.scores.shape[1]:
        raise OptionError("nothing can be filled in where all pixels are removed: give percentages below 100")
    order = ranks(pixels.scores.cpu(), subject.keys, seed=seed, second=pixels.second)
    if least_first:
        order = order.shape[1] - 1 - order
    measures = {name: torch.zeros(len(subject), len(limits), dtype=torch.float64) for name in (AGREEMENT, PROBABILITY)}
    for row, image in enumerate(subject.images.cpu().double()):
        filled = []
        for place, count in enumerate(limits.tolist()):
            stream = philox.Stream(seed, subject.keys[row], place, int(least_first), philox.EVALUATE)
            added = noise * philox.normal([stream], image.numel(), image.dtype)[0]
            filled.append(fill_in(image, (order[row] < count).view(subject.size), added))
        images = torch.stack(filled).to(subject.images)
        for name, values in subject.limit.run(partial(_decided, subject, row, images)).items():
            measures[name][row] = values
    check_finite(measures)
    return Curves(tuple(map(float, percentages)), true_share(order, limits), measures, 1)


def _decided(subject: Subject, row: int, images: Tensor, limit: int) -> dict[str, Tensor]:
    """The measures (P,) of `compare` for images (P, c, h, w) made of a row, at most `limit` images at once."""
    label, rows = subject.label(), torch.full((len(images),), row, device=images.device)
    with torch.no_grad():
        parts = [compare(subject, label, (), part, rows[: len(part)]) for part in images.split(limit)]
    return {name: torch.cat([part[name].cpu().double() for part in parts]) for name in parts[0]}


def fill_in(image: Tensor, gone: Tensor, noise: Tensor | None = None) -> Tensor:
    """An image (c, h, w) with the pixels `gone` replaced: noisy linear imputation.

    Each removed pixel is the weighted mean of its neighbours, whether they are there or removed themselves,

        x_p = Σ_q w_pq x_q / Σ_q w_pq,    w = 1/6 beside and above or below, 1/12 across the corner,

    over the neighbours q inside the image: a sparse linear system, with a solution where any pixel is left.

    Args:
        gone: bool (h, w), not all of them.
        noise: c * h * w numbers, of which those of the removed pixels are added; then values are clamped to [0, 1].
    """
    found = image.double().clone()
    if bool(gone.any()):
        filled = torch.from_numpy(_solved(found.numpy(), gone.numpy()))
        if noise is not None:
            filled = (filled + noise.view(image.shape)[:, gone]).clamp(0, 1)
        found[:, gone] = filled
    return found.to(image)


def _solved(image: Array, gone: np.ndarray) -> Array:
    """The removed pixels (c, removed) of an image (c, h, w)."""
    sparse, linalg = needed("scipy.sparse", "this score"), needed("scipy.sparse.linalg", "this score")
    height, width = gone.shape
    rows, columns = np.nonzero(gone)
    count = len(rows)
    number = np.zeros(gone.shape, dtype=np.int64)
    number[gone] = np.arange(count)
    weight, known = np.zeros(count), np.zeros((count, len(image)))
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for down, right, share in _OFFSETS:
        y, x = rows + down, columns + right
        inside = np.flatnonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
        weight[inside] += share
        removed = gone[y[inside], x[inside]]
        there, others = inside[~removed], inside[removed]
        known[there] += share * image[:, y[there], x[there]].T
        entries.append((others, number[y[others], x[others]], np.full(len(others), -share)))
    entries.append((np.arange(count), np.arange(count), weight))
    at, to, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    system = sparse.csc_matrix((values, (at, to)), shape=(count, count))
    # The system is symmetric and positive definite, so it needs no pivots.
    options = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    solved: Array = linalg.splu(system, **options).solve(known).T
    return solved

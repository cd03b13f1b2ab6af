"""IROF: segments of the photo are removed in the order of their mean score.

Rieger, Hansen: IROF: a low resource evaluation metric for explanation methods, AI for Affordable Healthcare Workshop at
ICLR 2020, arXiv 2003.08747. Segments by SLIC: Achanta et al., PAMI 2012.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rdexplain.errors import SolverError
from rdexplain.evaluation.conciseness import LEAST_PROBABILITY
from rdexplain.evaluation.curves import PROBABILITY, trace
from rdexplain.evaluation.domains import Importance
from rdexplain.evaluation.insertion import emptied
from rdexplain.evaluation.ordering import ranks
from rdexplain.evaluation.replacement import Fixed
from rdexplain.evaluation.statistics import area
from rdexplain.evaluation.subject import Subject
from rdexplain.text.extras import needed

SEGMENTS = 100
"""About how many segments an image has: scikit-image's default."""


def irof(subject: Subject, pixels: Importance, *, segments: Tensor | None = None, seed: int = 0) -> Tensor:
    """The area over the curve of the probability as segments are removed, (n,); at most 1, higher is better.

    With p_l the target's probability without the l of L segments that have the largest mean scores,

        IROF = 1 - ∫ p_l / p_0 d(l / L),

    by the trapezoid rule. It is below 0 where the probability rises, and NaN where p_0 is below `LEAST_PROBABILITY`.
    Removed pixels get the mean colour of the network's normalisation, else black, as for `deletion`.

    Args:
        pixels: scores of pixels, `in_pixels`.
        segments: int64 (n, h, w), numbered from 0; None for `slic_segments`.
        seed: of the random order of segments with equal means, of `pixels.second` too.

    Raises:
        OptionError: scikit-image is not installed.
        SolverError: the network gives values that are not finite; its `photos` are the affected rows.
    """
    segments = slic_segments(subject.images) if segments is None else segments
    transform = pixels.representation.transform_of(subject.images)
    scores, empty = pixels.scores.cpu().double(), transform.analysis(emptied(subject))
    seconds = None if pixels.second is None else pixels.second.cpu().double()
    found = []
    for row in range(len(subject)):
        one, where = subject.of([row]), segments[row].flatten()
        sizes = where.bincount()
        means = _means(scores[row], where, sizes)
        second = None if seconds is None else _means(seconds[row], where, sizes)
        places = ranks(means, one.keys, seed=seed, second=second)[0]
        # Pixels of the same segment lie beside each other in the order, and between two steps of the curve.
        order = torch.empty_like(where).scatter_(0, places[where].argsort(stable=True), torch.arange(len(where)))
        removed = [0, *sizes[places.argsort()].cumsum(0).tolist()]
        percentages = [100 * count / len(where) for count in removed]
        fixed = Fixed(empty[row : row + 1])
        try:
            curves = trace(one, order[None].to(empty.device), transform, fixed, "randomise", percentages=percentages)
        except SolverError as error:
            # The photo that it names is the only row of `one`.
            reason = error.__cause__ if isinstance(error.__cause__, SolverError) else error
            raise SolverError.of([row], reason) from reason
        values = curves.measures[PROBABILITY][0]
        steps = torch.linspace(0, 1, len(values), dtype=torch.float64)
        share = values / values[0] if values[0] >= LEAST_PROBABILITY else torch.full_like(values, torch.nan)
        found.append(1 - float(area(steps.numpy(), share.numpy())))
    return torch.tensor(found, dtype=torch.float64)


def _means(values: Tensor, where: Tensor, sizes: Tensor) -> Tensor:
    """The mean of a photo's values (k,) in each segment, (1, segments)."""
    return (torch.zeros(len(sizes), dtype=values.dtype).index_add_(0, where, values) / sizes).unsqueeze(0)


def slic_segments(images: Tensor) -> Tensor:
    """Superpixels of images (n, 3, h, w), int64 (n, h, w), numbered from 0 without gaps, on the CPU.

    Raises:
        OptionError: scikit-image is not installed.
    """
    slic = needed("skimage.segmentation", "this score").slic
    found = [
        torch.from_numpy(slic(image, n_segments=SEGMENTS, start_label=0)).long()
        for image in images.cpu().double().permute(0, 2, 3, 1).numpy()
    ]
    return torch.stack([one.unique(return_inverse=True)[1] for one in found])

"""Rate-distortion curves: what the network says as more and more of the top components are kept, or randomised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from rdexplain.core.memory import batches
from rdexplain.core.noise import Noise
from rdexplain.core.representations import Transform
from rdexplain.errors import OptionError, SolverError, unknown
from rdexplain.evaluation.domains import PIXEL, Importance
from rdexplain.evaluation.ordering import counts, ranks, true_share
from rdexplain.evaluation.replacement import Replacement, adaptive, published_pixels
from rdexplain.evaluation.subject import Subject
from rdexplain.methods.checks import check_whole
from rdexplain.models.decisions import Label
from rdexplain.models.decisions.distortions import Distortion, find_distortion

Mode = Literal["keep", "randomise"]
Protocol = Literal["corrected", "published"]
AGREEMENT, PROBABILITY = "agreement", "probability"


@dataclass(frozen=True)
class Curves:
    """What was measured at P percentages, for n rows.

    Attributes:
        percentages: asked for, in [0, 100].
        share: (n, P) true share of components kept or randomised, in [0, 1].
        measures: (n, P) means over the draws: by the names of the distortions; ``agreement``, how often the clean
            prediction is kept; ``probability`` of the target.
        draws: noise draws per point.
    """

    percentages: tuple[float, ...]
    share: Tensor
    measures: dict[str, Tensor]
    draws: int


def rate_distortion(
    subject: Subject,
    importance: Importance,
    mode: Mode,
    *,
    percentages: Sequence[float],
    draws: int = 8,
    distortions: Sequence[str] = ("l2", "label"),
    noise: Noise | None = None,
    protocol: Protocol = "corrected",
    seed: int = 0,
) -> Curves:
    """Keep, or randomise, the top p % of the components, and compare the network's decisions.

    With ranks r of k components, h = analysis(x), noise v and m = round(p k / 100),

        y = clamp(synthesis(c), 0, 1),    c_i = h_i where r_i < m (keep) or r_i >= m (randomise), else v_i

    v has the mean and the std of the coefficient tensor it replaces part of, so of the pixels or of each wavelet
    scale. Measured are d(Φ(x), Φ(y)) for each distortion, whether Φ(y) has the largest probability where Φ(x) has it,
    and the target's probability; means over the draws. Source: Kolek et al., ECCV 2022, figure 7; Taslimi et al.,
    ReScience C 2023, figure 5.

    Args:
        mode: ``keep`` (7a) or ``randomise`` (7b).
        percentages: in [0, 100].
        draws: noise draws per point; the same for every method, mode and percentage.
        distortions: names of `distortions.DISTORTIONS`; all of them cost one forward pass.
        noise: a strategy in place of the adaptive Gaussian.
        protocol: ``corrected``: exact counts, ties in the order of `importance.second`, adaptive noise. ``published``:
            as the study's scripts, wavelets by a threshold that lets all ties in, pixels in a random order, and
            clip(N(0, 1), 0, 1) in place of pixels.
        seed: of the noise and of the random order of ties.

    Raises:
        OptionError: an invalid option.
        SolverError: the network gives values that are not finite; its `photos` are the affected rows.
    """
    if protocol not in get_args(Protocol):
        raise OptionError(unknown("protocol", str(protocol), get_args(Protocol)))
    transform = importance.representation.transform_of(subject.images)
    coefficients = transform.analysis(subject.images)
    pixels, published = importance.domain == PIXEL, protocol == "published"
    replacement = (
        published_pixels(coefficients, subject.keys, seed)
        if pixels and published
        else adaptive(coefficients, transform, subject.keys, seed, noise)
    )
    scores = importance.scores.to(subject.images.device)
    if published:
        order = ranks(scores, subject.keys, seed=seed, ties="random" if pixels else "together")
    else:
        order = ranks(scores, subject.keys, seed=seed, second=importance.second)
    return trace(
        subject, order, transform, replacement, mode, percentages=percentages, draws=draws, distortions=distortions
    )


def trace(
    subject: Subject,
    order: Tensor,
    transform: Transform,
    replacement: Replacement,
    mode: Mode,
    *,
    percentages: Sequence[float],
    draws: int = 1,
    distortions: Sequence[str] = (),
) -> Curves:
    """The curves of an order of components, `ranks` (n, k), with any replacement; see `rate_distortion`."""
    if mode not in get_args(Mode):
        raise OptionError(unknown("mode", str(mode), get_args(Mode)))
    draws = check_whole("draws", draws, 1) if replacement.is_random else 1
    distances = [find_distortion(name) for name in distortions]
    limits = counts(percentages, order.shape[1]).to(order.device)
    coefficients = transform.analysis(subject.images)
    names = [*(distance.name for distance in distances), AGREEMENT, PROBABILITY]
    label = subject.label()

    def work(limit: int) -> dict[str, Tensor]:
        sums = {name: torch.zeros(len(subject), len(limits), dtype=torch.float64) for name in names}
        # A row of these batches is a pair of a photo and a draw, whose noise serves all its percentages.
        for first, last, low, high in batches(len(subject) * draws, len(limits), limit):
            rows = [pair // draws for pair in range(first, last)]
            noise = replacement(rows, [pair % draws for pair in range(first, last)])
            top = order[rows].unsqueeze(1) < limits[low:high, None]
            kept = (top if mode == "keep" else ~top).unsqueeze(2)
            mixed = torch.where(kept, coefficients[rows].unsqueeze(1), noise.unsqueeze(1))
            images = transform.synthesis(mixed.flatten(0, 1)).clamp_(0, 1)
            at = torch.tensor(rows, device=images.device).repeat_interleave(high - low)
            for name, values in compare(subject, label, distances, images, at).items():
                part = values.cpu().double().view(last - first, high - low)
                sums[name][:, low:high].index_add_(0, torch.tensor(rows), part)
        return {name: total / draws for name, total in sums.items()}

    with torch.no_grad():
        measures = subject.limit.run(work)
    check_finite(measures)
    return Curves(tuple(map(float, percentages)), true_share(order, limits), measures, draws)


def check_finite(measures: dict[str, Tensor]) -> None:
    """Raise SolverError for values that are not finite: a single NaN would make the mean over all photos NaN."""
    finite = torch.stack(list(measures.values())).isfinite().all(dim=0).all(dim=1)
    if not bool(finite.all()):
        blamed = (~finite).nonzero().flatten().tolist()
        raise SolverError.of(blamed, SolverError("obfuscated, the network gives values that are not finite"))


def compare(
    subject: Subject, label: Label, distances: Sequence[Distortion], images: Tensor, rows: Tensor
) -> dict[str, Tensor]:
    """Every measure (b,) of images (b, c, h, w) made of the rows (b,), from one forward pass."""
    probabilities, clean = subject.probabilities(images), subject.clean[rows]
    reading, clean_reading = label.read(probabilities, rows), label.read(clean, rows)
    measures = {
        distance.name: distance.compare(clean_reading, reading)
        if distance.reads == "label"
        else distance.compare(clean.flatten(1), probabilities.flatten(1))
        for distance in distances
    }
    same = probabilities.argmax(dim=1) == clean.argmax(dim=1)
    measures[AGREEMENT] = same.flatten(1).double().mean(dim=1) if same.ndim > 1 else same
    measures[PROBABILITY] = reading.squeeze(1)
    return measures

"""Evaluates one explanation: its curves and its scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import get_args

import numpy as np
import torch

from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.errors import OptionError, unknown
from rdexplain.evaluation.candidate import Candidate
from rdexplain.evaluation.curves import Curves, Mode, Protocol, rate_distortion
from rdexplain.evaluation.domains import Explained, Importance, in_own, in_pixels, in_wavelets
from rdexplain.evaluation.localisation import check_box
from rdexplain.evaluation.orders import find_order, ordered
from rdexplain.evaluation.results import Curve, CurveKey, Entry, Evaluation, ScoreKey
from rdexplain.evaluation.scores import DEFAULT_SCORES, find_score
from rdexplain.evaluation.subject import Subject
from rdexplain.methods.checks import check_whole
from rdexplain.methods.outcome import targets_tensor
from rdexplain.models.decisions import check_label
from rdexplain.models.decisions.distortions import find_distortion

PERCENTAGES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
DOMAINS = ("own", "pixel", "wavelet")


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        percentages: of the curves, rising, in [0, 100].
        draws: noise draws per point.
        distortions: names of `distortions.DISTORTIONS`.
        domains: the domains in which explanations are ranked: ``own``, ``pixel``, ``wavelet``.
        modes: ``keep``, ``randomise``.
        scores: names of `scores.SCORES`.
        wavelet: the one of the domain ``wavelet``.
        protocol: see `curves.rate_distortion`.
        order: a name of `orders.ORDERS`: how equally important components are ranked, in curves, insertion and
            deletion. The published protocol has a rule of its own.
        seed: of every draw.

    Raises:
        OptionError: an unknown name, percentages that do not rise, or less than one draw.
    """

    percentages: Sequence[float] = PERCENTAGES
    draws: int = 8
    distortions: Sequence[str] = ("l2", "label")
    domains: Sequence[str] = DOMAINS
    modes: Sequence[Mode] = ("keep", "randomise")
    scores: Sequence[str] = DEFAULT_SCORES
    wavelet: Wavelet = field(default_factory=Wavelet)
    protocol: Protocol = "corrected"
    order: str = "kept"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.distortions:
            find_distortion(name)
        for name in self.scores:
            find_score(name)
        for kind, names, known in (("domain", self.domains, DOMAINS), ("mode", self.modes, get_args(Mode))):
            for name in names:
                if name not in known:
                    raise OptionError(unknown(kind, str(name), known))
        find_order(self.order)
        check_whole("draws", self.draws, 1)
        rises = all(a < b for a, b in zip(self.percentages, self.percentages[1:], strict=False))
        if len(self.percentages) < 2 or not rises:
            raise OptionError("percentages: give at least two, each larger than the one before")


def evaluate(subject: Subject, candidate: Candidate, settings: Settings | None = None) -> Evaluation:
    """The curves and the scores of an explanation.

    Args:
        subject: the rows that were explained, in the same order.
        candidate: the explanation, and what the scores need beside it.
        settings: what is measured.

    Raises:
        OptionError: the explanation is one of other images or targets, or a box reaches beyond its image.
        ModelError: what it explains is no class label.
        SolverError: the network gives values that are not finite; its `photos` are the affected rows.
    """
    settings = settings or Settings()
    _check_rows(subject, candidate.result)
    for box in (box for boxes in candidate.boxes or () for box in boxes):
        check_box(box, *subject.size)
    order = "random" if settings.protocol == "published" else settings.order
    candidate = replace(candidate, order=order)
    curves: dict[CurveKey, Curve] = {}
    scores: dict[ScoreKey, float] = {}
    home = candidate.result.representation.name
    for importance in _rankings(subject, candidate, settings):
        entries = _entries(subject, candidate.result, importance.domain, importance.own)
        for mode in settings.modes:
            found = rate_distortion(
                subject,
                importance,
                mode,
                percentages=settings.percentages,
                draws=settings.draws,
                distortions=settings.distortions,
                protocol=settings.protocol,
                seed=settings.seed,
            )
            curves |= {CurveKey(entry, mode): _curve(found, row) for row, entry in enumerate(entries)}
    for name in settings.scores:
        for (column, domain), values in find_score(name).measure(subject, candidate, settings.seed).items():
            entries = _entries(subject, candidate.result, domain, domain == home)
            if isinstance(values, Curves):
                curves |= {CurveKey(entry, column): _curve(values, row) for row, entry in enumerate(entries)}
                continue
            pairs = zip(entries, values.tolist(), strict=True)
            # A score that is not defined, such as that of a photo without a box, is left out.
            scores |= {ScoreKey(entry, column): value for entry, value in pairs if math.isfinite(value)}
    return Evaluation(curves, scores)


def _rankings(subject: Subject, candidate: Candidate, settings: Settings) -> Iterator[Importance]:
    """The explanation's scores in each of the wanted domains, without duplicates."""
    result, order = candidate.result, candidate.order
    home = result.representation
    if "own" in settings.domains or home.name in settings.domains:
        yield ordered(subject, result, in_own, order)
    if "pixel" in settings.domains and not isinstance(home, Pixel):
        yield ordered(subject, result, in_pixels, order)
    if "wavelet" in settings.domains and home.options() != settings.wavelet.options():
        yield ordered(subject, result, partial(in_wavelets, wavelet=settings.wavelet), order)


def _entries(subject: Subject, result: Explained, domain: str, own: bool) -> list[Entry]:
    return [
        Entry(
            photo=result.photos[row] or f"{key:016x}",
            key=f"{key:016x}",
            target=",".join(map(str, subject.targets[row])),
            class_name=result.labels[row],
            method=result.method,
            domain=domain,
            own=own,
        )
        for row, key in enumerate(subject.keys)
    ]


def _curve(curves: Curves, row: int) -> Curve:
    return Curve(
        percentages=np.array(curves.percentages),
        share=curves.share[row].numpy(),
        measures={name: values[row].numpy() for name, values in curves.measures.items()},
        draws=curves.draws,
    )


def _check_rows(subject: Subject, result: Explained) -> None:
    check_label(getattr(result, "target_kind", "label"), "the evaluation", "measures")
    images = result.images.to(subject.images)
    if images.shape != subject.images.shape or not bool((images - subject.images).abs().max() < 1e-4):
        raise OptionError("the explanation is not one of the images that it is evaluated on")
    if not torch.equal(result.target, targets_tensor(subject.targets)):
        raise OptionError("the explanation is not one of the targets that it is evaluated for")

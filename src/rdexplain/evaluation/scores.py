"""Scores in addition to the curves, by name: one number for each row, in one or two domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import OptionError, unknown
from rdexplain.evaluation.concentration import complexity, sparseness
from rdexplain.evaluation.conciseness import conciseness, entropy, l1, retained_probability
from rdexplain.evaluation.domains import PIXEL, Explained, Importance, in_own, in_pixels, pixel_map
from rdexplain.evaluation.hallucination import hallucination
from rdexplain.evaluation.insertion import deletion, insertion
from rdexplain.evaluation.localisation import Box, energy_in_box, inside, pointing_game
from rdexplain.evaluation.masked import masked
from rdexplain.evaluation.orders import ordered
from rdexplain.evaluation.perturbation import infidelity, max_sensitivity
from rdexplain.evaluation.randomisation import rank_correlation, structural_similarity
from rdexplain.evaluation.subject import Subject


@dataclass(frozen=True)
class Candidate:
    """An explanation to evaluate, with further data that some scores need.

    Attributes:
        result: the explanation of the subject's rows.
        method: the method itself, for ``max_sensitivity``, which explains again.
        on_randomised: the same method on a network with random parameters, for ``randomisation``.
        boxes: for each row the boxes of its object, empty where there is none, for ``localisation``.
        order: a name of `orders.ORDERS`, for ``insertion`` and ``deletion``; `evaluate` takes that of its settings.
    """

    result: Explained
    method: Any = None
    on_randomised: Any = None
    boxes: Sequence[Sequence[Box]] | None = None
    order: str = "kept"


Values = dict[tuple[str, str], Tensor]
"""Values (n,) by a score's column and domain."""


@dataclass(frozen=True)
class Score:
    """A named score, which gives one or several columns.

    Attributes:
        columns: their names, with what is better: ``higher``, ``lower``, or ``zero`` for what has a sign and should be
            near 0.
        measure: maps the subject, the candidate and a seed to the values.
    """

    name: str
    summary: str
    columns: dict[str, str]
    measure: Callable[[Subject, Candidate, int], Values]


def _insertion(subject: Subject, candidate: Candidate, seed: int) -> Values:
    return {("insertion", PIXEL): insertion(subject, _pixels(subject, candidate), seed=seed)[0]}


def _deletion(subject: Subject, candidate: Candidate, seed: int) -> Values:
    return {("deletion", PIXEL): deletion(subject, _pixels(subject, candidate), seed=seed)[0]}


def _pixels(subject: Subject, candidate: Candidate) -> Importance:
    return ordered(subject, candidate.result, in_pixels, candidate.order)


def _everywhere(name: str, formula: Callable[[Tensor], Tensor]) -> Callable[[Subject, Candidate, int], Values]:
    def measure(subject: Subject, candidate: Candidate, seed: int) -> Values:
        domains: list[Importance] = [in_own(candidate.result), in_pixels(candidate.result)]
        return {(name, importance.domain): formula(importance.scores) for importance in domains}

    return measure


def _infidelity(subject: Subject, candidate: Candidate, seed: int) -> Values:
    return {("infidelity", PIXEL): infidelity(subject, pixel_map(candidate.result), seed=seed)}


def _max_sensitivity(subject: Subject, candidate: Candidate, seed: int) -> Values:
    if candidate.method is None:
        raise OptionError("max_sensitivity explains again: it needs the method, not a saved explanation")
    return {("max_sensitivity", PIXEL): max_sensitivity(subject, candidate.method.attribute, seed=seed)}


def _localisation(subject: Subject, candidate: Candidate, seed: int) -> Values:
    if candidate.boxes is None:
        raise OptionError("localisation needs the boxes of the objects")
    given = torch.tensor([bool(some) for some in candidate.boxes])
    masks, pixels = inside(candidate.boxes, *subject.size), pixel_map(candidate.result)
    nothing = _undefined(subject)
    return {
        ("pointing_game", PIXEL): torch.where(given, pointing_game(pixels, masks).double(), nothing),
        ("energy_in_box", PIXEL): torch.where(given, energy_in_box(pixels, masks), nothing),
    }


def _undefined(subject: Subject) -> Tensor:
    return torch.full((len(subject),), torch.nan, dtype=torch.float64)


def _randomisation(subject: Subject, candidate: Candidate, seed: int) -> Values:
    if candidate.on_randomised is None:
        raise OptionError("randomisation explains another network: it needs the method, not a saved explanation")
    other = candidate.on_randomised.explain(subject.images, target=subject.target)
    maps, others = pixel_map(candidate.result), pixel_map(other)
    return {
        ("randomisation_rank", PIXEL): rank_correlation(maps.flatten(1), others.flatten(1)),
        ("randomisation_ssim", PIXEL): structural_similarity(maps, others),
    }


def _conciseness(subject: Subject, candidate: Candidate, seed: int) -> Values:
    own = candidate.result.representation.name
    found = masked(subject, candidate.result)
    if found is None:
        return {column: _undefined(subject) for column in (("cp_entropy", own), ("cp_l1", own), ("cp_l1_pixel", PIXEL))}
    retained = retained_probability(subject, found.image)
    return {
        ("cp_entropy", own): conciseness(retained, entropy(found.kept), entropy(found.coefficients)),
        ("cp_l1", own): conciseness(retained, l1(found.kept), l1(found.coefficients)),
        ("cp_l1_pixel", PIXEL): conciseness(retained, l1(found.image), l1(subject.images)),
    }


def _hallucination(subject: Subject, candidate: Candidate, seed: int) -> Values:
    found = masked(subject, candidate.result)
    values = _undefined(subject) if found is None else hallucination(found.image, subject.images)
    return {("hallucination", PIXEL): values}


SCORES = {
    score.name: score
    for score in (
        Score("insertion", "probability as pixels come into a blurred image", {"insertion": "higher"}, _insertion),
        Score("deletion", "probability as pixels are replaced by the mean", {"deletion": "lower"}, _deletion),
        Score(
            "sparseness",
            "Gini index of the scores",
            {"sparseness": "higher"},
            _everywhere("sparseness", sparseness),
        ),
        Score("complexity", "entropy of the scores", {"complexity": "lower"}, _everywhere("complexity", complexity)),
        Score("infidelity", "how well the scores foretell changes", {"infidelity": "lower"}, _infidelity),
        Score(
            "max_sensitivity",
            "how far a small change of the image moves the explanation",
            {"max_sensitivity": "lower"},
            _max_sensitivity,
        ),
        Score(
            "localisation",
            "the pointing game, and the energy in the object's box",
            {"pointing_game": "higher", "energy_in_box": "higher"},
            _localisation,
        ),
        Score(
            "randomisation",
            "likeness to the explanation of a network with random parameters",
            {"randomisation_rank": "zero", "randomisation_ssim": "zero"},
            _randomisation,
        ),
        Score(
            "conciseness",
            "the probability that what a mask keeps retains, for the information in it",
            {"cp_entropy": "higher", "cp_l1": "higher", "cp_l1_pixel": "higher"},
            _conciseness,
        ),
        Score(
            "hallucination",
            "edges of what a mask keeps that the photo does not have",
            {"hallucination": "lower"},
            _hallucination,
        ),
    )
}
DEFAULT_SCORES = ("insertion", "deletion", "sparseness", "complexity")
BETTER = {column: better for score in SCORES.values() for column, better in score.columns.items()}


def find_score(name: str) -> Score:
    """A score by its name, or OptionError with the nearest names."""
    if name not in SCORES:
        raise OptionError(unknown("score", str(name), SCORES))
    return SCORES[name]

"""Scores in addition to the curves, by name: one number for each row, in one or two domains."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rdexplain.errors import OptionError, unknown
from rdexplain.evaluation.again import AGAIN
from rdexplain.evaluation.candidate import Candidate, Score, Values
from rdexplain.evaluation.concentration import complexity, sparseness
from rdexplain.evaluation.conciseness import conciseness, entropy, l1, retained_probability
from rdexplain.evaluation.curves import PROBABILITY
from rdexplain.evaluation.domains import PIXEL, Importance, in_own, in_pixels, pixel_map
from rdexplain.evaluation.hallucination import hallucination
from rdexplain.evaluation.insertion import deletion, insertion
from rdexplain.evaluation.irof import irof
from rdexplain.evaluation.localisation import energy_in_box, inside, pointing_game
from rdexplain.evaluation.masked import masked
from rdexplain.evaluation.orders import ordered
from rdexplain.evaluation.perturbation import infidelity
from rdexplain.evaluation.road import road
from rdexplain.evaluation.subject import Subject


def _insertion(subject: Subject, candidate: Candidate, seed: int) -> Values:
    return {("insertion", PIXEL): insertion(subject, _pixels(subject, candidate), seed=seed)[0]}


def _deletion(subject: Subject, candidate: Candidate, seed: int) -> Values:
    return {("deletion", PIXEL): deletion(subject, _pixels(subject, candidate), seed=seed)[0]}


def _pixels(subject: Subject, candidate: Candidate) -> Importance:
    return ordered(subject, candidate.result, in_pixels, candidate.order)


def _road(subject: Subject, candidate: Candidate, seed: int) -> Values:
    pixels = _pixels(subject, candidate)
    first, last = (road(subject, pixels, least_first=least, seed=seed).measures[PROBABILITY] for least in (False, True))
    return {("road_morf", PIXEL): first.mean(dim=1), ("road_lerf", PIXEL): last.mean(dim=1)}


def _irof(subject: Subject, candidate: Candidate, seed: int) -> Values:
    return {("irof", PIXEL): irof(subject, _pixels(subject, candidate), seed=seed)}


def _everywhere(name: str, formula: Callable[[Tensor], Tensor]) -> Callable[[Subject, Candidate, int], Values]:
    def measure(subject: Subject, candidate: Candidate, seed: int) -> Values:
        domains: list[Importance] = [in_own(candidate.result), in_pixels(candidate.result)]
        return {(name, importance.domain): formula(importance.scores) for importance in domains}

    return measure


def _infidelity(subject: Subject, candidate: Candidate, seed: int) -> Values:
    return {("infidelity", PIXEL): infidelity(subject, pixel_map(candidate.result), seed=seed)}


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
            "localisation",
            "the pointing game, and the energy in the object's box",
            {"pointing_game": "higher", "energy_in_box": "higher"},
            _localisation,
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
        Score(
            "road",
            "probability as pixels are removed and filled in from their neighbours",
            {"road_morf": "lower", "road_lerf": "higher"},
            _road,
        ),
        Score("irof", "how far the probability falls as segments are removed", {"irof": "higher"}, _irof),
        *AGAIN,
    )
}
DEFAULT_SCORES = ("insertion", "deletion", "sparseness", "complexity")
BETTER = {column: better for score in SCORES.values() for column, better in score.columns.items()}


def find_score(name: str) -> Score:
    """A score by its name, or OptionError with the nearest names."""
    if name not in SCORES:
        raise OptionError(unknown("score", str(name), SCORES))
    return SCORES[name]

"""The scores that explain again: other networks, other seeds, changed photos."""

from __future__ import annotations

import torch

from rdexplain.errors import OptionError
from rdexplain.evaluation.candidate import Candidate, Score, Values
from rdexplain.evaluation.cascade import CASCADE, RANK, SSIM, Cascade, cascade
from rdexplain.evaluation.domains import PIXEL, Explained, pixel_map
from rdexplain.evaluation.likeness import rank_correlation, structural_similarity
from rdexplain.evaluation.perturbation import max_sensitivity
from rdexplain.evaluation.stability import over_seeds, under_jpeg, under_shift
from rdexplain.evaluation.statistics import area
from rdexplain.evaluation.subject import Subject


def _max_sensitivity(subject: Subject, candidate: Candidate, seed: int) -> Values:
    _check_method(candidate, "max_sensitivity")
    return {("max_sensitivity", PIXEL): max_sensitivity(subject, candidate.method.attribute, seed=seed)}


def _randomisation(subject: Subject, candidate: Candidate, seed: int) -> Values:
    maps, others = pixel_map(candidate.result), pixel_map(_of_random(subject, candidate, "randomisation"))
    return {
        ("randomisation_rank", PIXEL): rank_correlation(maps.flatten(1), others.flatten(1)),
        ("randomisation_ssim", PIXEL): structural_similarity(maps, others),
    }


def _cascade(subject: Subject, candidate: Candidate, seed: int) -> Values:
    last = _of_random(subject, candidate, "cascade")
    curves = cascade(subject, candidate.method, candidate.result, _networks(candidate, "cascade"), last)
    under = {
        name: torch.from_numpy(area(curves.share.numpy(), values.numpy())) for name, values in curves.measures.items()
    }
    return {
        (CASCADE, PIXEL): curves,
        ("cascade_rank", PIXEL): under[RANK],
        ("cascade_ssim", PIXEL): under[SSIM],
    }


def _seeds(subject: Subject, candidate: Candidate, seed: int) -> Values:
    _check_method(candidate, "seeds")
    rank, iou = over_seeds(subject, candidate.method, candidate.result)
    return {("seeds_rank", PIXEL): rank, ("seeds_iou", candidate.result.representation.name): iou}


def _small_changes(subject: Subject, candidate: Candidate, seed: int) -> Values:
    _check_method(candidate, "small_changes")
    jpeg, shift = (change(subject, candidate.method, candidate.result) for change in (under_jpeg, under_shift))
    return {
        ("jpeg_rank", PIXEL): jpeg[0],
        ("jpeg_ssim", PIXEL): jpeg[1],
        ("shift_rank", PIXEL): shift[0],
        ("shift_ssim", PIXEL): shift[1],
    }


def _check_method(candidate: Candidate, score: str) -> None:
    if candidate.method is None:
        raise OptionError(f"{score} explains again: it needs the method, not a saved explanation")


def _networks(candidate: Candidate, score: str) -> Cascade:
    _check_method(candidate, score)
    if candidate.networks is None:
        raise OptionError(f"{score} explains random networks: give the candidate a `Cascade`")
    return candidate.networks


def _of_random(subject: Subject, candidate: Candidate, score: str) -> Explained:
    """The explanation of the network whose layers were all drawn anew, made once for both scores."""
    networks = _networks(candidate, score)
    if "random" not in candidate.made:
        candidate.made["random"] = networks.explained(subject, candidate.method, networks.counts[-1])
    return candidate.made["random"]


AGAIN = (
    Score(
        "max_sensitivity",
        "how far a small change of the image moves the explanation",
        {"max_sensitivity": "lower"},
        _max_sensitivity,
        again=True,
    ),
    Score(
        "randomisation",
        "likeness to the explanation of a network with random parameters",
        {"randomisation_rank": "zero", "randomisation_ssim": "zero"},
        _randomisation,
        again=True,
    ),
    Score(
        "cascade",
        "likeness to the explanation as the layers are randomised one after the other",
        {"cascade_rank": "zero", "cascade_ssim": "zero"},
        _cascade,
        again=True,
    ),
    Score(
        "seeds",
        "likeness of explanations with other seeds",
        {"seeds_rank": "higher", "seeds_iou": "higher"},
        _seeds,
        again=True,
    ),
    Score(
        "small_changes",
        "likeness of the explanations of a JPEG of the photo, and of the photo moved by a pixel",
        {"jpeg_rank": "higher", "jpeg_ssim": "higher", "shift_rank": "higher", "shift_ssim": "higher"},
        _small_changes,
        again=True,
    ),
)

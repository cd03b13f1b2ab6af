"""Masks and the scores of what they keep: the unit that the recipes of ShearletX and StartGrad are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from rdexplain.evaluation import Candidate, Settings, evaluate, subject
from rdexplain.evaluation.conciseness import retained_probability
from rdexplain.evaluation.masked import masked
from rdexplain.evaluation.statistics import Interval, interval
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.registry import METHODS
from rdexplain.results.explanation import Explanation
from rdexplain.work.studies.plan import Known, Plan
from rdexplain.work.studies.protocol import FRESH, backwards
from rdexplain.work.studies.recipe import Results, Row, Unit, explained_row

SCORED = "scored"
STEPS, DRAWS = 300, 16
"""The published optimiser of ShearletX, WaveletX and pixel masks, which StartGrad has too."""
MOST_SCALES = 4
_STUDIED = ("cartoonx", "pixel_rde")
_PUBLISHED = {"steps": STEPS, "draws": DRAWS, "step_size": 0.1, "distortion": "maximise_label"}
_PIXELS = {"sparsity": 1.0, "noise": "uniform"}
"""Where that paper's pixel masks differ from the defaults of Pixel RDE."""


def published_options(plan: Plan, method: str) -> dict[str, Any]:
    """The published optimiser of a method, scaled by the effort, at its published λk."""
    scaled = {"steps": plan.times(STEPS, 2), "draws": plan.times(DRAWS, 2)}
    own = _PIXELS if method == "pixel_rde" else {}
    return {"preset": "paper", **_PUBLISHED, **scaled, **own, **where(plan, method)}


def fast_options(plan: Plan, method: str) -> dict[str, Any]:
    """The `fast` preset of a method for its published objective, its steps scaled by the effort."""
    steps = METHODS[method].load().presets["fast"].steps  # type: ignore[attr-defined]
    aim = {} if method in _STUDIED else {"distortion": _PUBLISHED["distortion"]}
    return {"preset": "fast", "steps": plan.times(steps, 6), **aim, **where(plan, method)}


def where(plan: Plan, method: str) -> dict[str, Any]:
    """Shearlets of fewer scales where the photos are too small for the published four."""
    scales = MOST_SCALES
    while scales > 1 and 4**scales > 2 * plan.size:
        scales -= 1
    return {"scales": scales} if method == "shearletx" and scales < MOST_SCALES else {}


def scored_unit(plan: Plan, photo: Known, method: str, options: dict[str, Any], scores: Sequence[str]) -> Unit:
    """A photo's mask, saved, with scores by name, see `evaluation.scores`."""
    return Unit(SCORED, photo, plan.model, method, options, {"scores": list(scores)}, FRESH + 2, backwards(options))


def explain_and_score(units: Sequence[Unit], method: Attribution, images: Tensor) -> tuple[Explanation, list[Row]]:
    """The explanations of units by one method, and a row of numbers for each: a score that is not defined is None.

    Args:
        images: (n, 3, h, w) in [0, 1], one for each unit.
    """
    with subject(method.model, images) as rows:
        found = method.explain(rows.images, target=rows.target, photos=[unit.photo.source for unit in units])
        settings = Settings(domains=(), modes=(), scores=tuple(units[0].measured["scores"]))
        scores = evaluate(rows, Candidate(found), settings).scores
        kept = masked(rows, found)
        assert kept is not None
        retained = retained_probability(rows, kept.image).tolist()
    numbers = []
    for place, (unit, share) in enumerate(zip(units, retained, strict=True)):
        row = explained_row(found, place) | {"objective": float(found.objective[place])}
        row |= {"retained": share if math.isfinite(share) else None}
        mine = {key.score: value for key, value in scores.items() if key.entry.photo == unit.photo.source}
        numbers.append(row | mine)
    return found, numbers


def numbers(
    results: Results, units: Sequence[Unit], name: str, key: Callable[[Unit], str]
) -> dict[str, dict[str, float]]:
    """A number of the units' rows, by `key` and photo, where it is defined."""
    found: dict[str, dict[str, float]] = {}
    for unit in units:
        result = results.of(unit)
        value = None if result is None else result["rows"][0].get(name)
        if value is not None:
            found.setdefault(key(unit), {})[unit.photo.source] = float(value)
    return found


def mean(values: dict[str, float], seed: int) -> Interval:
    """The mean over photos, with its interval."""
    return interval(list(values.values()), seed=seed)

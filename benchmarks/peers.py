"""What others take for the same photo, in turn in one process: seconds, images sent, and the objective of a mask.

A heatmap is no mask, but it orders the pixels, and keeping the first of them is one. So its objective is that of Pixel
RDE, of the best of `SHARES`: chosen on draws of their own, measured on the draws on which every explanation is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import rdexplain as rx
from benchmarks.published import STEPS, Published
from rdexplain.methods.outcome import FRESH_DRAWS
from rdexplain.methods.registry import METHODS
from rdexplain.models import frozen

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
HEATMAPS: dict[str, dict[str, int]] = {
    "integrated_gradients": {"steps": 50, "references": 1},
    "lime": {"n_samples": 300},
    "occlusion": {},
}
DRAWS = (64, 16)
"""Of the published step: the original paper's, and those of most of the study's figures."""
TIMED = 2
"""How many published steps are timed, after one that is not."""
Row = dict[str, Any]


def measure(
    cases: Sequence[tuple[str, int]],
    device: str,
    known: Sequence[Row] = (),
    say: Callable[[str], None] = lambda text: None,
    preset: str = "fast",
) -> Iterator[Row]:
    """A row for each photo and way.

    Args:
        cases: photos with their sizes in pixels.
        known: rows that are there already, and not yielded again.
    """
    done = {(row["photo"], row["size"], row["way"]) for row in known}
    model = rx.load_model("efficientnet_lite0", device=device)
    for photo, size in cases:
        image = rx.load_photo(photo, size).pixels[None].to(model.device)
        for way, work in _ways(model, image, preset).items():
            place = {"photo": Path(photo).stem, "size": size, "way": way}
            if tuple(place.values()) not in done:
                row = {**place, **work()}
                say(f"peers: {photo} {size} px  {way:<26} {row['seconds']:.1f} s")
                yield row


def _ways(model: rx.Model, image: Tensor, preset: str) -> dict[str, Callable[[], Row]]:
    ways: dict[str, Callable[[], Row]] = {}
    for method in (rx.CartoonX, rx.PixelRDE):
        ways[f"{method.name} {preset}"] = partial(_ours, method, model, image, preset)
    for draws in DRAWS:
        ways[f"published step x {draws}"] = partial(_published, model, image, draws)
    for name in HEATMAPS:
        ways[name] = partial(_heatmap, name, model, image)
    return ways


def _ours(method: Any, model: rx.Model, image: Tensor, preset: str) -> Row:
    started = time.perf_counter()
    done = method(model, preset=preset).explain(image)
    return {
        "seconds": time.perf_counter() - started,
        "evaluations": int(done.network_evaluations[0]),
        "domain": "wavelets" if method is rx.CartoonX else "pixels",
        "objective": float(done.objective[0]),
    }


def _published(model: rx.Model, image: Tensor, draws: int) -> Row:
    """Seconds for all steps, extrapolated: every step does the same. The mask after so few says nothing."""
    with frozen(model):
        published = Published(model, image, draws)
        published.step()
        started = time.perf_counter()
        for _ in range(TIMED):
            published.step()  # reads its loss, so that a GPU has finished
        seconds = (time.perf_counter() - started) / TIMED
    return {
        "seconds": seconds * STEPS,
        "seconds_a_step": seconds,
        "timed_steps": TIMED,
        "evaluations": STEPS * draws,
        "domain": "wavelets",
        "objective": None,
    }


def _heatmap(name: str, model: rx.Model, image: Tensor) -> Row:
    explainer = METHODS[name].load()(model, accelerate=False, **HEATMAPS[name])
    started = time.perf_counter()
    done = explainer.explain(image)
    seconds = time.perf_counter() - started
    share, objective = as_mask(model, image, done.scores[0].to(image.device))
    return {
        "seconds": seconds,
        "evaluations": int(done.network_evaluations[0]),
        "domain": "pixels",
        "objective": objective,
        "share": share,
    }


def as_mask(model: rx.Model, image: Tensor, scores: Tensor, draws: int = 16) -> tuple[float, float]:
    """The best share of the highest scores (h, w) to keep, and Pixel RDE's objective of that mask."""
    explainer = rx.PixelRDE(model)
    weight = explainer.options.settings.sparsity
    order = scores.flatten().argsort(descending=True)
    with explainer.problem(image) as problem:

        def objective(share: float, draws: int, step: int) -> float:
            mask = torch.zeros(1, len(order), device=image.device)
            mask[0, order[: round(share * len(order))]] = 1
            distortion, _ = problem.objective.measure(mask, draws, step)
            return float(distortion) + weight * float(mask.mean())

        share = min(SHARES, key=lambda one: objective(one, draws, 3))
        return share, objective(share, FRESH_DRAWS, 0)

"""What others take for the same photo, in turn in one process: seconds, images sent, and what the explanation is worth.

A heatmap has no objective, and those of pixels and of wavelets weigh their masks differently. What all have is an order
of the components. So all are measured alike: by the area under the distortion as the first components are kept, in
pixels and in wavelets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

import rdexplain as rx
from benchmarks.published import STEPS, Published
from rdexplain import evaluation as ev
from rdexplain.methods.registry import METHODS
from rdexplain.models import frozen

PERCENTAGES = (0, 1, 2, 5, 10, 20, 30, 45, 60, 80, 100)
"""Of the components that are kept."""
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
        ways[f"{method.name} {preset}"] = partial(_explained, method(model, preset=preset), model, image)
    for draws in DRAWS:
        ways[f"published step x {draws}"] = partial(_published, model, image, draws)
    for name, options in HEATMAPS.items():
        ways[name] = partial(_explained, METHODS[name].load()(model, accelerate=False, **options), model, image)
    return ways


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
        "area_pixels": None,
        "area_wavelets": None,
    }


def _explained(explainer: Any, model: rx.Model, image: Tensor) -> Row:
    started = time.perf_counter()
    done = explainer.explain(image)
    seconds = time.perf_counter() - started
    pixels, wavelets = areas(model, done)
    return {
        "seconds": seconds,
        "evaluations": int(done.network_evaluations[0]),
        "area_pixels": pixels,
        "area_wavelets": wavelets,
    }


def areas(model: rx.Model, result: ev.Explained, draws: int = 8) -> tuple[float, float]:
    """Areas in [0, 2] under the distortion, squared l2 of the probabilities, over the share of the components that is
    kept: in pixels and in wavelets. Less is better."""
    found = []
    with ev.subject(model, result.images, result.target.tolist()) as subject:
        for convert in (ev.in_pixels, ev.in_wavelets):
            importance = ev.ordered(subject, result, convert, "kept")
            curves = ev.rate_distortion(
                subject, importance, "keep", percentages=PERCENTAGES, draws=draws, distortions=("l2",)
            )
            found.append(float(ev.area(curves.share.numpy(), curves.measures["l2"].numpy())[0]))
    return found[0], found[1]

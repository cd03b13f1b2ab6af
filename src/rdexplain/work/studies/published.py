"""The numbers that the study published, and the calculations of its scripts with their defects."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np
import torch
from torch import Tensor

from rdexplain.evaluation.statistics import Array, area
from rdexplain.methods.baselines.base import Baseline, BaselineOptions
from rdexplain.methods.baselines.rows import Rows
from rdexplain.models import Model

METHODS = {
    "cartoonx": "CartoonX",
    "pixel_rde": "PixelRDE",
    "integrated_gradients": "IntegratedGradients",
    "smooth_grad": "SmoothGrad",
    "guided_backprop": "GuidedBackprop",
    "random_pixel": "RandomPixel",
    "random_wavelet": "RandomWavelet",
}
NETWORKS = {
    "mobilenet_v3_small": "MobileNetV3-Small",
    "resnet18": "ResNet18",
    "resnet50": "ResNet50",
    "vit_b_16": "ViT-B/16",
}
TABLE_1 = {
    "original": (0.01370, 0.01032),
    "linear": (0.006538, 0.004349),
    "exponential": (0.008475, 0.004960),
    "inverse_linear": (0.007605, 0.004101),
}
"""Mean distortion and standard deviation over photos; Taslimi et al., ReScience C 2023, table 1."""


@cache
def _curves() -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    # Taslimi et al., ReScience C 9(2), 2023, DOI 10.5281/zenodo.8173721; see README.md beside the file.
    found: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    with (resources.files("rdexplain.work.studies") / "published_curves.csv").open() as lines:
        for row in csv.DictReader(lines):
            percent, mean = found.setdefault((row["experiment"], row["method"]), ([], []))
            percent.append(float(row["percent"]))
            mean.append(float(row["mean"]))
    return found


def published_curve(experiment: str, name: str) -> tuple[Array, Array] | None:
    """Percentages and means over 100 photos.

    Args:
        experiment: ``7a``, ``7b``, ``acc`` or ``fig10a``.
        name: one of our methods, or of our networks for ``fig10a``.
    """
    known = (NETWORKS if experiment == "fig10a" else METHODS).get(name, "")
    found = _curves().get((experiment, known))
    return None if found is None else (np.array(found[0]), np.array(found[1]))


def published_area(experiment: str, name: str) -> float | None:
    """The area under a published curve."""
    found = published_curve(experiment, name)
    return None if found is None else float(area(found[0] / 100, found[1]))


def over_own_norm(values: Sequence[float]) -> Array:
    """Figure 6's scaling: a vector over λk divided by its own Euclidean norm."""
    vector = np.asarray(values, dtype=np.float64)
    norm = float(np.sqrt((vector**2).sum()))
    return vector / norm if norm > 0 else vector


def improvement(original: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Table 1's "% improvement", the mean over photos of 1 - other/original; and the same of the two means.

    Photos whose original distortion is zero have no ratio and are left out of the first.
    """
    before, after = np.asarray(original, dtype=np.float64), np.asarray(other, dtype=np.float64)
    some = before > 0
    ratios = 1 - after[some] / before[some]
    total = before.mean() if len(before) else 0.0
    return (
        float(ratios.mean()) if len(ratios) else float("nan"),
        float(1 - after.mean() / total) if total > 0 else float("nan"),
    )


class PlainGradient(Baseline):
    """What the study's script calls Guided Backprop: the signed gradient of the logit, summed over the channels.

    The script replaces only top-level modules named ReLU, and MobileNetV3-Small has none there.
    """

    name = "guided_backprop"

    def __init__(self, model: Model, *, seed: int = 0) -> None:
        super().__init__(model, "logit", BaselineOptions(seed=seed))

    def _attributions(self, rows: Rows) -> Tensor:
        return rows.batched(lambda which: rows.gradient(rows.images[which], which))


def first_noisy_class(model: Model, image: Tensor, spread: float, seed: int) -> int:
    """What the study's script explains by SmoothGrad: the class of the first noisy copy of an image (c, h, w)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(image.shape, generator=generator, dtype=torch.float64).to(image)
    noisy = image + spread * (image.max() - image.min()) * noise
    with torch.no_grad():
        return int(model(noisy[None]).argmax())

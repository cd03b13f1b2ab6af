"""Whether another seed shows the same thing: masks and pictures of several seeds, pair by pair."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import rdexplain as rx
from benchmarks import quality
from rdexplain.methods.repeats import KEPT

FIGURES = ("iou", "rank", "ssim")


def likeness(one: rx.Explanation, other: rx.Explanation) -> dict[str, float]:
    """How alike two explanations of one row are.

    ``iou`` is the intersection over the union of what the masks keep, ``rank`` Spearman's correlation of all mask
    values, ``ssim`` the structural similarity of the grey pictures; 1 is the same.
    """
    from scipy.stats import spearmanr
    from skimage.metrics import structural_similarity

    first, second = _flat(one), _flat(other)
    kept, also = first > KEPT, second > KEPT
    pictures = [found.picture[0, 0].numpy() for found in (one, other)]
    return {
        "iou": float((kept & also).sum() / (kept | also).sum().clamp_min(1)),
        "rank": float(spearmanr(first.numpy(), second.numpy()).statistic),
        "ssim": float(structural_similarity(*pictures, data_range=1.0)),
    }


def _flat(explanation: rx.Explanation) -> Tensor:
    return torch.cat([band[0].flatten() for band in explanation.mask])


def measure(
    photos: Sequence[str],
    settings: Sequence[str],
    seeds: Sequence[int],
    size: int,
    results: quality.Results,
    keep: Path,
    say: Callable[[str], None],
    method: str = "cartoonx",
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """A row for each setting: objective, evaluations, and how alike the explanations of two seeds are.

    Args:
        keep: a folder for the explanations; those in it, and in the results, are not made again.
    """
    table = []
    keep.mkdir(parents=True, exist_ok=True)
    rows = quality.measure(photos, settings, seeds, size, results, say, method, device=device, keep=keep)
    for setting in settings:
        own = [row for row in rows if row["setting"] == setting]
        found: dict[str, list[float]] = {name: [] for name in FIGURES}
        for photo in dict.fromkeys(row["photo"] for row in own):
            made = [rx.load_explanation(keep / quality.file_of(row)) for row in own if row["photo"] == photo]
            pairs = [likeness(*pair) for pair in itertools.combinations(made, 2)]
            for name in FIGURES if pairs else ():
                found[name].append(statistics.mean(pair[name] for pair in pairs))
        low, high = quality.interval(found["iou"])
        table.append(
            {
                "setting": setting,
                "photos": len(found["iou"]),
                "objective": statistics.mean(row["objective"] for row in own),
                "evaluations": statistics.mean(row["evaluations"] for row in own),
                **{name: statistics.mean(values) if values else None for name, values in found.items()},
                "low": low,
                "high": high,
            }
        )
    return table

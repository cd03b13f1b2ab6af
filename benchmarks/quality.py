"""Objective against network evaluations: what a preset reaches on photos and seeds, and what it costs.

A setting is ``NAME`` or ``NAME,key=value,...``: a preset with some of its fields replaced, for instance
``paper,draws=8`` or ``fast,steps=200,betas=0.5:0.99``. Results are kept in a JSON file, and what is there is not run
again.
"""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

import rdexplain as rx
from rdexplain.methods.presets import Preset

METHODS = {
    "cartoonx": "CartoonX",
    "pixel_rde": "PixelRDE",
    "smooth_pixel_rde": "SmoothPixelRDE",
    "waveletx": "WaveletX",
    "shearletx": "ShearletX",
}
RUN_KEYS = ("setting", "method", "model", "photo", "size", "seed")


def preset_of(setting: str, presets: dict[str, Preset]) -> Preset:
    """The preset that a setting means.

    Raises:
        SystemExit: no such preset or field.
    """
    name, *changes = setting.split(",")
    if name not in presets:
        raise SystemExit(f"no preset {name!r}: choose from {', '.join(presets)}")
    preset = presets[name]
    known = {field.name: getattr(preset, field.name) for field in fields(preset)}
    for change in changes:
        key, _, value = change.partition("=")
        if key not in known:
            raise SystemExit(f"a preset has no {key!r}, but {', '.join(known)}")
        preset = replace(preset, **{key: _value(value, known[key])})
    return preset


def _value(text: str, like: Any) -> Any:
    if isinstance(like, bool):
        return text in ("1", "true", "True")
    if isinstance(like, tuple):
        return tuple(float(part) for part in text.split(":"))
    if like is None:
        return float(text)
    return type(like)(text)


class Results:
    """Rows in a JSON file, written to a temporary name and renamed after each run."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.rows: list[dict[str, Any]] = json.loads(file.read_text()) if file is not None and file.exists() else []

    def find(self, wanted: dict[str, Any]) -> dict[str, Any] | None:
        """The row of a run, if it is there."""
        return next((row for row in self.rows if all(row[key] == wanted[key] for key in RUN_KEYS)), None)

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row. Rows that another process has added to the file meanwhile are kept too."""
        if self.file is not None and self.file.exists():
            mine = [one for one in self.rows if one not in (there := json.loads(self.file.read_text()))]
            self.rows = there + mine
        self.rows.append(row)
        if self.file is not None:
            partial = self.file.with_suffix(".partial")
            partial.write_text(json.dumps(self.rows, indent=1) + "\n")
            partial.replace(self.file)


def measure(
    photos: Sequence[str],
    settings: Sequence[str],
    seeds: Iterable[int],
    size: int,
    results: Results,
    say: Callable[[str], None],
    method: str = "cartoonx",
    model_name: str = "efficientnet_lite0",
    device: str = "cpu",
    keep: Path | None = None,
    together: int = 1,
) -> list[dict[str, Any]]:
    """Run every setting on every photo and seed, but for what the results hold already; the rows of all.

    Args:
        together: how many photos are solved at once, which a GPU likes.
        keep: a folder for the explanations themselves.
    """
    classes: dict[str, Any] = {name: getattr(rx, title) for name, title in METHODS.items()}
    base = classes[method]
    model = rx.load_model(model_name, device=device)
    rows = []
    for seed in seeds:
        for some in (photos[place : place + together] for place in range(0, len(photos), together)):
            for setting in settings:
                runs = {
                    photo: dict(zip(RUN_KEYS, (setting, method, model_name, Path(photo).stem, size, seed), strict=True))
                    for photo in some
                }
                missing = [photo for photo, run in runs.items() if not _is_done(run, results, keep)]
                if missing:
                    preset = preset_of(setting, base.presets)
                    explainer = type(base.__name__, (base,), {"presets": {setting: preset}})
                    pixels = torch.stack([rx.load_photo(photo, size).pixels for photo in missing]).to(model.device)
                    done = explainer(model, preset=setting, seed=seed).explain(pixels)
                    for place, photo in enumerate(missing):
                        if keep is not None:
                            one = replace(done[place], photo=torch.zeros(1, dtype=torch.int64))
                            one.save(keep / file_of(runs[photo]))
                        results.add(row := _row(runs[photo], done, place))
                        what = f"{row['photo']:<28} seed {seed}  {setting:<32}"
                        say(f"{what} {row['objective']:.4f}  {row['evaluations']} evaluations")
                rows += [results.find(run) for run in runs.values()]
    return [row for row in rows if row is not None]


def _is_done(run: dict[str, Any], results: Results, keep: Path | None) -> bool:
    row = results.find(run)
    return row is not None and (keep is None or (keep / f"{file_of(row)}.json").exists())


def _row(run: dict[str, Any], done: rx.Explanation, place: int) -> dict[str, Any]:
    return {
        **run,
        "objective": float(done.objective[place]),
        "distortion": float(done.distortion[place]),
        "non_sparsity": float(done.non_sparsity[place]),
        "collapsed": bool(done.collapsed[place]),
        "empty_distortion": float(done.empty_distortion[place]),
        "label": done.labels[place],
        "probability": float(done.probability[place]),
        "evaluations": int(done.network_evaluations[place]),
        "seconds": done.seconds,
        "versions": done.versions,
    }


def file_of(run: dict[str, Any]) -> str:
    """The name of a run's explanation."""
    return "_".join(str(run[key]) for key in RUN_KEYS)


def summary(rows: Sequence[dict[str, Any]], reference: str) -> list[dict[str, Any]]:
    """A row for each setting: mean objective with a bootstrap interval over photos, and how it compares.

    Ratios are to the reference's result for the same photo and seed, where that is there.
    """
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    known = {(row["photo"], row["size"], row["seed"]): row["objective"] for row in rows if row["setting"] == reference}
    table = []
    for setting in settings:
        own = [row for row in rows if row["setting"] == setting]
        pairs = [
            (row["objective"], known[place])
            for row in own
            if (place := (row["photo"], row["size"], row["seed"])) in known
        ]
        photos: dict[str, list[float]] = {}
        for row in own:
            photos.setdefault(row["photo"], []).append(row["objective"])
        low, high = interval([statistics.mean(values) for values in photos.values()])
        table.append(
            {
                "setting": setting,
                "runs": len(own),
                "evaluations": statistics.mean(row["evaluations"] for row in own),
                "objective": statistics.mean(row["objective"] for row in own),
                "low": low,
                "high": high,
                "collapsed": sum(row["collapsed"] for row in own),
                "ratio_of_means": sum(a for a, _ in pairs) / sum(b for _, b in pairs) if pairs else None,
                "worst_ratio": max(a / b for a, b in pairs) if pairs else None,
            }
        )
    return table


def interval(means: Sequence[float], samples: int = 2000) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of the mean of some photos' figures, photos drawn with replacement; none of a single photo."""
    if len(means) < 2:
        return None, None
    chance = random.Random(0)
    drawn = sorted(statistics.mean(chance.choices(means, k=len(means))) for _ in range(samples))
    return drawn[samples * 25 // 1000], drawn[samples * 975 // 1000 - 1]

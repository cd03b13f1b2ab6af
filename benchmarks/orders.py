"""Which order of what a mask does not tell apart is best: curves of the same masks under each, photo by photo."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import rdexplain as rx
from rdexplain import evaluation as ev

PERCENTAGES = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60, 80, 100)
DRAWS = 3
FIGURES = {
    "7a": ("keep", "l2", ev.area),
    "7a log": ("keep", "l2", ev.log_area),
    "7b": ("randomise", "l2", ev.area),
    "7b log": ("randomise", "l2", ev.log_area),
    "acc": ("keep", "agreement", ev.area),
    "acc log": ("keep", "agreement", ev.log_area),
}
Row = dict[str, Any]


def measure(folders: Sequence[Path], model: Any, results: Path | None, say: Callable[[str], None]) -> list[Row]:
    """A row for each explanation, domain and order.

    Args:
        folders: of explanations with the same masks and other orders, which get the folders' names. The other orders
            need nothing of an explanation, and are those of the first folder. ``sensitivity alone`` is the order of no
            mask at all, to tell what the mask adds.
        results: a JSON file of rows; explanations in it are not measured again.
    """
    rows: list[Row] = json.loads(results.read_text()) if results is not None and results.exists() else []
    done = {(row["file"], row["order"]) for row in rows}
    for file in sorted(folders[0].glob("*.safetensors")):
        for folder in folders:
            if not (folder / file.name).exists() or (file.stem, folder.name) in done:
                continue
            orders = {"kept": folder.name}
            if folder is folders[0]:
                orders |= {name: name for name in ev.ORDERS if name != "kept"}
            rows += _measured(file.stem, rx.load_explanation(folder / file.name), model, orders)
            say(f"{folder / file.name}")
            if results is not None:
                results.write_text(json.dumps(rows) + "\n")
    return rows


def _measured(name: str, found: rx.Explanation, model: Any, orders: dict[str, str]) -> list[Row]:
    rows = []
    with ev.subject(model, found.images, found.target.tolist()) as subject:
        for convert in (ev.in_own, ev.in_wavelets if found.representation.name == "pixel" else ev.in_pixels):
            cases = {title: ev.ordered(subject, found, convert, order) for order, title in orders.items()}
            if "sensitivity" in cases:
                some = cases["sensitivity"]
                cases["sensitivity alone"] = ev.Importance(
                    torch.zeros_like(some.scores), some.representation, some.own, some.second
                )
            for title, importance in cases.items():
                curves = {
                    mode: ev.rate_distortion(
                        subject, importance, mode, percentages=PERCENTAGES, draws=DRAWS, distortions=("l2",)
                    )
                    for mode in ("keep", "randomise")
                }
                row = {"file": name, "photo": found.photos[0], "method": found.method, "domain": importance.domain}
                row |= {"order": title, "zero": float((importance.scores == 0).double().mean())}
                for figure, (mode, measure, area) in FIGURES.items():
                    one = curves[mode]
                    row[figure] = float(area(one.share.numpy(), one.measures[measure].numpy())[0])
                rows.append(row)
    return rows


def summary(rows: Sequence[Row], reference: str = "random") -> list[Row]:
    """For each method, domain and order the mean of each figure over photos, and its difference from the reference."""
    table = []
    for method, domain, order in dict.fromkeys((row["method"], row["domain"], row["order"]) for row in rows):
        here = [row for row in rows if (row["method"], row["domain"]) == (method, domain)]
        line: Row = {"method": method, "domain": domain, "order": order}
        line["zero"] = statistics.mean(row["zero"] for row in here if row["order"] == reference)
        for figure in FIGURES:
            mine, other = _by_photo(here, order, figure), _by_photo(here, reference, figure)
            both = [photo for photo in mine if photo in other]
            line["photos"] = len(both)
            line[figure] = statistics.mean(mine[photo] for photo in both)
            line[f"{figure} difference"] = ev.paired_difference(
                [mine[photo] for photo in both], [other[photo] for photo in both]
            )
        table.append(line)
    return table


def _by_photo(rows: Sequence[Row], order: str, figure: str) -> dict[str, float]:
    """The mean over the seeds of each photo."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["order"] == order:
            found.setdefault(row["photo"], []).append(row[figure])
    return {photo: statistics.mean(values) for photo, values in found.items()}

"""Writes explained regions and boxes in COCO's JSON format (cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rdexplain.errors import RDExplainError
from rdexplain.text.versions import __version__
from rdexplain.work.exporting.photos import Album, Shown, mask_at
from rdexplain.work.reporting.items import Item

LABELS = "labels.json"
FIGURES = ("kept_probability", "distortion", "non_sparsity", "collapsed")


class Coco:
    """Writes the photos to `data/`, and to `labels.json` an annotation for each explanation with a box or a region.

    Beside COCO's own keys an annotation has ``score``, the network's probability; ``inside``, ``inside_photo`` and
    ``inside_area``, the shares of the kept energy, of the photo's energy and of its area that lie in the box or region;
    ``method``; and the figures of `Explanation`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._album = folder, Album(folder)
        self._images: dict[int, dict[str, Any]] = {}
        self._categories: dict[str, int] = {}
        self._annotations: list[dict[str, Any]] = []

    def add(self, item: Item) -> bool:
        """Add an explanation; False, and nothing is added, if it has neither box nor region or its photo is missing."""
        photo = self._album.of(item) if item.box is not None or item.region is not None else None
        if photo is None:
            return False
        size = {"width": photo.width, "height": photo.height}
        # COCO's file names are relative to the folder of the photos.
        self._images[photo.number] = {"id": photo.number + 1, "file_name": Path(photo.file).name, **size}
        category = self._categories.setdefault(category_of(item), len(self._categories) + 1)
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "image_id": photo.number + 1,
                "category_id": category,
                "iscrowd": 0,
                **_where(item, photo),
                "score": item.figures.get("probability"),
                **inside_of(item),
                "method": item.method,
                **{name: item.figures[name] for name in FIGURES if name in item.figures},
            }
        )
        return True

    def end(self) -> None:
        """Write `labels.json`.

        Raises:
            RDExplainError: no explanation had a box or a region.
        """
        if not self._annotations:
            raise RDExplainError(
                "COCO's files are of boxes and regions, and none of these explanations has one: "
                "take the folder of `explain` with a detector or a segmenter, or another `to`"
            )
        labels = {
            "info": {"description": "explanations by rdexplain", "version": __version__},
            "licenses": [],
            "categories": [{"id": number, "name": name} for name, number in self._categories.items()],
            "images": list(self._images.values()),
            "annotations": self._annotations,
        }
        (self._folder / LABELS).write_text(json.dumps(labels, allow_nan=False) + "\n")


def category_of(item: Item) -> str:
    """The name of the class: the label, for an object without the number at its end."""
    return item.label.rpartition(" ")[0] if item.box is not None else item.label


def inside_of(item: Item) -> dict[str, float]:
    """The attributes `inside`, `inside_photo` and `inside_area` of an annotation, see `Coco`; none for a heatmap."""
    names = {"inside": "kept", "inside_photo": "photo", "inside_area": "area"}
    return {} if item.inside is None else {name: item.inside[key] for name, key in names.items()}


def box_of(item: Item) -> tuple[float, float, float, float]:
    """(left, top, width, height) of the box, or of the region's bounding box, in [0, 1] of the photo's sides."""
    if item.box is not None:
        left, top, right, bottom = item.box
    else:
        assert item.region is not None
        rows, columns = item.region.any(dim=1).nonzero(), item.region.any(dim=0).nonzero()
        height, width = item.region.shape
        left, right = int(columns.min()) / width, (int(columns.max()) + 1) / width
        top, bottom = int(rows.min()) / height, (int(rows.max()) + 1) / height
    return left, top, right - left, bottom - top


def _where(item: Item, photo: Shown) -> dict[str, Any]:
    """COCO's ``bbox``, ``area`` and ``segmentation``, in pixels of the photo's file."""
    left, top, width, height = box_of(item)
    left, top, width, height = left * photo.width, top * photo.height, width * photo.width, height * photo.height
    if item.region is None:
        right, bottom = left + width, top + height
        corners = [left, top, right, top, right, bottom, left, bottom]
        return {"bbox": [left, top, width, height], "area": width * height, "segmentation": [corners]}
    mask = mask_at(item.region, photo.width, photo.height)
    counts = {"counts": run_lengths(mask), "size": [photo.height, photo.width]}
    return {"bbox": [left, top, width, height], "area": float(mask.sum()), "segmentation": counts}


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run lengths of a mask (h, w) bool: column by column, zeros and ones in turn, zeros first."""
    flat = np.concatenate(([False], mask.flatten(order="F"), [False]))
    changes = np.flatnonzero(flat[1:-1] != flat[:-2]).tolist()
    return [end - start for start, end in pairwise([0, *changes, mask.size])]

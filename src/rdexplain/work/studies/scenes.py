"""The work of figures 8 and 9: all regions of a segmentation, or all objects of a detector, in one photo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from rdexplain.errors import ModelError
from rdexplain.methods.attribution import Attribution
from rdexplain.models import Model, frozen
from rdexplain.models.decisions import AbsentError, Detect, Segment, Task
from rdexplain.models.decisions.objects import ALL, ANCHORS, detected
from rdexplain.photos.images import Photo
from rdexplain.results.explanation import Explanation
from rdexplain.results.focus import focus, in_boxes, inside, retained
from rdexplain.work.studies.recipe import Row, Unit, explained_row

TASK = "task"
LEAST = 0.01
"""Least share of a photo that a region covers, which excludes stray pixels."""


def explain_scene(unit: Unit, method: Attribution, photo: Photo, file: Path) -> list[Row]:
    """Explain all regions or objects of a photo together, and save the explanation.

    Args:
        unit: `measured` says the ``task`` ("segmentation" or "detection"), ``which`` ("all", each for itself, or
            "anchors", all anchors together) and whether it is read as the ``study`` did.
        photo: its `pixels` are (3, h, w) in [0, 1].
        file: where the explanation is saved.

    Returns:
        a row for each region or object; where there is none, one row that says why under ``left_out``.

    Raises:
        ModelError: the network is for another task.
    """
    model, wanted = method.model, unit.measured
    if model.task != wanted["task"]:
        raise ModelError(f"{unit.model} is for {model.task}, not for {wanted['task']}")
    images = photo.pixels[None].to(model.dtype)
    try:
        found = method.explain(images, _task(wanted), photos=[unit.photo.source])
    except AbsentError as error:
        return [{"photo": unit.photo.source, "left_out": error.reasons[0]}]
    frame = {} if photo.frame is None else {"frame": list(photo.frame)}
    found = replace(found, options=found.options | {"fit": photo.fit} | frame)
    found.save(file)
    boxes = _boxes(model, images) if wanted["which"] == ANCHORS else None
    return _rows(found, boxes)


def _task(wanted: Row) -> Task:
    if wanted["task"] == "segmentation":
        return Segment(ALL, over="image" if wanted["study"] else "region", least=LEAST)
    return Detect(wanted["which"], study=wanted["study"])


def _boxes(model: Model, images: Tensor) -> Tensor:
    """The boxes (objects, 4) of all detected objects."""
    with frozen(model), torch.no_grad():
        (objects,) = detected(model, images.to(model.device))
    return torch.tensor([one.box for one in objects])


def _rows(found: Explanation, boxes: Tensor | None) -> list[Row]:
    """Figures of each row; where all anchors are explained together, within `boxes`, those of all objects."""
    height, width = found.images.shape[-2:]
    places = inside(found) if boxes is None else in_boxes(boxes, height, width).any(dim=0, keepdim=True)
    others = places.any(dim=0, keepdim=True) & ~places
    share, own, other = focus(found, places), retained(found, places), retained(found, others)
    return [
        {
            **explained_row(found, row),
            "kept_inside": float(share.kept[row]),
            "photo_inside": float(share.photo[row]),
            "area_inside": float(share.area[row]),
            "retained_of_own": _number(own[row]),
            "retained_of_others": _number(other[row]),
            "boxes": None if boxes is None else boxes.tolist(),
        }
        for row in range(len(found))
    ]


def _number(value: Tensor) -> float | None:
    """The number, or None for NaN, a share of nothing."""
    return float(value) if bool(value.isfinite()) else None

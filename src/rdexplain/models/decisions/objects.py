"""A detector's decisions, before non-maximum suppression: the anchors of an object, or all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import ModelError, TargetError
from rdexplain.models import Model
from rdexplain.models.decisions.base import AbsentError, Decision, Rows, Task
from rdexplain.models.decisions.outputs import check_output
from rdexplain.models.detections import Detection, RawDetections, detections

ALL, ANCHORS = "all", "anchors"
_SAME = 0.5
"""Least intersection over union of an object's box and the boxes of its anchors."""


class Detect(Task):
    """The objects that a detector finds, each by its anchors.

    An object's anchors are those whose box on the clean image x overlaps its box by half or more (intersection over
    union). With p_a the confidence of anchor a in the object's class, the distortion is the mean of (p_a(x) - p_a(y))²
    over them, weighted by p_a(x).

    Args:
        which: an object's number in the photo, from the most confident on, as `rdexplain detect` lists them; the name
            of a class, for each of its objects; "all", each object; several of these; or "anchors": all anchors
            together, each with the class that it prefers on the clean image.
        confidence: the least confidence of an object.
        overlap: the largest intersection over union of two objects of a class.
        study: for "anchors", as in the reproduction study (Taslimi et al., ReScience C 2023): p is the softmax of the
            raw class scores, and all anchors have the same weight, also where nothing is detected.
    """

    def __init__(
        self,
        which: int | str | Iterable[int | str] = 0,
        *,
        confidence: float = 0.25,
        overlap: float = 0.45,
        study: bool = False,
    ) -> None:
        self.which = (which,) if isinstance(which, int | str) else tuple(which)
        if not self.which:
            raise TargetError("no object to explain: give at least one")
        if ANCHORS in self.which and len(self.which) > 1:
            raise TargetError("give either all anchors together, or objects")
        self.confidence = confidence
        self.overlap = overlap
        self.study = study

    def __repr__(self) -> str:
        return f"Detect({', '.join(map(repr, self.which))})"

    def ask(self, model: Model, output: Any) -> Rows:
        """One row per photo and object, with target (class, number); for "anchors" one per photo, with (-1, -1).

        Raises:
            AbsentError: nothing, or not the object asked for, is detected in a photo.
        """
        found = detections(_raw(model, output), confidence=self.confidence, overlap=self.overlap)
        if ANCHORS in self.which:
            return self._anchors(output, found)
        chosen = [self._chosen(model, objects) for objects in found]
        absent = {photo: wanted for photo, wanted in enumerate(chosen) if isinstance(wanted, str)}
        if absent:
            raise AbsentError(absent)
        rows = [(photo, one) for photo, wanted in enumerate(chosen) for one in wanted if isinstance(one, Detection)]
        parts = [_object(output, photo, one) for photo, one in rows]
        return Rows(
            photos=tuple(photo for photo, _ in rows),
            targets=tuple((one.category, one.number) for _, one in rows),
            labels=tuple(f"{model.class_name(one.category)} {one.number}" for _, one in rows),
            decision=_Anchors(parts, one_object=True),
            kind="object",
            box=torch.tensor([one.box for _, one in rows]),
        )

    def _anchors(self, output: RawDetections, found: list[list[Detection]]) -> Rows:
        empty = {photo: self._nothing() for photo, objects in enumerate(found) if not objects}
        if empty:
            raise AbsentError(empty)
        photos = tuple(range(len(output)))
        values = output.logits if self.study else output.scores
        best, category = values.detach().max(dim=2)
        weights = torch.ones_like(best) if self.study else best
        anchors = torch.arange(best.shape[1], device=best.device)
        parts = [_Part(anchors, category[photo], weights[photo]) for photo in photos]
        return Rows(
            photos=photos,
            targets=((-1, -1),) * len(photos),
            labels=("all detections",) * len(photos),
            decision=_Anchors(parts, one_object=False, softmax=self.study),
            kind="object",
        )

    def _chosen(self, model: Model, objects: list[Detection]) -> list[Detection] | str:
        """The objects of a photo to explain, or a message on why there are none."""
        if not objects:
            return self._nothing()
        listed = ", ".join(f"{one.number} {model.class_name(one.category)}" for one in objects[:8])
        wanted: list[Detection] = []
        for which in self.which:
            if which == ALL:
                wanted += objects
                continue
            number = _number(which)
            if number is not None:
                matching = [one for one in objects if one.number == number]
            else:
                category = model.find_class(which)
                matching = [one for one in objects if one.category == category]
            if not matching:
                return f"no {which if number is None else f'object {number}'} is detected; there is {listed}"
            wanted += matching
        return sorted(set(wanted), key=lambda one: one.number)

    def _nothing(self) -> str:
        return f"nothing is detected with a confidence of {100 * self.confidence:g} % or more"


def detected(model: Model, images: Tensor, *, confidence: float = 0.25, overlap: float = 0.45) -> list[list[Detection]]:
    """The objects that a detector finds in images (n, 3, h, w), numbered as `Detect` numbers them.

    Raises:
        ModelError: the model is no detector.
    """
    return detections(_raw(model, model(images)), confidence=confidence, overlap=overlap)


def _raw(model: Model, output: Any) -> RawDetections:
    if not isinstance(output, RawDetections):
        raise ModelError(
            f"{model.name} is no detector, it gives {_described(output)}; detectors are yolov5s and its sisters, "
            "and torchvision's, such as fasterrcnn_resnet50_fpn: see `rdexplain models`"
        )
    check_output(output, len(output))
    return output


def _number(which: int | str) -> int | None:
    if isinstance(which, int):
        return which
    return int(which) if which.strip().isdecimal() else None


def _described(output: Any) -> str:
    return f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"


@dataclass(frozen=True)
class _Part:
    """A row's anchors, their classes and weights, (a,) each; an object's first anchor is `Detection.anchor`."""

    anchors: Tensor
    categories: Tensor
    weights: Tensor


def _object(output: RawDetections, photo: int, one: Detection) -> _Part:
    from torchvision.ops import box_iou  # slow to import

    scores = output.scores[photo, :, one.category].detach()
    boxes = output.boxes_of(photo, torch.full_like(scores, one.category, dtype=torch.long)).detach().float()
    overlap = box_iou(boxes, boxes.new_tensor([one.box]))[:, 0]
    anchors = (overlap >= _SAME).nonzero().flatten()
    anchors = torch.cat((anchors.new_tensor([one.anchor]), anchors[anchors != one.anchor]))
    return _Part(anchors, torch.full_like(anchors, one.category), scores[anchors])


class _Anchors(Decision):
    """Reading (b, a): each anchor's confidence times the root of its normalised weight; shorter rows end in zeros."""

    def __init__(self, parts: list[_Part], *, one_object: bool, softmax: bool = False) -> None:
        most = max(len(part.anchors) for part in parts)

        def padded(values: list[Tensor]) -> Tensor:
            return torch.stack([torch.nn.functional.pad(value, (0, most - len(value))) for value in values])

        self._counts = [len(part.anchors) for part in parts]
        self._one_object = one_object
        self._softmax = softmax
        self._anchors = padded([part.anchors for part in parts])
        self._categories = padded([part.categories for part in parts])
        shares = [part.weights.float() / part.weights.float().sum() for part in parts]
        self._roots = padded([share.sqrt() for share in shares])  # 0 for the padding

    def read(self, output: Any, rows: Tensor) -> Tensor:
        values = output.logits.softmax(dim=2) if self._softmax else output.scores
        images = torch.arange(len(rows), device=values.device)[:, None]
        most = max(self._counts[row] for row in rows.tolist())
        chosen = values[images, self._anchors[rows, :most], self._categories[rows, :most]]
        return chosen.to(torch.promote_types(chosen.dtype, torch.float32)) * self._roots[rows, :most]

    def score(self, reading: Tensor, rows: Tensor) -> Tensor:
        """The confidence of an object's first anchor, or the weighted mean confidence of all anchors."""
        if self._one_object:
            return reading[:, 0] / self._roots[rows, 0]
        return (reading * self._roots[rows, : reading.shape[1]]).sum(dim=1)

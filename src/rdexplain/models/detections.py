"""A detector's raw output for every anchor, and the detections that non-maximum suppression leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class RawDetections:
    """A detector's output for n images and A anchors, differentiable.

    Attributes:
        boxes: (n, A, 4) left, top, right and bottom in pixels of the image; (n, A, C, 4) where each class has its own.
        scores: (n, A, C) confidences in [0, 1], by which detections are ranked.
        logits: (n, A, C) the class scores before the softmax or sigmoid.
        objectness: (n, A) in [0, 1], where the detector has it.
        proposals: (n, ...) region proposals of a two-stage detector; given to the network again with other images, they
            make it use the same anchors.
        exclusive: whether an anchor can be a detection of its most likely class only.
    """

    boxes: Tensor
    scores: Tensor
    logits: Tensor
    objectness: Tensor | None = None
    proposals: Tensor | None = None
    exclusive: bool = True

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, images: Any) -> RawDetections:
        """The output for the images that the index selects."""
        changes: dict[str, Any] = {name: value[images] for name, value in self.tensors()}
        return replace(self, **changes)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Names and values of the fields that hold tensors."""
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), Tensor):
                yield field.name, value

    @staticmethod
    def cat(parts: list[RawDetections]) -> RawDetections:
        """Several batches concatenated along the image axis."""
        names = [name for name, _ in parts[0].tensors()]
        changes: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return replace(parts[0], **changes)

    def boxes_of(self, image: int, categories: Tensor) -> Tensor:
        """The boxes (A, 4) of one image's anchors, for the class (A,) of each."""
        boxes = self.boxes[image]
        if boxes.ndim == 2:
            return boxes
        return boxes[torch.arange(len(boxes), device=boxes.device), categories]


@dataclass(frozen=True)
class Detection:
    """A detected object: number in the photo, class, confidence, box (left, top, right, bottom) and anchor."""

    number: int
    category: int
    confidence: float
    box: tuple[float, float, float, float]
    anchor: int


def detections(
    raw: RawDetections, *, confidence: float = 0.25, overlap: float = 0.45, most: int = 300
) -> list[list[Detection]]:
    """The objects in each image, most confident first, by torchvision's non-maximum suppression per class.

    Args:
        raw: the detector's output for n images.
        confidence: the least confidence of an object.
        overlap: the largest intersection over union of two objects of a class.
        most: how many objects an image has at most.
    """
    return [_of_image(raw, image, confidence, overlap, most) for image in range(len(raw))]


def _of_image(raw: RawDetections, image: int, confidence: float, overlap: float, most: int) -> list[Detection]:
    from torchvision.ops import batched_nms

    scores = raw.scores[image].detach().float()
    if raw.exclusive:
        best, category = scores.max(dim=1)
        anchors = (best > confidence).nonzero().flatten()
        categories = category[anchors]
    else:
        anchors, categories = (scores > confidence).nonzero().unbind(1)
    boxes = raw.boxes[image].detach().float()
    boxes = boxes[anchors] if boxes.ndim == 2 else boxes[anchors, categories]
    values = scores[anchors, categories]
    kept = batched_nms(boxes, values, categories, overlap)[:most].tolist()
    return [
        Detection(
            number,
            int(categories[place]),
            float(values[place]),
            tuple(boxes[place].tolist()),  # type: ignore[arg-type]
            int(anchors[place]),
        )
        for number, place in enumerate(kept)
    ]

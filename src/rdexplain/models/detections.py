"""What a detector says of every anchor before non-maximum suppression, and the detections that come of it."""

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
        proposals: (n, ...) what the network must be given with the images for its anchors to be the same again, where
            they depend on the image.
        exclusive: whether an anchor shows its most likely class alone.
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
        """Those of some of the images."""
        changes: dict[str, Any] = {name: value[images] for name, value in self.tensors()}
        return replace(self, **changes)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors that there are, with their names."""
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), Tensor):
                yield field.name, value

    @staticmethod
    def cat(parts: list[RawDetections]) -> RawDetections:
        """Those of several batches, one after the other."""
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
    """A detected object: its number in the photo, its class, confidence, box and the anchor that won."""

    number: int
    category: int
    confidence: float
    box: tuple[float, float, float, float]
    anchor: int


def detections(
    raw: RawDetections, *, confidence: float = 0.25, overlap: float = 0.45, most: int = 300
) -> list[list[Detection]]:
    """The objects in each image, from the most confident on: torchvision's non-maximum suppression, class by class.

    Args:
        raw: of n images.
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

"""Adapters from detectors to `RawDetections`: torchvision's, and networks with boxes and scores in one tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rdexplain.errors import ModelError
from rdexplain.models.detections import RawDetections
from rdexplain.models.outputs import scores_of

_LEAST = 1e-7
"""Probabilities are clamped to [_LEAST, 1 - _LEAST] before their logit is taken."""


def as_detector(network: Callable[..., Any]) -> Callable[..., Any]:
    """The network as one that gives `RawDetections`.

    torchvision's RetinaNet, FCOS, SSD and Faster R-CNN (with Mask and Keypoint R-CNN) are read at their heads, before
    their own post-processing. Anything else must return `RawDetections`, or a tensor as `from_tensor` reads it.
    """
    if isinstance(network, _Adapter):
        return network
    adapter = next((_ADAPTERS[kind] for kind in _kinds(network) if kind in _ADAPTERS), _Tensor)
    return adapter(network)


def is_torchvision_detector(network: Any) -> bool:
    """Whether the network is one of torchvision's detectors."""
    return any(kind in _ADAPTERS for kind in _kinds(network))


def _kinds(network: Any) -> list[str]:
    """Names of the network's base classes in torchvision.models.detection, which is not imported."""
    ours = "torchvision.models.detection."
    return [kind.__name__ for kind in type(network).__mro__ if kind.__module__.startswith(ours)]


def from_tensor(output: Tensor) -> RawDetections:
    """Detections in a tensor, as exported detectors return them.

    Args:
        output: (n, A, 4 + 1 + C): centre x, centre y, width, height in pixels, objectness, class probabilities; or
            (n, 4 + C, A): the same without objectness, an anchor in each column. Of the two last axes the longer one
            is that of the anchors.

    Raises:
        ModelError: another shape.
    """
    if not isinstance(output, Tensor) or output.ndim != 3 or min(output.shape[1:]) < 5:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ModelError(
            f"the model returned {shape}, not the (n, anchors, 4 + 1 + classes) or (n, 4 + classes, anchors) "
            "of a detector"
        )
    rows = output.shape[1] >= output.shape[2]
    if rows and output.shape[2] < 6:
        raise ModelError(f"the model returned {tuple(output.shape)}: no room for objectness and a class")
    values = output if rows else output.transpose(1, 2)
    centre, size = values[..., :2], values[..., 2:4]
    classes = values[..., 5:] if rows else values[..., 4:]
    objectness = values[..., 4] if rows else None
    return RawDetections(
        boxes=torch.cat((centre - size / 2, centre + size / 2), dim=-1),
        scores=classes if objectness is None else classes * objectness.unsqueeze(-1),
        logits=torch.logit(classes.float(), eps=_LEAST),
        objectness=objectness,
    )


class _Adapter(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network


class _Tensor(_Adapter):
    def forward(self, images: Tensor, *arguments: Any) -> RawDetections:
        output = self.network(images, *arguments)
        return output if isinstance(output, RawDetections) else from_tensor(scores_of(output))


class _Heads(_Adapter):
    """torchvision's detectors up to their heads; their own transform resizes and normalises the images."""

    def forward(self, images: Tensor, proposals: Tensor | None = None) -> RawDetections:
        resized, _ = self.network.transform(list(images))
        features = self.network.backbone(resized.tensors)
        features = {"0": features} if isinstance(features, Tensor) else features
        # Boxes are in pixels of the resized image, which is padded at its right and bottom.
        (height, width), (rows, columns) = images.shape[-2:], resized.image_sizes[0]
        scale = images.new_tensor([width / columns, height / rows, width / columns, height / rows])
        return self.read(resized, features, proposals, scale)

    def read(self, resized: Any, features: dict[str, Tensor], proposals: Tensor | None, scale: Tensor) -> RawDetections:
        """The heads' raw predictions; `scale` turns boxes in pixels of the resized image into the original's."""
        levels = list(features.values())
        outputs = self.network.head(levels)
        anchors = self.network.anchor_generator(resized, levels)
        boxes = torch.stack(
            [self.decode(one, own) for one, own in zip(outputs["bbox_regression"], anchors, strict=True)]
        )
        logits = outputs["cls_logits"]
        return RawDetections(
            boxes=_clipped(boxes, resized.image_sizes[0]) * scale,
            scores=self.confidence(logits, outputs),
            logits=logits,
            objectness=self.objectness(outputs),
            exclusive=False,
        )

    def decode(self, regression: Tensor, anchors: Tensor) -> Tensor:
        return self.network.box_coder.decode_single(regression, anchors)

    def confidence(self, logits: Tensor, outputs: dict[str, Tensor]) -> Tensor:
        return logits.sigmoid()

    def objectness(self, outputs: dict[str, Tensor]) -> Tensor | None:
        return None


class _FCOS(_Heads):
    def decode(self, regression: Tensor, anchors: Tensor) -> Tensor:
        return self.network.box_coder.decode(regression, anchors)

    def confidence(self, logits: Tensor, outputs: dict[str, Tensor]) -> Tensor:
        # The square root of the product, clamped so that its gradient is finite where a factor is 0.
        return (logits.sigmoid() * outputs["bbox_ctrness"].sigmoid()).clamp_min(_LEAST**2).sqrt()

    def objectness(self, outputs: dict[str, Tensor]) -> Tensor | None:
        return outputs["bbox_ctrness"].sigmoid().squeeze(-1)


class _SSD(_Heads):
    def confidence(self, logits: Tensor, outputs: dict[str, Tensor]) -> Tensor:
        return _without_background(logits)


class _RCNN(_Heads):
    """Runs the second stage on the clean image's proposals: the first stage proposes others for each image."""

    def read(self, resized: Any, features: dict[str, Tensor], proposals: Tensor | None, scale: Tensor) -> RawDetections:
        network, count = self.network, len(resized.image_sizes)
        if proposals is None:
            with torch.no_grad():
                found, _ = network.rpn(resized, features)
            most = max(1, *(len(one) for one in found))
            # Padded with empty boxes, which are recognised by their width of 0.
            proposals = torch.stack([nn.functional.pad(one, (0, 0, 0, most - len(one))) for one in found])
        heads = network.roi_heads
        pooled = heads.box_roi_pool(features, list(proposals), resized.image_sizes)
        logits, regression = heads.box_predictor(heads.box_head(pooled))
        boxes = heads.box_coder.decode(regression, list(proposals)).unflatten(0, (count, -1))
        logits = logits.unflatten(0, (count, -1))
        there = (proposals[..., 2] > proposals[..., 0]).unsqueeze(-1)
        return RawDetections(
            boxes=_clipped(boxes, resized.image_sizes[0]) * scale,
            scores=_without_background(logits) * there,
            logits=logits,
            proposals=proposals,
            exclusive=False,
        )


def _without_background(logits: Tensor) -> Tensor:
    """The softmax over all classes, with the background's probability (the first column) set to 0."""
    scores = logits.softmax(dim=-1)
    return torch.cat((torch.zeros_like(scores[..., :1]), scores[..., 1:]), dim=-1)


def _clipped(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = size
    return torch.stack((boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)), dim=-1).flatten(-2)


_ADAPTERS: dict[str, type[_Adapter]] = {
    "RetinaNet": _Heads,
    "FCOS": _FCOS,
    "SSD": _SSD,
    "FasterRCNN": _RCNN,
}

"""The YOLOv5 network (version 6 and later), written from the published description of its architecture.

Convolutions with batch normalisation (epsilon 0.001) and SiLU; C3 blocks, cross-stage partial bottlenecks with three
convolutions; a fast spatial pyramid pooling; a path aggregation neck; and a head with anchors at strides 8, 16 and 32.
The modules' names and numbers are those of the published checkpoints, so that their state dicts fit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rdexplain.errors import ModelError
from rdexplain.models.detections import RawDetections

STRIDES = (8, 16, 32)
SIZES = {"n": (0.33, 0.25), "s": (0.33, 0.50), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
"""Depth and width multiples."""
_EPSILON = 1e-3


class Convolution(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """A 1 x 1 and a 3 x 3 convolution, and the input added where there is a shortcut."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Convolution(channels, channels)
        self.cv2 = Convolution(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    """Half of the channels pass through bottlenecks, half bypass them, and both are concatenated."""

    def __init__(self, inputs: int, outputs: int, bottlenecks: int, shortcut: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1 = Convolution(inputs, half)
        self.cv2 = Convolution(inputs, half)
        self.cv3 = Convolution(2 * half, outputs)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut) for _ in range(bottlenecks)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1))


class PyramidPooling(nn.Module):
    """Maxima over 5, 9 and 13 pixels, by pooling over 5 three times."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = inputs // 2
        self.cv1 = Convolution(inputs, half)
        self.cv2 = Convolution(4 * half, outputs)
        self.m = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        pools = [self.cv1(x)]
        for _ in range(3):
            pools.append(self.m(pools[-1]))
        return self.cv2(torch.cat(pools, dim=1))


class Head(nn.Module):
    """Box, objectness and class scores for each cell and anchor of three feature maps."""

    def __init__(self, channels: tuple[int, ...], classes: int, anchors: int) -> None:
        super().__init__()
        self.m = nn.ModuleList(nn.Conv2d(count, anchors * (5 + classes), 1) for count in channels)
        self.anchors: Tensor
        self.register_buffer("anchors", torch.ones(len(channels), anchors, 2))  # in cells of its feature map

    def forward(self, maps: list[Tensor]) -> RawDetections:
        boxes, objectness, logits = [], [], []
        for level, (convolution, x) in enumerate(zip(self.m, maps, strict=True)):
            # (n, anchors, rows, columns, 5 + classes)
            raw = convolution(x).unflatten(1, (self.anchors.shape[1], -1)).permute(0, 1, 3, 4, 2)
            boxes.append(self._boxes(raw[..., :4].sigmoid(), level).flatten(1, 3))
            objectness.append(raw[..., 4].flatten(1))
            logits.append(raw[..., 5:].flatten(1, 3))
        every, there = torch.cat(logits, dim=1), torch.cat(objectness, dim=1).sigmoid()
        return RawDetections(torch.cat(boxes, dim=1), every.sigmoid() * there.unsqueeze(-1), every, there)

    def _boxes(self, relative: Tensor, level: int) -> Tensor:
        """Boxes in pixels: centres -0.5 to 1.5 cells from their cell's corner, sizes up to four times the anchor's."""
        rows, columns = relative.shape[2:4]
        y = torch.arange(rows, dtype=relative.dtype, device=relative.device)[:, None].expand(rows, columns)
        x = torch.arange(columns, dtype=relative.dtype, device=relative.device).expand(rows, columns)
        centre = (2 * relative[..., :2] - 0.5 + torch.stack((x, y), dim=-1)) * STRIDES[level]
        anchors = self.anchors[level].to(relative.dtype)[:, None, None]
        size = (2 * relative[..., 2:4]).square() * anchors * STRIDES[level]
        return torch.cat((centre - size / 2, centre + size / 2), dim=-1)


class YOLOv5(nn.Module):
    """Maps images (n, 3, h, w) in [0, 1], whose sides are multiples of 32, to `RawDetections`.

    Args:
        size: ``n``, ``s``, ``m``, ``l`` or ``x``.
        classes: number of classes.
        anchors: number of anchors per cell.
    """

    def __init__(self, size: str = "s", classes: int = 80, anchors: int = 3) -> None:
        super().__init__()
        depth, width = SIZES[size]

        def channels(count: int) -> int:
            return math.ceil(count * width / 8) * 8

        def c3(inputs: int, outputs: int, bottlenecks: int, shortcut: bool = True) -> C3:
            return C3(inputs, outputs, max(round(bottlenecks * depth), 1), shortcut)

        a, b, c, d, e = (channels(count) for count in (64, 128, 256, 512, 1024))
        self.model = nn.ModuleList(
            [
                Convolution(3, a, 6, 2, 2),
                Convolution(a, b, 3, 2),
                c3(b, b, 3),
                Convolution(b, c, 3, 2),
                c3(c, c, 6),
                Convolution(c, d, 3, 2),
                c3(d, d, 9),
                Convolution(d, e, 3, 2),
                c3(e, e, 3),
                PyramidPooling(e, e),
                Convolution(e, d),
                nn.Upsample(scale_factor=2.0, mode="nearest"),
                nn.Identity(),  # concatenated with the output of 6
                c3(2 * d, d, 3, shortcut=False),
                Convolution(d, c),
                nn.Upsample(scale_factor=2.0, mode="nearest"),
                nn.Identity(),  # with that of 4
                c3(2 * c, c, 3, shortcut=False),
                Convolution(c, c, 3, 2),
                nn.Identity(),  # with that of 14
                c3(2 * c, d, 3, shortcut=False),
                Convolution(d, d, 3, 2),
                nn.Identity(),  # with that of 10
                c3(2 * d, e, 3, shortcut=False),
                Head((c, d, e), classes, anchors),
            ]
        )

    def forward(self, images: Tensor) -> RawDetections:
        # While torch.fx traces, the images are a proxy without a size.
        if isinstance(images, Tensor) and any(side % STRIDES[-1] for side in images.shape[-2:]):
            size = " x ".join(map(str, images.shape[-2:]))
            raise ModelError(f"YOLOv5 takes images whose sides are multiples of {STRIDES[-1]} pixels, not {size}")
        joined = {12: 6, 16: 4, 19: 14, 22: 10}
        kept: dict[int, Tensor] = {}
        x = images
        for number, module in enumerate(self.model):
            if number == 24:
                return module([kept[17], kept[20], x])
            x = torch.cat((x, kept[joined[number]]), dim=1) if number in joined else module(x)
            if number in (4, 6, 10, 14, 17, 20):
                kept[number] = x
        raise AssertionError("the head returns")

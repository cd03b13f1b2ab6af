"""The explained network's own feature maps, caught while it runs, whatever it is made of."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

STRIDES = 5
"""Maps of a half to a 32nd of the photo's side: those of the strides 2, 4, 8, 16 and 32."""


class Maps(TorchFunctionMode):
    """Inside the ``with`` block, the last feature map (b, channels, h, w) at each stride that any operation gives.

    It sees the operations and not the modules, so it needs no names of layers, and it is of this thread alone.

    Args:
        images: (b, c, h, w), to which the strides refer.

    Attributes:
        found: the maps by the logarithm of their stride, 1 to `STRIDES`.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self._size, self._count = images.shape[-2:], len(images)
        self.found: dict[int, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.ndim == 4 and result.requires_grad:
            self._see(result)
        return result

    def _see(self, result: Tensor) -> None:
        batch, _, height, width = result.shape
        if batch != self._count or min(height, width) < 2:
            return
        stride = round(math.log2(math.sqrt(self._size[0] * self._size[1] / (height * width))))
        if 1 <= stride <= STRIDES:
            self.found[stride] = result


def relevance(maps: dict[int, Tensor], slopes: dict[int, Tensor], images: Tensor) -> Tensor:
    """Activation times gradient of each stride's map, summed over its channels, (b, STRIDES, h, w).

    Each is divided by its root mean square and stretched bilinearly to the size of the images (b, c, h, w); zero where
    the network has no map of that stride.
    """
    size = images.shape[-2:]
    planes = images.new_zeros(len(images), STRIDES, *size)
    for stride, slope in slopes.items():
        plane = (maps[stride].detach() * slope).sum(dim=1, keepdim=True).to(images.dtype)
        plane /= plane.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(torch.finfo(plane.dtype).tiny)
        planes[:, stride - 1] = interpolate(plane, size, mode="bilinear", align_corners=False)[:, 0]
    return planes

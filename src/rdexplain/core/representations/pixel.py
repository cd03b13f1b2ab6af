"""Pixels as they are: one mask entry per pixel, shared by the colour channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.representations.base import Band, Representation, Transform
from rdexplain.errors import OptionError


class PixelTransform(Transform):
    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.bands = (Band(size, 0),)

    def analysis(self, images: Tensor) -> Tensor:
        return images.flatten(2)

    def synthesis(self, coefficients: Tensor) -> Tensor:
        return coefficients.unflatten(2, self.size)

    def adjoint(self, gradient: Tensor) -> Tensor:
        return gradient.flatten(2)


class Pixel(Representation):
    """The identity: the mask has one band (n, h, w)."""

    name = "pixel"

    def transform(self, size: tuple[int, int], dtype: torch.dtype, device: torch.device | str = "cpu") -> Transform:
        return PixelTransform(size)

    def analysis(self, images: Tensor) -> list[Tensor]:
        return [images]

    def synthesis(self, coefficients: Sequence[Tensor]) -> Tensor:
        if len(coefficients) != 1:
            raise OptionError(f"Pixel has one band of coefficients, got {len(coefficients)}")
        return coefficients[0]

    def options(self) -> dict[str, Any]:
        return {"representation": self.name}

    def __repr__(self) -> str:
        return "Pixel()"

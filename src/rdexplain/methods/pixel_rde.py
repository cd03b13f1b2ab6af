"""Pixel RDE: the pixels that the model needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

from rdexplain.core.representations import Pixel
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.options import SharedOptions
from rdexplain.methods.presets import PAPER, Presets, presets_of
from rdexplain.models import Model


class PixelRDE(Attribution):
    """Rate-distortion explanation in pixels: Macdonald et al., arXiv 1905.11092, as Kolek et al., ECCV 2022, run it.

    Minimises E[(p_j(x) - p_j(y))²] + λk mean(s), y = s * x + (1 - s) * v without a clamp, over masks s of the pixels.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        options: those of every method, see `SharedOptions`. λk is 4 by default.

    Raises:
        OptionError: an option outside what it may be.
    """

    name = "pixel_rde"
    presets: ClassVar[Presets] = presets_of(PAPER, "ones")

    def __init__(self, model: Model | Callable[..., Any], **options: Unpack[SharedOptions]) -> None:
        super().__init__(model, Pixel(), self.presets, 4.0, False, options)

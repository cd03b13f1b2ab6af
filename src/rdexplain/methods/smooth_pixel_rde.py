"""Smooth Pixel RDE: the regions that the model needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

from rdexplain.core.representations import Pixel
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.checks import check_number
from rdexplain.methods.options import Own, SharedOptions
from rdexplain.methods.presets import Presets, penalised_presets_of
from rdexplain.models import Model

SMOOTHNESS = 1 / 32


class SmoothPixelRDE(Attribution):
    """Rate-distortion explanation in pixels by a mask that is smooth.

    Minimises E[d(Φ(x), Φ(y))] + λk mean(s), y = s * x + (1 - s) * v without a clamp, over masks s = G u with u in
    [0, 1], one number a pixel, and G the mean under a Gaussian. That masks be smooth is the idea of Fong et al., ICCV
    2019, arXiv 1910.08485; the objective is that of Pixel RDE with the noise and the weight of the pixel masks of Kolek
    et al., CVPR 2023: uniform on [mean - std, mean + std] of the grey image, the same in all channels.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        smoothness: the Gaussian's standard deviation, as a share of the image's shorter side; 0 for none.
        options: those of every method, see `SharedOptions`. λk is 1 by default, and there is no spatial penalty.

    Raises:
        OptionError: an option outside what it may be.
    """

    name = "smooth_pixel_rde"
    presets: ClassVar[Presets] = penalised_presets_of(0.2, smoothed=True)

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        smoothness: float = SMOOTHNESS,
        **options: Unpack[SharedOptions],
    ) -> None:
        own = Own(sparsity=1.0, noise="uniform", grey=True, smooth=check_number("smoothness", smoothness))
        super().__init__(model, Pixel(), self.presets, own, False, options)

"""CartoonX: the wavelet coefficients that the model needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

from rdexplain.core.representations import Wavelet
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.options import SharedOptions
from rdexplain.methods.presets import DRAFT, INSTANT, PAPER, Presets, presets_of
from rdexplain.models import Model


class CartoonX(Attribution):
    """Rate-distortion explanation in wavelets: Kolek et al., Cartoon Explanations of Image Classifiers, ECCV 2022.

    Minimises E[(p_j(x) - p_j(y))²] + λk mean(s), y = clamp(f(s * h + (1 - s) * v), 0, 1), over masks s of the wavelet
    coefficients h, one entry per band and position, shared by the colour channels.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        wavelet: any discrete wavelet of PyWavelets.
        levels: how many scales.
        padding: a boundary mode of PyWavelets.
        options: those of every method, see `SharedOptions`. λk is 20 by default.

    Raises:
        OptionError: an option outside what it may be.
    """

    name = "cartoonx"
    presets: ClassVar[Presets] = presets_of(PAPER, "coarse") | {"draft": DRAFT, "instant": INSTANT}

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        wavelet: str = "db3",
        levels: int = 5,
        padding: str = "zero",
        **options: Unpack[SharedOptions],
    ) -> None:
        representation = Wavelet(wavelet, levels=levels, padding=padding)
        super().__init__(model, representation, self.presets, 20.0, True, options)

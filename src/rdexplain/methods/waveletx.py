"""WaveletX: CartoonX with a penalty on what its picture shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

from rdexplain.core.representations import Wavelet
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.options import Own, SharedOptions
from rdexplain.methods.presets import Presets, penalised_presets_of
from rdexplain.models import Model


class WaveletX(Attribution):
    """Rate-distortion explanation in wavelets with a spatial penalty: Kolek et al., CVPR 2023, arXiv 2211.12857.

    Minimises E[d(Φ(x), Φ(y))] + λk mean(s) + l2 · ||clamp(f(s * h_grey), 0, 1)||_1 / (H W) over masks s of the wavelet
    coefficients, y = clamp(f(s * h + (1 - s) * v), 0, 1), with h_grey those of the mean of the channels. Noise is
    uniform on [mean - std, mean + std] of the grey image's coefficients, the same in all channels.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        wavelet: any discrete wavelet of PyWavelets.
        levels: how many scales.
        padding: a boundary mode of PyWavelets.
        options: those of every method, see `SharedOptions`. λk is 2 and l2, `spatial`, 10 by default, as published.

    Raises:
        OptionError: an option outside what it may be.
    """

    name = "waveletx"
    presets: ClassVar[Presets] = penalised_presets_of(0.2)

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
        own = Own(sparsity=2.0, spatial=10.0, noise="uniform", grey=True)
        super().__init__(model, representation, self.presets, own, True, options)

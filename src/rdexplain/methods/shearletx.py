"""ShearletX: the shearlet coefficients that the model needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

from rdexplain.core.representations import Shearlet
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.options import Own, SharedOptions
from rdexplain.methods.presets import Presets, penalised_presets_of
from rdexplain.models import Model


class ShearletX(Attribution):
    """Rate-distortion explanation in shearlets with a spatial penalty: Kolek et al., CVPR 2023, arXiv 2211.12857.

    Minimises E[d(Φ(x), Φ(y))] + λk mean(s) + l2 · ||clamp(f(s * h_grey), 0, 1)||_1 / (H W) over masks s of the shearlet
    coefficients, y = clamp(f(s * h + (1 - s) * v), 0, 1), with h_grey those of the mean of the channels. Noise is
    uniform on [mean - g std, mean + g std] of each direction of the grey image, the same in all channels.

    Two choices are ours. The published shearlets are not sampled, and independent noise on so many coefficients mostly
    cancels: here g is each band's gain, by which the noise has the energy of what it replaces (`Band`). And each
    direction is sampled as densely as its spectrum asks for: the same frame with a fifteenth of the coefficients.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        scales: how many; an image needs 4^scales / 2 pixels each way, 128 for 4.
        sampled: False for as many coefficients a direction as there are pixels.
        options: those of every method, see `SharedOptions`. λk is 1 and l2, `spatial`, 2 by default, as published.

    Raises:
        OptionError: an option outside what it may be.
    """

    name = "shearletx"
    presets: ClassVar[Presets] = penalised_presets_of(0.3)

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        scales: int = 4,
        sampled: bool = True,
        **options: Unpack[SharedOptions],
    ) -> None:
        own = Own(sparsity=1.0, spatial=2.0, noise="uniform", grey=True)
        super().__init__(model, Shearlet(scales, sampled=sampled), self.presets, own, True, options)

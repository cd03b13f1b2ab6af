"""Random scores, as a control: an explanation should be better than they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.representations import Wavelet
from rdexplain.methods.baselines.base import Baseline, BaselineOptions
from rdexplain.methods.baselines.rows import Rows
from rdexplain.methods.interface import same_ids
from rdexplain.models import Model
from rdexplain.results.heatmap import picture_of


class _Random(Baseline):
    """Uniform scores in (0, 1), a function of the seed and the photo alone."""

    own_options = ()
    may_accelerate = False

    def __init__(self, model: Model | Callable[..., Any], **options: Unpack[BaselineOptions]) -> None:
        super().__init__(model, "logit", options)

    def work(self, size: tuple[int, int]) -> int:
        return 0

    def _attributions(self, rows: Rows) -> Tensor:
        images = rows.images
        count = self.representation.transform_of(images).count
        streams = [self._streams(rows, row, [0])[0] for row in range(len(rows))]
        return philox.uniform(streams, count, images.dtype, images.device)


class RandomPixel(_Random):
    """Pixels in a random order: a control, as in Taslimi et al., ReScience C 2023.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        options: those of every baseline, see `BaselineOptions`.
    """

    name = "random_pixel"

    def _attributions(self, rows: Rows) -> Tensor:
        return super()._attributions(rows).view(len(rows), 1, *rows.images.shape[-2:])


class RandomWavelet(_Random):
    """Wavelet coefficients in a random order: a control, as in Taslimi et al., ReScience C 2023.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        wavelet, levels, padding: as `CartoonX`'s.
        options: those of every baseline, see `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option; on `explain`, more levels than the image has room for.
    """

    name = "random_wavelet"

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        wavelet: str = "db3",
        levels: int = 5,
        padding: str = "zero",
        **options: Unpack[BaselineOptions],
    ) -> None:
        super().__init__(model, **options)
        self.representation = Wavelet(wavelet, levels=levels, padding=padding)

    def _attribution(self, images: Tensor, target: Any, arguments: Any, show_progress: bool) -> Tensor:
        rows, _, flat = self._attributed(images, target, None, same_ids(images), arguments, show_progress)
        return picture_of(self.representation, rows.images, self._scores(flat, rows.images))

    def _scores(self, attribution: Tensor, images: Tensor) -> list[Tensor]:
        return self.representation.transform_of(images).split(attribution)

"""SmoothGrad: squared gradients, averaged over noisy copies of the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.memory import batches
from rdexplain.errors import OptionError
from rdexplain.methods.baselines.base import Baseline, BaselineOptions, Score
from rdexplain.methods.baselines.rows import Rows
from rdexplain.methods.checks import check_number, check_whole
from rdexplain.models import Model


class SmoothGrad(Baseline):
    """SmoothGrad with squared gradients: Smilkov et al., arXiv 1706.03825; squared: Hooker et al., NeurIPS 2019.

    Mean over v ~ N(0, σ²) of (∂Φ_j(x + v) / ∂x)², with σ a share of the image's range. Scores are the sum over the
    channels. The study (Taslimi et al., ReScience C 2023) draws 1000 samples; the method's authors advise 50.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        n_samples: noisy copies of each image.
        spread: σ over the image's range max(x) - min(x).
        score: "logit" or "probability", what is attributed.
        options: those of every baseline, see `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option.
    """

    name = "smooth_grad"
    own_options = ("score", "n_samples", "spread")

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        n_samples: int = 100,
        spread: float = 0.15,
        score: Score = "logit",
        **options: Unpack[BaselineOptions],
    ) -> None:
        super().__init__(model, score, options)
        self.n_samples = check_whole("n_samples", n_samples, 1)
        self.spread = check_number("spread", spread)
        if not 0 <= self.spread < float("inf"):
            raise OptionError(f"spread must be at least 0, got {spread!r}")

    def work(self, size: tuple[int, int]) -> int:
        return self.n_samples

    def _attributions(self, rows: Rows) -> Tensor:
        def work(limit: int) -> Tensor:
            total = torch.zeros_like(rows.images)
            for batch in batches(len(rows), self.n_samples, limit):
                draws = range(batch.draw, batch.draw_end)
                which = range(batch.row, batch.row_end)
                noisy = torch.cat([self._noisy(rows, row, draws) for row in which])
                numbers = rows.of(*(row for row in which for _ in draws))
                squares = rows.gradient(noisy, numbers).square()
                total[batch.row : batch.row_end] += squares.unflatten(0, (len(which), len(draws))).sum(dim=1)
            return total / self.n_samples

        return rows.limit.run(work)

    def _noisy(self, rows: Rows, row: int, draws: range) -> Tensor:
        """Noisy copies (draws, c, h, w) of a row's image."""
        image = rows.images[row]
        noise = philox.normal(self._streams(rows, row, draws), image.numel(), image.dtype, image.device)
        return image + self.spread * (image.max() - image.min()) * noise.view(-1, *image.shape)

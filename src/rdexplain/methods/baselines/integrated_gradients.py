"""Integrated Gradients, from random images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.gradients import differentiating
from rdexplain.methods.baselines.base import Baseline, BaselineOptions, Score
from rdexplain.methods.baselines.rows import Rows
from rdexplain.methods.checks import check_whole
from rdexplain.models import Model
from rdexplain.text.extras import needed


class IntegratedGradients(Baseline):
    """Integrated Gradients: Sundararajan, Taly, Yan, ICML 2017, arXiv 1703.01365.

    (x - b) ∫ ∂p_j(b + a (x - b)) / ∂x da over a in [0, 1], mean over uniform random images b, as Taslimi et al.,
    ReScience C 2023, run it: 10 images, 100 steps, of the probability. Scores are signed, the mean over the channels.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        steps: points of the integral (Gauss-Legendre).
        references: how many random images it starts from.
        score: "probability" or "logit", what is attributed.
        options: those of every baseline, see `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option, or captum is missing.
    """

    name = "integrated_gradients"
    own_options = ("score", "steps", "references")
    reduction = "mean"
    multiplies_by_inputs = True

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        steps: int = 100,
        references: int = 10,
        score: Score = "probability",
        **options: Unpack[BaselineOptions],
    ) -> None:
        super().__init__(model, score, options)
        self.steps = check_whole("steps", steps, 1)
        self.references = check_whole("references", references, 1)
        self._captum = needed("captum.attr", self.get_name())

    def work(self, size: tuple[int, int]) -> int:
        return self.steps * self.references

    def _set_steps(self, steps: int) -> None:
        self.steps = check_whole("n_steps", steps, 1)

    def _attributions(self, rows: Rows) -> Tensor:
        method = self._captum.IntegratedGradients(rows.score)
        pairs = [(row, draw) for row in range(len(rows)) for draw in range(self.references)]

        def work(limit: int) -> Tensor:
            total = torch.zeros_like(rows.images)
            # Captum wants at least one image of each integral in a batch.
            together = max(1, limit // self.steps)
            for start in range(0, len(pairs), together):
                part = pairs[start : start + together]
                which = rows.of(*(row for row, _ in part))
                with differentiating():
                    found = method.attribute(
                        rows.images[which],
                        baselines=torch.cat([self.reference(rows, row, draw) for row, draw in part]),
                        additional_forward_args=(which,),
                        n_steps=self.steps,
                        internal_batch_size=max(limit, len(part)),
                    )
                for (row, _), one in zip(part, found, strict=True):
                    total[row] += one.to(total)
            return total / self.references

        return rows.limit.run(work)

    def reference(self, rows: Rows, row: int, draw: int) -> Tensor:
        """A uniform random image (1, c, h, w)."""
        image = rows.images[row]
        numbers = philox.uniform(self._streams(rows, row, [draw]), image.numel(), image.dtype, image.device)
        return numbers.view(1, *image.shape)

"""Grad-CAM: the last spatial layer's channels, weighted by the class's mean gradient by each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from rdexplain.core.gradients import differentiating
from rdexplain.methods.baselines.base import Baseline, BaselineOptions, Score
from rdexplain.methods.baselines.rows import Rows
from rdexplain.methods.baselines.spatial import Grid, find_grid, watched
from rdexplain.models import Model
from rdexplain.models.decisions import Label


class GradCAM(Baseline):
    """Grad-CAM: Selvaraju et al., ICCV 2017, arXiv 1610.02391.

    max(0, Σ_k w_k A_k), with A_k the channels of a layer and w_k the mean of ∂Φ_j / ∂A_k over the positions, bilinear
    to the size of the image. Works on convolutional layers and on the token grids of vision transformers.

    Args:
        model: a `Model` or an ``nn.Module`` from images (n, 3, h, w) in [0, 1] to (n, classes).
        layer: a submodule's name, such as "layer4"; by default the last spatial one, see `spatial.find_grid`.
        score: "logit" or "probability", what is attributed.
        options: those of every baseline, see `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option; on `explain`, no such layer.
        ModelError: on `explain`, a network in which no spatial layer is found.
    """

    name = "grad_cam"
    uses_seed = False
    own_options = ("score", "layer")
    may_accelerate = False

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        layer: str | None = None,
        score: Score = "logit",
        **options: Unpack[BaselineOptions],
    ) -> None:
        super().__init__(model, score, options)
        self.layer = layer

    def work(self, size: tuple[int, int]) -> int:
        return 2  # once to find the layer

    def _attributions(self, rows: Rows) -> Tensor:
        first, logit = rows.of(0), Label(rows.run.targets, self.model.logits)

        def score(image: Tensor) -> Tensor:
            rows.count(len(image))
            return logit.read(rows.run.forward(image, first), first)

        grid = find_grid(self.model, score, rows.images[:1], self.layer)
        rows.found["layer"] = grid.layer
        size = (rows.images.shape[-2], rows.images.shape[-1])

        def work(which: Tensor) -> Tensor:
            return nn.functional.interpolate(self._map(rows, which, grid), size=size, mode="bilinear")

        return rows.batched(work)

    def _map(self, rows: Rows, which: Tensor, grid: Grid) -> Tensor:
        """The map (b, 1, h', w') of some rows at the layer's own size."""
        with differentiating(), watched(self.model, [grid.layer]) as seen:
            # The parameters are frozen: without a gradient of the images none would reach the layer.
            score = rows.score(rows.images[which].requires_grad_(), which)
            activation = seen[grid.layer]
            gradient = torch.autograd.grad(score.sum(), activation)[0]
        weights = grid.read(gradient).mean(dim=(2, 3), keepdim=True)
        return (weights * grid.read(activation.detach())).sum(dim=1, keepdim=True).relu()

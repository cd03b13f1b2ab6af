"""Occlusion: how much the class loses when a square is covered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.methods.baselines.base import Baseline, BaselineOptions, Score
from rdexplain.methods.baselines.rows import Rows
from rdexplain.methods.checks import check_whole
from rdexplain.models import Model
from rdexplain.text.extras import needed

GREY = 0.5


class Occlusion(Baseline):
    """Occlusion with a grey square: Zeiler and Fergus, ECCV 2014, arXiv 1311.2901.

    A pixel's score is what the class's probability loses when a square over it is grey (0.5), mean over the squares.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        window: the square's side in pixels; by default an eighth of the image's shorter side.
        stride: how far it moves; by default half its side.
        score: "probability" or "logit", what is attributed.
        options: those of every baseline, see `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option, or captum is missing.
    """

    name = "occlusion"
    uses_seed = False
    own_options = ("score", "window", "stride")
    reduction = "mean"
    multiplies_by_inputs = True

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        window: int | None = None,
        stride: int | None = None,
        score: Score = "probability",
        **options: Unpack[BaselineOptions],
    ) -> None:
        super().__init__(model, score, options)
        self.window = None if window is None else check_whole("window", window, 1)
        self.stride = None if stride is None else check_whole("stride", stride, 1)
        self._captum = needed("captum.attr", self.get_name())

    def work(self, size: tuple[int, int]) -> int:
        window, stride = self.square(size)
        return 1 + (-(-(size[0] - window) // stride) + 1) * (-(-(size[1] - window) // stride) + 1)

    def square(self, size: tuple[int, int]) -> tuple[int, int]:
        """Side and stride of the square on an image of (h, w) pixels."""
        window = self.window or max(1, min(size) // 8)
        stride = self.stride or max(1, window // 2)
        if window > min(size) or stride > window:
            raise OptionError(
                f"a window of {window} pixels, moved by {stride}, does not cover an image of {size[0]} x {size[1]}: "
                "the window fits into the image, and the stride is at most the window"
            )
        return window, stride

    def _attributions(self, rows: Rows) -> Tensor:
        method = self._captum.Occlusion(rows.score)
        channels, *size = rows.images.shape[1:]
        window, stride = self.square((size[0], size[1]))

        def work(limit: int) -> Tensor:
            found = [
                method.attribute(
                    rows.images[row : row + 1],
                    sliding_window_shapes=(channels, window, window),
                    strides=(channels, stride, stride),
                    baselines=GREY,
                    additional_forward_args=(rows.of(row),),
                    perturbations_per_eval=limit,
                )
                for row in range(len(rows))
            ]
            return torch.cat(found)

        return rows.limit.run(work)

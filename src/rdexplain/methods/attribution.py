"""Rate-distortion methods with captum's interface."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from typing import Any, Self

from torch import Tensor

from rdexplain.methods.base import RateDistortion
from rdexplain.methods.checks import check_whole
from rdexplain.methods.interface import same_ids
from rdexplain.models import Model


class Attribution(RateDistortion):
    """A rate-distortion method that captum's metrics, noise tunnel and visualisation can use."""

    def _attribution(self, images: Tensor, target: Any, arguments: Any, show_progress: bool) -> Tensor:
        started = time.perf_counter()
        with self.problem(images, target, None, same_ids(images), arguments) as problem:
            return self._explain(problem, started, show_progress=show_progress).picture

    def again(self, model: Model | None = None, seed: int | None = None) -> Self:
        """This method with the same options for another model, or with another seed."""
        method = copy.copy(self)
        method.model = self.model if model is None else model
        if seed is not None:
            method.options = replace(self.options, seed=check_whole("seed", seed, 0))
        return method

    def _with(self, n_steps: int | None, internal_batch_size: int | None) -> Self:
        method, options = copy.copy(self), self.options
        if n_steps is not None:
            settings = replace(options.settings, steps=check_whole("n_steps", n_steps, 0))
            options = replace(options, settings=settings)
        if internal_batch_size is not None:
            size = check_whole("internal_batch_size", internal_batch_size, 1)
            options = replace(options, internal_batch_size=size)
        method.options = options
        return method

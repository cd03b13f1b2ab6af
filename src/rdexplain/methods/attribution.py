"""Captum's interface to the methods."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.methods.base import RateDistortion
from rdexplain.methods.checks import check_whole


def _unlogged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Captum's noise tunnel calls ``attribute.__wrapped__``, past its own methods' logging: so there must be one."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        return function(*arguments, **options)

    return call


class Attribution(RateDistortion):
    """A rate-distortion method that captum's metrics, noise tunnel and visualisation can use."""

    @_unlogged
    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        target: Any = None,
        additional_forward_args: Any = None,
        n_steps: int | None = None,
        internal_batch_size: int | None = None,
        show_progress: bool = False,
    ) -> Tensor | tuple[Tensor, ...]:
        """Attributions of the shape of the inputs, by captum's conventions.

        All images of a call have the same noise, whatever their values and places, so that captum's perturbation
        metrics see the method and not its noise: they compare an image with changed copies of it, at other places of
        a batch. Values outside [0, 1] are allowed (captum's noise makes them).

        Args:
            inputs: (n, 3, h, w) or a tuple of one such tensor.
            target: as captum's: int, tuple, tensor, or list of ints or tuples; None is the predicted class.
            additional_forward_args: passed on to the model; tensors with n entries follow the images.
            n_steps: optimiser steps, in place of `steps`.
            internal_batch_size: in place of the method's own.
            show_progress: a progress bar on stderr, if that is a terminal.

        Returns:
            what came in, a tensor or a tuple, of the inputs' shape: for a wavelet mask the explanation's picture
            expanded over the channels, for a pixel mask the mask.

        Raises:
            OptionError: more than one input.
        """
        single = inputs[0] if isinstance(inputs, tuple) and len(inputs) == 1 else inputs
        if not isinstance(single, Tensor):
            raise OptionError(f"attribute() takes one image tensor, or a tuple of one, not {type(inputs).__name__}")
        method = self._with(n_steps, internal_batch_size)
        explanation = method._explain(
            single,
            _one_each(target),
            ids=[0] * len(single) if single.ndim else None,
            additional_forward_args=additional_forward_args,
            show_progress=show_progress,
        )
        attribution = explanation.picture.to(single).expand_as(single).contiguous()
        return (attribution,) if isinstance(inputs, tuple) else attribution

    def _with(self, n_steps: int | None, internal_batch_size: int | None) -> Attribution:
        """This method with other steps or batch size."""
        method, options = copy.copy(self), self.options
        if n_steps is not None:
            settings = replace(options.settings, steps=check_whole("n_steps", n_steps, 0))
            options = replace(options, settings=settings)
        if internal_batch_size is not None:
            size = check_whole("internal_batch_size", internal_batch_size, 1)
            options = replace(options, internal_batch_size=size)
        method.options = options
        return method


def _one_each(target: Any) -> Any:
    """Captum has one target an image: a tensor (n, 1) is (n,) to it."""
    if isinstance(target, Tensor) and target.ndim == 2 and target.shape[1] == 1:
        return target.flatten()
    if isinstance(target, Tensor) and target.numel() == 1:
        return int(target)
    return target

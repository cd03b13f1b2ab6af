"""Captum's interface: what its metrics, noise tunnel and visualisation expect of a method."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.models import Model


def _unlogged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a function with the attribute ``__wrapped__``, which captum's noise tunnel calls to bypass logging."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        return function(*arguments, **options)

    return call


class CaptumInterface(ABC):
    """A method that can be used where captum's own can.

    Attributes:
        model: what is explained.
        multiplies_by_inputs: whether the attribution is a gradient (or the like) times the input, for captum.
        uses_seed: whether anything in it is random; if not, every seed gives the same.
    """

    model: Model
    multiplies_by_inputs = False
    uses_seed: ClassVar[bool] = True

    @property
    def forward_func(self) -> Model:
        """The model, under captum's name for it."""
        return self.model

    def has_convergence_delta(self) -> bool:
        """Whether there is a convergence delta, for captum: no."""
        return False

    def get_name(self) -> str:
        """The method's name, as captum's methods have it."""
        return type(self).__name__

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
            n_steps: in place of the method's `steps`.
            internal_batch_size: in place of the method's own.
            show_progress: a progress bar, on a terminal or in a notebook.

        Returns:
            what came in, a tensor or a tuple, of the inputs' shape. For a wavelet mask it is the explanation's picture
            expanded over the channels, for a pixel mask the mask, for a baseline its attribution, expanded over the
            channels where it has none.

        Raises:
            OptionError: more than one input, or `n_steps` for a method without steps.
        """
        single = inputs[0] if isinstance(inputs, tuple) and len(inputs) == 1 else inputs
        if not isinstance(single, Tensor):
            raise OptionError(f"attribute() takes one image tensor, or a tuple of one, not {type(inputs).__name__}")
        method = self._with(n_steps, internal_batch_size)
        found = method._attribution(single, _one_each(target), additional_forward_args, show_progress)
        attribution = found.to(single).expand_as(single).contiguous()
        return (attribution,) if isinstance(inputs, tuple) else attribution

    @abstractmethod
    def again(self, model: Model | None = None, seed: int | None = None) -> Self:
        """This method with the same options for another model, or with another seed."""

    @abstractmethod
    def _with(self, n_steps: int | None, internal_batch_size: int | None) -> Self:
        """This method with other steps or batch size, where they are given."""

    @abstractmethod
    def _attribution(self, images: Tensor, target: Any, arguments: Any, show_progress: bool) -> Tensor:
        """What `attribute` returns, (n, 1 or c, h, w); every image has the same noise."""


def same_ids(images: Tensor) -> list[int] | None:
    """One id for all images of a call."""
    return [0] * len(images) if images.ndim else None


def _one_each(target: Any) -> Any:
    """A target by captum's conventions: a tensor (n, 1) becomes (n,), a tensor of a single number an int."""
    if isinstance(target, Tensor) and target.ndim == 2 and target.shape[1] == 1:
        return target.flatten()
    if isinstance(target, Tensor) and target.numel() == 1:
        return int(target)
    return target

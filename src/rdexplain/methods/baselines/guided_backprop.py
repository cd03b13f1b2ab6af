"""Guided Backpropagation: the gradient, with negative values set to zero at every rectifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from torch import Tensor, nn

from rdexplain.core.gradients import NO_INFLUENCE, differentiating
from rdexplain.errors import ModelError
from rdexplain.methods.baselines.base import Baseline, BaselineOptions, Score
from rdexplain.methods.baselines.layers import gradient_warnings_off, private_copy, replaced
from rdexplain.methods.baselines.rows import Rows
from rdexplain.models import Model
from rdexplain.text.extras import needed


class GuidedBackprop(Baseline):
    """Guided Backpropagation: Springenberg et al., ICLR workshop 2015, arXiv 1412.6806.

    The gradient of the class's logit, with negative gradients set to zero at every ``nn.ReLU`` and ``nn.ReLU6``. It
    runs on a copy of the network whose rectifiers are modules of their own, so that one used twice or in place is
    treated rightly. Scores are signed, the sum over the channels.

    Args:
        model: a `Model` or an ``nn.Module`` from images (n, 3, h, w) in [0, 1] to (n, classes).
        score: "logit" or "probability", what is attributed.
        options: those of every baseline, see `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option, or captum is missing.
        ModelError: on `explain`, a network without such modules (its gradient would be the plain one).
    """

    name = "guided_backprop"
    uses_seed = False
    may_accelerate = False

    def __init__(
        self, model: Model | Callable[..., Any], *, score: Score = "logit", **options: Unpack[BaselineOptions]
    ) -> None:
        super().__init__(model, score, options)
        self._captum = needed("captum.attr", self.get_name())

    def _attributions(self, rows: Rows) -> Tensor:
        run = rows.run
        copy = private_copy(run.model, self.get_name())
        if not replaced(copy, (nn.ReLU, nn.ReLU6), _Rectifier):
            raise ModelError(
                f"{run.model.name} has no ReLU modules: Guided Backprop would be the plain gradient of its output"
            )
        model = run.model.with_network(copy)

        class Scored(nn.Module):
            """Captum hooks the submodules of a module."""

            def __init__(self) -> None:
                super().__init__()
                self.copy = copy

            def forward(self, images: Tensor, which: Tensor) -> Tensor:
                rows.count(len(images))
                output = model(images, *run.arguments_for(run.photos[which]))
                return rows.label.read(output, which).squeeze(1)

        method = self._captum.GuidedBackprop(Scored())

        def work(which: Tensor) -> Tensor:
            with gradient_warnings_off(), differentiating():
                try:
                    return method.attribute(rows.images[which], additional_forward_args=(which,))
                except AttributeError as error:
                    # The network has worked before: captum's hook met no gradient behind a rectifier.
                    raise ModelError(NO_INFLUENCE) from error

        return rows.batched(work)


class _Rectifier(nn.Module):
    """A rectifier that captum knows as one. Its input is a tensor of its own: captum's hook on it would otherwise see
    the gradients of all its readers."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.rectifier = _ReLU6() if isinstance(activation, nn.ReLU6) else nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        if not inputs.requires_grad:  # a table of positions, say: captum would look for its gradient
            return type(self.rectifier).forward(self.rectifier, inputs)
        return self.rectifier(inputs.clone())


class _ReLU6(nn.ReLU):
    """Captum's Guided Backprop knows ``nn.ReLU`` and its subclasses alone."""

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.relu6(inputs)

"""The published code's optimisation step, re-enacted from the paper's formulas to be timed beside ours.

Kolek et al., arXiv 2110.03485: y = clamp(f(s h + (1 - s) v)), loss = mean over draws of (p_j(x) - p_j(y))² plus
λk mean(s), Adam with its usual decay rates, then s clamped to [0, 1]. Autograd runs through everything, all draws are
one batch, and the network is as the user gave it. Two things are kinder than the published code need have been: the
network's parameters get no gradients, and the wavelet transform is ours.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

import rdexplain as rx
from rdexplain.core.noise import Noise
from rdexplain.core.representations import Wavelet

STEPS, STEP_SIZE, SPARSITY = 2000, 0.001, 20.0


class Published:
    """CartoonX of one image, step by step.

    Args:
        model: what is explained; `frozen` around the steps keeps gradients from its parameters.
        image: (1, 3, h, w) in [0, 1].
        draws: noise draws a step, 64 in the paper.
        noise: makes standard normal numbers of a shape; by default PyTorch's, from a generator of its own.
    """

    def __init__(
        self,
        model: rx.Model,
        image: Tensor,
        draws: int,
        noise: Callable[[tuple[int, ...]], Tensor] | None = None,
    ) -> None:
        transform = Wavelet("db3", levels=5, padding="zero").transform_of(image)
        generator = torch.Generator(image.device).manual_seed(0)
        self._model, self._transform, self._draws = model, transform, draws
        self._noise = noise or (lambda shape: torch.randn(shape, generator=generator, device=image.device))
        self._h = transform.analysis(image)
        self._mean, self._std = Noise().statistics(self._h, transform)
        with torch.no_grad():
            clean = model.probabilities(model(image))[0]
        self._target = int(clean.argmax())
        self._clean = clean[self._target]
        self.mask = torch.ones(transform.count, device=image.device, requires_grad=True)
        self._adam = torch.optim.Adam([self.mask], lr=STEP_SIZE)

    def step(self) -> float:
        """One step; the loss before it."""
        v = self._mean + self._std * self._noise((self._draws, *self._h.shape[1:]))
        images = self._transform.synthesis(self.mask * self._h + (1 - self.mask) * v).clamp(0, 1)
        p = self._model.probabilities(self._model(images))[:, self._target]
        loss = ((self._clean - p) ** 2).mean() + SPARSITY * self.mask.mean()
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        with torch.no_grad():
            self.mask.clamp_(0, 1)
        return float(loss.detach())

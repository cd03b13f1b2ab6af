"""Trains an explainer's network on the objective itself, round by round."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from rdexplain.core.explainer.learning import LASTING, objective_loss
from rdexplain.core.explainer.look import look
from rdexplain.core.explainer.network import ExplainerNetwork
from rdexplain.core.philox import noise_image
from rdexplain.core.surroundings import usual_surroundings
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.explainer import LEAST, MOST
from rdexplain.models import Model, accelerated, frozen

EARLY = 0.7
"""Share of the rounds in which the distortion is `LASTING`."""
MOST_NORM = 1.0
"""Longer gradients are shortened to this: a few photos whose decision is lost have most of the slope."""
DECAY = 0.01
BETAS = (0.9, 0.99)
AVERAGE = 0.99
"""Decay rate of the running average of the weights, which is the network that is kept."""


@dataclass(frozen=True)
class Course:
    """How long and how an explainer is trained.

    Attributes:
        rounds: how many.
        photos: number of photos in a round.
        per_step: photos in a step.
        draws: noise draws a photo in a step.
        rate: the greatest learning rate; it rises for a twentieth of the rounds and falls as a cosine.
        seed: of the first weights, of the order of photos, of their crops and of the noise.
    """

    rounds: int
    photos: int = 64
    per_step: int = 8
    draws: int = 1
    rate: float = 3e-3
    seed: int = 0

    def rate_at(self, round: float) -> float:
        """The learning rate after so many rounds."""
        share = round / max(self.rounds, 1)
        return self.rate * min(1.0, 20 * share + 0.05) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass
class Training:
    """The state of a training, which goes on round by round.

    Attributes:
        method: what the explainer is for.
        images: (n, 3, h, w) uint8, the photos.
        levels: scales of the method's wavelet.
        round, steps: the numbers of rounds and of steps that are done.
        loss: the mean objective of the round so far.
        network: what learns.
        kept: its running average, which is what the training is for.
    """

    method: Attribution
    images: Tensor
    course: Course
    levels: int
    round: int = 0
    steps: int = 0
    loss: float = math.nan
    network: ExplainerNetwork = field(init=False)
    kept: ExplainerNetwork = field(init=False)

    def __post_init__(self) -> None:
        with torch.random.fork_rng(devices=[]):  # the first weights are torch's own
            torch.manual_seed(self.course.seed)
            self.network = ExplainerNetwork(self.levels)
        self.kept = ExplainerNetwork(self.levels)
        self.kept.load_state_dict(self.network.state_dict())
        device = self.method.model.device
        self.network.to(device)
        self.kept.to(device)
        # Once for all rounds, which takes longer than a few steps on a GPU.
        self._fast = self.method.again(_accelerated(self.method, self.images))
        self._fast.options = replace(self._fast.options, accelerate=False, antithetic=self.course.draws % 2 == 0)
        self._adam = torch.optim.AdamW(
            self.network.parameters(), lr=self.course.rate, betas=BETAS, weight_decay=DECAY, foreach=True
        )

    def next_round(self, told: Callable[[float, float], None] | None = None) -> None:
        """Go on for a round.

        Args:
            told: called after each step with the rounds that are done, a broken number, and the mean objective.
        """
        for share, loss in self._losses(torch.Generator().manual_seed(self.course.seed * 1_000_003 + self.round)):
            for group in self._adam.param_groups:
                group["lr"] = self.course.rate_at(self.round + share)
            self._adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), MOST_NORM)
            self._adam.step()
            self.steps += 1
            with torch.no_grad():
                for average, one in zip(self.kept.parameters(), self.network.parameters(), strict=True):
                    average.lerp_(one, max(1 - AVERAGE, 1 / self.steps))
            if told is not None:
                told(self.round + share, self.loss)
        self.round += 1

    def _losses(self, random: torch.Generator) -> Iterator[tuple[float, Tensor]]:
        """The loss of each step of a round, with the share of the round before it."""
        course = self.course
        chosen = torch.randperm(len(self.images), generator=random)[: course.photos]
        early = self.round < EARLY * course.rounds
        distortion = LASTING if early else self.method.options.distortion
        self._fast.options = replace(self._fast.options, distortion=distortion)
        pixels = (self.images[chosen].to(self.method.model.dtype) / 255).to(self.method.model.device)
        with self._fast.problem(varied(pixels, random), ids=chosen.tolist()) as problem:
            parts = range(0, len(chosen), course.per_step)
            for number, first in enumerate(parts):
                objective = problem.objective.some(first, min(first + course.per_step, len(chosen)))
                seen = look(objective, problem.label)
                chance = torch.rand(objective.rows, generator=random).to(seen.planes)
                sparsity = LEAST * (MOST / LEAST) ** chance  # evenly in its logarithm
                logits = self.network(seen, seen.conditions(sparsity), objective.transform)
                step = self.round * len(parts) + number
                loss, values = objective_loss(logits, objective, sparsity, step, course.draws)
                now = float(values.mean())
                self.loss = now if number == 0 else self.loss + (now - self.loss) / (number + 1)
                yield number / len(parts), loss

    def state(self) -> dict[str, Tensor]:
        """Everything that the rest of the training depends on, as tensors."""
        found = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        found |= {f"kept.{name}": tensor for name, tensor in self.kept.state_dict().items()}
        for number, moments in self._adam.state_dict()["state"].items():
            found |= {f"adam.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()} | {
            "round": torch.tensor(self.round),
            "steps": torch.tensor(self.steps),
        }

    def go_on_from(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what `state` returned."""

        def under(prefix: str) -> dict[str, Tensor]:
            return {name[len(prefix) :]: one for name, one in state.items() if name.startswith(prefix)}

        self.network.load_state_dict(under("network."))
        self.kept.load_state_dict(under("kept."))
        moments: dict[int, dict[str, Any]] = {}
        for name, tensor in under("adam.").items():
            number, _, what = name.partition(".")
            moments.setdefault(int(number), {})[what] = tensor
        whole = self._adam.state_dict()
        self._adam.load_state_dict({"state": moments, "param_groups": whole["param_groups"]})
        self.round, self.steps = int(state["round"]), int(state["steps"])


def _accelerated(method: Attribution, images: Tensor) -> Model:
    model = method.model
    like = torch.zeros(1, *images.shape[1:], dtype=model.dtype, device=model.device)
    with usual_surroundings(model.device), frozen(model):
        model.resolve(noise_image(like))
        return accelerated(model, noise_image(like))


def varied(images: Tensor, random: torch.Generator) -> Tensor:
    """Images (n, c, h, w), each mirrored or not, and cropped to between 70 % and all of its sides."""
    found, size = [], images.shape[-2:]
    for image in images:
        mirrored, share, down, right = torch.rand(4, generator=random).tolist()
        height, width = (max(1, round(side * (0.7 + 0.3 * share))) for side in size)
        top, left = int(down * (size[0] - height + 1)), int(right * (size[1] - width + 1))
        part = image[None, :, top : top + height, left : left + width]
        part = part.flip(-1) if mirrored < 0.5 else part
        found.append(interpolate(part, size, mode="bilinear", align_corners=False, antialias=True))
    return torch.cat(found).clamp_(0, 1)

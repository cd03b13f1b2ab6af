"""The rows that a baseline explains, and the number of the output that is attributed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.gradients import differentiating
from rdexplain.core.memory import BatchLimit
from rdexplain.methods.problem import Run
from rdexplain.models.decisions import Label


@dataclass
class Rows:
    """The rows of a call and the number that is attributed.

    Attributes:
        run: the rows.
        images: (R, c, h, w), each row's image.
        limit: the largest batch.
        label: reads the explained number of an output.
        progress: called with the evaluations so far.
        single: whether the output is one number for each image, as that of a binary classifier.
        flat: whether it has no second axis, (n,).
        evaluations: images sent through the network so far.
        found: values that the method chose for options that were not given, such as a layer; they go into the record.
    """

    run: Run
    images: Tensor
    limit: BatchLimit
    label: Label
    progress: Callable[[int], None]
    single: bool = False
    flat: bool = False
    evaluations: int = 0
    found: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def score(self, images: Tensor, rows: Tensor) -> Tensor:
        """The explained number (b,) of images (b, c, h, w) made of the rows (b,): captum's forward function."""
        found = self.label.read(self.run.forward(images, rows), rows).squeeze(1)
        self.count(len(images))
        return found

    def count(self, images: int) -> None:
        """Count images that were sent through the network, and report the progress."""
        self.evaluations += images
        self.progress(self.evaluations)

    def gradient(self, images: Tensor, rows: Tensor) -> Tensor:
        """The gradient of the explained number by the images, (b, c, h, w)."""
        leaf = images.detach().requires_grad_()
        with differentiating():
            return torch.autograd.grad(self.score(leaf, rows).sum(), leaf)[0]

    def of(self, *rows: int) -> Tensor:
        """Row numbers as a tensor beside the images."""
        return torch.tensor(rows, device=self.images.device)

    def batched(self, work: Callable[[Tensor], Tensor]) -> Tensor:
        """``work(rows)`` of all rows, as many at once as the limit allows."""
        every = torch.arange(len(self), device=self.images.device)
        return self.limit.run(lambda size: torch.cat([work(part) for part in every.split(size)]))

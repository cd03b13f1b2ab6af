"""`Subject`: the network, images and targets on which explanations are evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from rdexplain.core.memory import BatchLimit
from rdexplain.methods.checks import check_images, check_range
from rdexplain.methods.problem import find_rows
from rdexplain.models import Model, as_model
from rdexplain.models.decisions import Label, check_label
from rdexplain.photos.arrays import as_images


@dataclass(frozen=True)
class Subject:
    """n rows, each an image with a target, and the network's probabilities for the clean images.

    Attributes:
        model: runs as it is; only valid inside the ``with`` block of `subject`.
        images: (n, c, h, w) in [0, 1], on the model's device.
        targets: the explained classes, as tuples of indices.
        keys: the noise keys of the rows' photos.
        clean: (n, classes, ...) probabilities of the clean images.
        limit: how many images go through the network at once.
    """

    model: Model
    images: Tensor
    targets: tuple[tuple[int, ...], ...]
    keys: tuple[int, ...]
    clean: Tensor
    limit: BatchLimit

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        return (self.images.shape[-2], self.images.shape[-1])

    @property
    def target(self) -> Any:
        """The targets as `explain` and captum take them: ints, or tuples where the output has more axes."""
        return [indices[0] if len(indices) == 1 else indices for indices in self.targets]

    def of(self, rows: Sequence[int]) -> Subject:
        """A subject with some of the rows."""
        places = list(rows)
        return replace(
            self,
            images=self.images[places],
            targets=tuple(self.targets[place] for place in places),
            keys=tuple(self.keys[place] for place in places),
            clean=self.clean[places],
        )

    def label(self) -> Label:
        """A decision that picks the targets' entries from probabilities (b, classes, ...)."""
        return Label(self.targets, lambda probabilities: probabilities)

    def probabilities(self, images: Tensor) -> Tensor:
        """The network's probabilities (b, classes, ...) for images (b, c, h, w)."""
        return self.model.probabilities(self.model(images))


@contextmanager
def subject(
    model: Any,
    images: Tensor,
    target: Any = None,
    *,
    ids: Sequence[int | str] | None = None,
    internal_batch_size: int | None = None,
    accelerate: bool = True,
) -> Iterator[Subject]:
    """The subject of an evaluation; the network is frozen inside the ``with`` block and restored afterwards.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable.
        images: (n, 3, h, w), floating point, in [0, 1].
        target: as `explain`'s, one for each image; None for the predicted classes.
        ids: determine each image's noise together with the seed, in place of a hash of the image.
        internal_batch_size: images in one forward pass.
        accelerate: whether the network may run as a private copy that is faster and equal up to rounding.

    Raises:
        OptionError, TargetError, ModelError: what was given does not fit.
    """
    model = as_model(model)
    images = as_images(images)
    check_range(check_images(images))
    found = find_rows(model, images, target, None, ids, None, internal_batch_size, accelerate)
    with found as (run, output, explained, limit):
        check_label(explained.kind, "the evaluation", "measures")
        clean = model.probabilities(output)
        yield Subject(run.model, run.images[run.photos], run.targets, run.keys, clean, limit)

"""One call of a method before it is solved: its rows, and the objective over them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from rdexplain.core import philox
from rdexplain.core.gradients import no_gradient
from rdexplain.core.memory import BatchLimit, is_out_of_memory
from rdexplain.core.objective import Objective
from rdexplain.core.surroundings import usual_surroundings
from rdexplain.errors import ModelError, OptionError, RDExplainError, one_line
from rdexplain.methods.checks import check_images
from rdexplain.methods.targets import resolve
from rdexplain.models import Model, accelerated, frozen
from rdexplain.models.decisions import Decision, Rows, check_output
from rdexplain.models.outputs import check_axis, join, tensors_of

UNSTEADY = 0.02
"""A relative change of the output for the same image that is larger than any rounding, also in half precision."""


@dataclass(frozen=True)
class Run:
    """The rows of a call; a row is a photo with a target.

    Attributes:
        model: the model to run.
        images: (n, c, h, w).
        arguments: the model's further arguments, for all photos.
        photos: (R,) the photo of each row.
        targets: the R rows' targets as tuples of indices.
        keys: the R rows' noise keys.
    """

    model: Model
    images: Tensor
    arguments: tuple[Any, ...]
    photos: Tensor
    targets: tuple[tuple[int, ...], ...]
    keys: tuple[int, ...]

    def forward(self, images: Tensor, rows: Tensor) -> Any:
        """The model's output for images (b, c, h, w) made of the rows (b,)."""
        try:
            output = self.model(images, *self.arguments_for(self.photos[rows]))
            if isinstance(output, Tensor):
                check_axis(output.shape, len(images))
            return output
        except Exception as error:
            # The user's own network may object in any way; memory is another matter, see `BatchLimit`.
            if isinstance(error, RDExplainError) or is_out_of_memory(error):
                raise
            if (found := no_gradient(error)) is not None:
                raise found from error
            reason = one_line(f"{type(error).__name__}: {error}")
            raise ModelError(f"{self.model.name} failed on images of shape {tuple(images.shape)}: {reason}") from error

    def arguments_for(self, photos: Tensor) -> list[Any]:
        """The further arguments of some photos: tensors with one entry per photo are picked from."""
        return [value[photos] if _one_each(value, self.images) else value for value in self.arguments]

    def names(self, photos: Sequence[str | None] | None) -> tuple[str | None, ...]:
        """The rows' names, by those of the photos."""
        return tuple(None if photos is None else photos[photo] for photo in self.photos.tolist())


@dataclass(frozen=True)
class Problem:
    """What a method minimises.

    Attributes:
        run: the rows.
        output: the model's output on the rows' clean images, such as (R, classes).
        rows: what the rows explain, in words.
        objective: D and its gradient.
    """

    run: Run
    output: Any
    rows: Rows
    objective: Objective

    @property
    def probability(self) -> Tensor:
        """(R,) of each row's target on its clean image."""
        rows = torch.arange(len(self.run.targets), device=self.run.photos.device).split(1)
        return torch.cat([self.label.score(self.label.read(self.output[row], row), row) for row in rows])

    @property
    def label(self) -> Decision:
        """Reads what is explained, such as the probability of the rows' targets."""
        return self.rows.decision


@contextmanager
def find_rows(
    model: Model,
    images: Tensor,
    target: Any,
    top_k: int | None,
    ids: Sequence[int | str] | None,
    additional_forward_args: Any,
    internal_batch_size: int | None,
    accelerate: bool,
    batch_invariant: bool = False,
) -> Iterator[tuple[Run, Any, Rows, BatchLimit]]:
    """The rows of a call, the model's output (R, ...) on their clean images, what is explained of it, and the limit.

    Arguments as `explain`'s and the methods'. With `batch_invariant` each photo goes through the network by itself. The
    model is frozen inside the ``with`` block.
    """
    _check_weights(model)
    images = model.placed(check_images(images))
    limit = BatchLimit(internal_batch_size, images)
    with usual_surroundings(images.device), frozen(model):
        # A tensor made in inference mode could not take part in autograd.
        images = images.clone() if images.is_inference() else images
        arguments = () if additional_forward_args is None else additional_forward_args
        arguments = arguments if isinstance(arguments, tuple) else (arguments,)
        # They are picked from for each batch, so they lie beside the images; what is not picked from stays where it is.
        arguments = tuple(one.to(images.device) if _one_each(one, images) else one for one in arguments)
        every = torch.arange(len(images), device=images.device)
        clean = Run(model, images, arguments, every, (), ())
        output = _clean_output(clean, limit, batch_invariant)
        model.resolve(philox.noise_image(images), *clean.arguments_for(every[:1]), clean=output)
        _check_classes(model, output)
        if not isinstance(output, Tensor) and output.proposals is not None:
            arguments = (*arguments, output.proposals)
        rows, keys = resolve(model, output, target, top_k), _keys(images, ids)
        photos = torch.tensor(rows.photos, device=images.device)
        run = Run(model, images, arguments, photos, rows.targets, tuple(keys[photo] for photo in rows.photos))
        if accelerate:
            if isinstance(model.network, torch.nn.Module):
                _check_steady(run, output, limit.size)
            arguments_of_one = run.arguments_for(torch.zeros_like(photos[:1]))
            run = replace(run, model=accelerated(model, philox.noise_image(images), arguments_of_one))
        yield run, output[photos], rows, limit


def _one_each(value: Any, images: Tensor) -> bool:
    """Whether a further argument is a tensor with an entry for each image."""
    return isinstance(value, Tensor) and value.ndim > 0 and len(value) == len(images)


def _check_weights(model: Model) -> None:
    """ModelError for a network without weights: with lazy layers, or on the meta device."""
    network = model.network
    if not isinstance(network, torch.nn.Module):
        return
    if any(is_lazy(one) for one in (*network.parameters(), *network.buffers())):
        raise ModelError(f"{model.name} has lazy layers without weights: load them, or run it once")
    if model.device.type == "meta":
        raise ModelError(f"{model.name} lies on the meta device, without weights: load them onto a real one")


def _clean_output(run: Run, limit: BatchLimit, apart: bool) -> Any:
    """The model's output on clean images, of which each is a row."""

    def work(size: int) -> Any:
        def check(part: Tensor) -> Any:
            return check_output(run.forward(run.images[part], part), len(part))

        if apart and size > 1 and len(run.images) > 1:
            check(run.photos[:2])  # one image alone would not show that a network mixes the images of a batch
        return join([check(part) for part in run.photos.split(1 if apart else size)])

    with torch.no_grad():
        return limit.run(work)


def _check_classes(model: Model, output: Any) -> None:
    """ModelError if there are not as many class names as classes."""
    scores = model.scores(output) if isinstance(output, Tensor) else output.scores.transpose(1, 2)
    if model.classes is not None and scores.shape[1] != len(model.classes):
        raise ModelError(f"{len(model.classes)} class names for the {scores.shape[1]} outputs of {model.name}")


def _check_steady(run: Run, output: Any, size: int) -> None:
    """A warning where the first image gives another output than it did a moment ago, or beside another image."""
    images = run.images[:1] if size == 1 else torch.cat((run.images[:1], philox.noise_image(run.images)))
    with torch.no_grad():
        again = run.forward(images, torch.zeros(len(images), dtype=torch.int64, device=images.device))
    for before, now in zip(tensors_of(output), tensors_of(again), strict=False):
        same = before.shape[1:] == now.shape[1:]
        if same and bool((before[:1] - now[:1]).abs().max() > UNSTEADY * before[:1].abs().max()):
            warnings.warn(
                f"{run.model.name} gives another output each time, or in another batch: is dropout on in eval mode, "
                "or a batch normalisation without statistics? Its explanation is of that noise too",
                RuntimeWarning,
                stacklevel=2,
            )
            return


def _keys(images: Tensor, ids: Sequence[int | str] | None) -> list[int]:
    if ids is None:
        return [philox.photo_key(image) for image in images]
    if len(ids) != len(images):
        raise OptionError(f"{len(ids)} ids for {len(images)} images: give one for each")
    return [philox.name_key(one) if isinstance(one, str) else int(one) for one in ids]

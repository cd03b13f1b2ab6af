"""The base of all baselines. A baseline adds one function, from rows to attributions."""

from __future__ import annotations

import copy
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, Literal, Self, TypedDict

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.progress import Progress, progress_bar
from rdexplain.core.representations import Pixel, Representation
from rdexplain.errors import OptionError, SolverError, unknown
from rdexplain.methods.baselines.rows import Rows
from rdexplain.methods.checks import check_images, check_names, check_range, check_whole
from rdexplain.methods.interface import CaptumInterface, same_ids
from rdexplain.methods.outcome import targets_tensor
from rdexplain.methods.problem import Run, find_rows
from rdexplain.models import Model, as_model
from rdexplain.models.activation import is_single
from rdexplain.models.decisions import Label, check_label
from rdexplain.photos.arrays import Images, as_images
from rdexplain.results.heatmap import Heatmap, picture_of
from rdexplain.text.versions import versions

Score = Literal["logit", "probability"]
SCORES = ("logit", "probability")
RANDOM = 16
"""The purpose of the baselines' random streams; their step is a key of the method's name."""


class BaselineOptions(TypedDict, total=False):
    """The options that all baselines take.

    Attributes:
        seed: of the method's randomness, where it has any.
        internal_batch_size: images in one forward pass; bounds the memory, not the result.
        accelerate: whether the network may run as a private copy that is faster and equal up to rounding; methods that
            look into the network leave it out.
        device: where to run; by default where the model is. The model itself is never moved.
    """

    seed: int
    internal_batch_size: int | None
    accelerate: bool
    device: str | torch.device | None


class Baseline(CaptumInterface):
    """Base of the baselines. Holds options; `explain` does the work.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        score: whether the class's "logit" or its "probability" is attributed.
        given: the user's options, `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option, or a package of the `evaluation` extra is missing.
        TypeError: an unknown option.
    """

    name: ClassVar[str]
    reduction: ClassVar[str] = "sum"
    """How the channels of the attribution become one score for each pixel: "sum" or "mean"."""
    own_options: ClassVar[tuple[str, ...]] = ("score",)
    """The attributes that hold the method's own options, resolved and ready for JSON."""
    may_accelerate: ClassVar[bool] = True

    def __init__(self, model: Model | Callable[..., Any], score: str, given: BaselineOptions) -> None:
        for name in given:
            if name not in BaselineOptions.__annotations__:
                raise TypeError(f"{type(self).__name__} has no option {name!r}")
        if score not in SCORES:
            raise OptionError(unknown("score", str(score), SCORES))
        size, device = given.get("internal_batch_size"), given.get("device")
        self.score = score
        self.seed = check_whole("seed", given.get("seed", 0), 0)
        self.internal_batch_size = None if size is None else check_whole("internal_batch_size", size, 1)
        self.accelerate = bool(given.get("accelerate", True)) and self.may_accelerate
        self.model = as_model(model) if device is None else as_model(model).on(device)
        self.representation: Representation = Pixel()

    def __repr__(self) -> str:
        own = ", ".join(f"{name}={value!r}" for name, value in self._own_options().items())
        return f"{self.get_name()}({self.model.name}, {own})"

    def record(self) -> dict[str, Any]:
        """Every option, resolved, ready for JSON."""
        return {
            **self.representation.options(),
            **self._own_options(),
            "internal_batch_size": self.internal_batch_size,
            "accelerate": self.accelerate,
            **self.model.record(),
        }

    def explain(
        self,
        images: Images,
        target: Any = None,
        *,
        top_k: int | None = None,
        ids: Sequence[int | str] | None = None,
        photos: Sequence[str | None] | None = None,
        additional_forward_args: Any = None,
        show_progress: bool = False,
        progress: Progress | None = None,
    ) -> Heatmap:
        """Score every pixel (or coefficient) of a batch of images.

        Args: as `RateDistortion.explain`'s. `progress` is called with the network evaluations so far of each row
        and NaN, as there is no loss; `work` says how many there will be.

        Returns:
            one row a photo and target, photo by photo.

        Raises:
            OptionError, PhotoError, TargetError: an argument is invalid, or does not fit the model.
            ModelError: the same, or the method cannot explain such a network, or this target: it explains labels only.
            SolverError: the attribution is not finite, or one image does not fit into memory.
        """
        started = time.perf_counter()
        batch = check_images(as_images(images))
        check_range(batch)
        check_names(photos, batch)
        rows, output, attribution = self._attributed(
            batch, target, top_k, ids, additional_forward_args, show_progress, progress
        )
        run, count = rows.run, len(rows)
        scores = self._scores(attribution, rows.images)
        every = torch.arange(count, device=output.device)
        return Heatmap(
            images=rows.images.cpu(),
            scores=[band.contiguous().cpu() for band in scores],
            picture=picture_of(self.representation, rows.images, scores).cpu(),
            target=targets_tensor(run.targets),
            probability=Label(run.targets, self.model.probabilities).read(output, every).squeeze(1).cpu(),
            labels=tuple(self.model.class_name(indices[0]) for indices in run.targets),
            photo=run.photos.cpu(),
            photos=run.names(photos),
            method=self.name,
            model=self.model.name,
            seed=self.seed,
            seconds=(time.perf_counter() - started) / count,
            network_evaluations=torch.full((count,), rows.evaluations // count),
            options=self.record() | rows.found,
            versions=versions("captum", "scikit-image"),
            device=str(attribution.device),
        )

    def work(self, size: tuple[int, int]) -> int:
        """About how many network evaluations a row of (h, w) pixels takes."""
        return 1

    @abstractmethod
    def _attributions(self, rows: Rows) -> Tensor:
        """Attributions (R, c, h, w) or (R, 1, h, w) of pixels, or flat scores (R, k) of coefficients."""

    def _own_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.own_options}

    def _attributed(
        self,
        images: Tensor,
        target: Any,
        top_k: int | None,
        ids: Sequence[int | str] | None,
        arguments: Any,
        show_progress: bool,
        progress: Progress | None = None,
    ) -> tuple[Rows, Tensor, Tensor]:
        """The rows, the model's output on their clean images, and their attributions."""
        size, accelerate = self.internal_batch_size, self.accelerate
        with ExitStack() as stack:
            found = find_rows(self.model, images, target, top_k, ids, arguments, size, accelerate)
            run, output, explained, limit = stack.enter_context(found)
            check_label(explained.kind, self.name)
            images = run.images
            read = self.model.probabilities if self.score == "probability" else self.model.logits
            if show_progress and progress is None:
                total = max(1, self.work((images.shape[-2], images.shape[-1])))
                progress = stack.enter_context(progress_bar(total, self.get_name()))
            report = progress or (lambda step, loss: None)
            rows = Rows(
                run,
                images[run.photos],
                limit,
                Label(run.targets, read),
                lambda evaluations: report(evaluations // len(run.photos), float("nan")),
                single=isinstance(output, Tensor) and is_single(output),
                flat=isinstance(output, Tensor) and output.ndim == 1,
            )
            with torch.no_grad():
                attribution = self._attributions(rows).detach().to(images.dtype)
            self._check_finite(attribution, run)
        return rows, output, attribution

    def _attribution(self, images: Tensor, target: Any, arguments: Any, show_progress: bool) -> Tensor:
        return self._attributed(images, target, None, same_ids(images), arguments, show_progress)[2]

    def again(self, model: Model | None = None, seed: int | None = None) -> Self:
        """This method with the same options for another model, or with another seed."""
        method = copy.copy(self)
        method.model = self.model if model is None else model
        method.seed = self.seed if seed is None else check_whole("seed", seed, 0)
        return method

    def _with(self, n_steps: int | None, internal_batch_size: int | None) -> Self:
        method = copy.copy(self)
        if n_steps is not None:
            method._set_steps(n_steps)
        if internal_batch_size is not None:
            method.internal_batch_size = check_whole("internal_batch_size", internal_batch_size, 1)
        return method

    def _set_steps(self, steps: int) -> None:
        raise OptionError(f"{self.get_name()} has no steps: leave out n_steps")

    def _scores(self, attribution: Tensor, images: Tensor) -> list[Tensor]:
        """The scores as bands, from the result of `_attributions`."""
        return [attribution.mean(dim=1) if self.reduction == "mean" else attribution.sum(dim=1)]

    def _streams(self, rows: Rows, row: int, draws: Sequence[int]) -> list[philox.Stream]:
        """The random streams of a row's draws: functions of the seed, the photo, the method and the draw."""
        method = philox.name_key(self.name)
        return [philox.Stream(self.seed, rows.run.keys[row], method, draw, RANDOM) for draw in draws]

    def _check_finite(self, attribution: Tensor, run: Run) -> None:
        bad = ~attribution.flatten(1).isfinite().all(dim=1)
        if bool(bad.any()):
            blamed = run.photos[bad.to(run.photos.device)].tolist()
            raise SolverError.of(blamed, SolverError(f"{self.name} gives values that are not finite"))

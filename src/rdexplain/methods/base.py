"""What every rate-distortion method shares: options in, explanations out. A method is a representation and defaults."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from rdexplain.decisions import Rows
from rdexplain.errors import SolverError
from rdexplain.explanation import Explanation, mask_picture
from rdexplain.initial import initial_mask
from rdexplain.memory import BatchLimit
from rdexplain.methods.checks import check_images, check_names, check_range, check_whole
from rdexplain.methods.interface import CaptumInterface
from rdexplain.methods.options import SharedOptions, resolve
from rdexplain.methods.outcome import measure, samples, targets_tensor
from rdexplain.methods.per_task import for_task
from rdexplain.methods.presets import Presets
from rdexplain.methods.problem import Problem, Run, find_rows
from rdexplain.models import Model, as_model
from rdexplain.objective import Objective
from rdexplain.path import within
from rdexplain.progress import Progress, progress_bar
from rdexplain.representations import Representation
from rdexplain.solver import Solution, solve
from rdexplain.versions import versions


class RateDistortion(CaptumInterface):
    """Base of the methods. Holds options; `explain` does the work.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        representation: where the mask lives.
        presets: the method's presets.
        sparsity: λk where the user gives none.
        clamp: whether the obfuscated image is clamped to [0, 1].
        given: the user's options.

    Raises:
        OptionError: an option outside what it may be.
    """

    name: str

    def __init__(
        self,
        model: Model | Callable[..., Any],
        representation: Representation,
        presets: Presets,
        sparsity: float,
        clamp: bool,
        given: SharedOptions,
    ) -> None:
        device = given.get("device")
        self.model = as_model(model) if device is None else as_model(model).on(device)
        options, sparsity = for_task(given, self.model.task, sparsity)
        self.options = resolve(options, presets, sparsity, type(self).__name__)
        self.representation = representation
        self.clamp = clamp

    def __repr__(self) -> str:
        settings = self.options.settings
        return (
            f"{self.get_name()}({self.model.name}, {self.representation!r}, {self.options.preset}: "
            f"{settings.steps} steps x {settings.draws} draws, sparsity={settings.sparsity:g})"
        )

    def record(self) -> dict[str, Any]:
        """Every option, resolved, ready for JSON."""
        return {
            **self.representation.options(),
            **self.options.record(),
            "clamp": self.clamp,
            **self.model.record(),
        }

    def explain(
        self,
        images: Tensor,
        target: Any = None,
        *,
        top_k: int | None = None,
        samples: int = 0,
        ids: Sequence[int | str] | None = None,
        photos: Sequence[str | None] | None = None,
        additional_forward_args: Any = None,
        show_progress: bool = False,
        progress: Progress | None = None,
    ) -> Explanation:
        """Explain a batch of images.

        Args:
            images: (n, 3, h, w), floating point, in [0, 1].
            target: None for the predicted classes; captum's int, tuple, tensor (n,) or list; class names; a tensor
                (n, m) or list of lists for m targets a photo; a `decisions.Task` for anything else, such as
                ``Contrast("cat", "dog")``; a callable, or a list of n, from one image's output to a number.
            top_k: explain the k most probable classes of each photo.
            samples: how many obfuscated images to keep, with the model's probabilities for them.
            ids: what the noise of each image is a function of, beside the seed, in place of a hash of the image.
            photos: names or paths, for provenance.
            additional_forward_args: passed on to the model; tensors with n entries follow the images.
            show_progress: a progress bar on stderr, if that is a terminal.
            progress: called after each step with its number and the mean loss.

        Returns:
            one row a photo and target, photo by photo.

        Raises:
            OptionError, PhotoError, TargetError, ModelError: what was given does not fit.
            SolverError: the loss is not finite, or one image does not fit into memory.
        """
        started = time.perf_counter()
        check_range(check_images(images))
        check_whole("samples", samples, 0)
        check_names(photos, images)
        with self.problem(images, target, top_k, ids, additional_forward_args) as problem:
            return self._explain(problem, started, samples, photos, show_progress, progress)

    @contextmanager
    def problem(
        self,
        images: Tensor,
        target: Any = None,
        top_k: int | None = None,
        ids: Sequence[int | str] | None = None,
        additional_forward_args: Any = None,
    ) -> Iterator[Problem]:
        """What `explain` minimises, for a loop of your own; the model is frozen inside the ``with`` block.

        Args: as `explain`'s.
        """
        options = self.options
        size, accelerate = options.internal_batch_size, options.accelerate
        found = find_rows(self.model, images, target, top_k, ids, additional_forward_args, size, accelerate)
        with found as (run, output, explained, limit):
            yield Problem(run, output, explained, self._objective(run, output, explained, limit))

    def _objective(self, run: Run, output: Any, explained: Rows, limit: BatchLimit) -> Objective:
        options, images = self.options, run.images
        decision = explained.decision.compared_by(options.distortion)
        rows = torch.arange(len(run.targets), device=images.device)
        return Objective(
            images=images,
            photos=run.photos,
            keys=run.keys,
            forward=run.forward,
            decision=decision,
            distortion=options.distortion,
            clean=decision.read(output, rows),
            transform=self.representation.transform_of(images),
            noise=options.noise,
            seed=options.seed,
            clamp=self.clamp,
            limit=limit,
            antithetic=options.antithetic,
        )

    def _solve(self, objective: Objective, start: Tensor, progress: Progress | None) -> Solution:
        try:
            if self.options.bound is not None:
                return within(objective, start, self.options.settings, self.options.bound, progress)
            return solve(objective, start, self.options.settings, progress)
        except SolverError as error:
            blamed = {int(objective.photos[row]) for row in error.photos}
            if not blamed:
                raise
            raise SolverError.of(blamed, error) from error

    def _explain(
        self,
        problem: Problem,
        started: float,
        count: int = 0,
        names: Sequence[str | None] | None = None,
        show_progress: bool = False,
        progress: Progress | None = None,
    ) -> Explanation:
        with ExitStack() as stack:
            if show_progress and progress is None:
                progress = stack.enter_context(progress_bar(self.options.steps, self.get_name()))
            start = initial_mask(problem.objective, self.options.init, problem.label)
            solution = self._solve(problem.objective, start, progress)
            return self._explanation(problem, solution, count, names, started)

    def _explanation(
        self,
        problem: Problem,
        solution: Solution,
        count: int,
        names: Sequence[str | None] | None,
        started: float,
    ) -> Explanation:
        run, objective, mask = problem.run, problem.objective, solution.mask
        settings = self.options.settings
        outcome = measure(problem, mask)
        bands = objective.transform.split(mask)
        images = run.images[run.photos]
        shown, shown_probabilities = samples(problem, mask, count)
        rows = torch.arange(objective.rows, device=mask.device)
        non_sparsity = mask.mean(dim=1)
        return Explanation(
            images=images.cpu(),
            mask=[band.contiguous().cpu() for band in bands],
            picture=mask_picture(self.representation, images, bands).cpu(),
            distortion=outcome.distortion.cpu(),
            non_sparsity=non_sparsity.cpu(),
            objective=(outcome.distortion + solution.sparsity * non_sparsity).cpu(),
            sparsity=solution.sparsity.cpu(),
            empty_distortion=outcome.empty_distortion.cpu(),
            collapsed=outcome.collapsed.cpu(),
            target=targets_tensor(run.targets),
            probability=problem.label.score(problem.label.read(problem.output, rows), rows).cpu(),
            kept_probability=outcome.kept_probability.cpu(),
            labels=problem.rows.labels,
            target_kind=problem.rows.kind,
            region=None if problem.rows.region is None else problem.rows.region.cpu(),
            box=None if problem.rows.box is None else problem.rows.box.cpu(),
            history={"distortion": solution.distortion.cpu(), "non_sparsity": solution.non_sparsity.cpu()},
            photo=run.photos.cpu(),
            photos=run.names(names),
            samples=shown,
            sample_probabilities=shown_probabilities,
            method=self.name,
            model=self.model.name,
            seed=self.options.seed,
            steps=settings.steps,
            draws=settings.draws,
            seconds=(time.perf_counter() - started) / objective.rows,
            network_evaluations=objective.evaluations // objective.rows,
            measurements=outcome.measurements + count,
            device=str(mask.device),
            options=self.record(),
            versions=versions(),
        )

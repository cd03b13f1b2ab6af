"""The base of all rate-distortion methods. A method adds a representation and its own defaults."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.groups import weights
from rdexplain.core.initial import initial_mask
from rdexplain.core.memory import BatchLimit
from rdexplain.core.objective import Objective
from rdexplain.core.path import within
from rdexplain.core.progress import Progress, progress_bar, shared
from rdexplain.core.representations import Representation, Transform
from rdexplain.core.solver import Settings, Solution, Watch, solve
from rdexplain.errors import SolverError
from rdexplain.methods.checks import check_images, check_names, check_range, check_whole
from rdexplain.methods.explainer import Explainer
from rdexplain.methods.interface import CaptumInterface
from rdexplain.methods.options import Own, SharedOptions, resolve
from rdexplain.methods.orders import Trail, levels, with_order
from rdexplain.methods.outcome import Outcome, parts_of, samples, solve_rows, targets_tensor
from rdexplain.methods.per_task import for_task
from rdexplain.methods.presets import Presets
from rdexplain.methods.preview import Preview, Previewed
from rdexplain.methods.problem import Problem, Run, find_rows
from rdexplain.methods.repeats import Repeats, repeat_rows
from rdexplain.models import Model, as_model
from rdexplain.models.decisions import Rows
from rdexplain.photos.arrays import Images, as_images
from rdexplain.results.explanation import Explanation, mask_picture
from rdexplain.text.versions import versions


class RateDistortion(CaptumInterface):
    """Base of the methods. Holds options; `explain` does the work.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        representation: where the mask lives.
        presets: the method's presets.
        own: the method's defaults for options that the user does not give; a number stands for λk alone.
        clamp: whether the obfuscated image is clamped to [0, 1].
        given: the user's options.

    Raises:
        OptionError: an invalid value of an option.
    """

    name: str

    def __init__(
        self,
        model: Model | Callable[..., Any],
        representation: Representation,
        presets: Presets,
        own: Own | float,
        clamp: bool,
        given: SharedOptions,
    ) -> None:
        device = given.get("device")
        self.model = as_model(model) if device is None else as_model(model).on(device)
        own = own if isinstance(own, Own) else Own(own)
        options, sparsity = for_task(given, self.name, self.model.task, own.sparsity)
        self.options = resolve(options, presets, replace(own, sparsity=sparsity), type(self).__name__)
        self.representation = representation
        self.clamp = clamp
        if isinstance(self.options.init, Explainer):
            self.options.init.check(self)

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
        images: Images,
        target: Any = None,
        *,
        top_k: int | None = None,
        samples: int = 0,
        repeats: int = 1,
        ids: Sequence[int | str] | None = None,
        photos: Sequence[str | None] | None = None,
        additional_forward_args: Any = None,
        show_progress: bool = False,
        progress: Progress | None = None,
        preview: Previewed | None = None,
    ) -> Explanation:
        """Explain a batch of images.

        Args:
            images: a tensor (n, 3, h, w), floating point, in [0, 1]; or arrays, Pillow's images or photos, see
                `photos.arrays.as_images`.
            target: None for the predicted classes; captum's int, tuple, tensor (n,) or list; class names; a tensor
                (n, m) or list of lists for m targets a photo; a `decisions.Task` for anything else, such as
                ``Contrast("cat", "dog")``; a callable, or a list of n, from one image's output to a number.
            top_k: explain the k most probable classes of each photo.
            samples: how many obfuscated images to keep, with the model's probabilities for them.
            repeats: how many times to solve, each with a seed of its own; the first is the explanation, and the others
                say how often each coefficient is kept (`Explanation.selection_frequency`).
            ids: a key for each image: the noise is a function of seed and key. By default a hash of the image.
            photos: names or paths, for provenance.
            additional_forward_args: passed on to the model; tensors with n entries follow the images.
            show_progress: a progress bar, on a terminal or in a notebook.
            progress: called after each step with its number and the mean loss; see `progress.Progress`.
            preview: called with the masks after each step, see `preview.Preview`. Where it returns True, the
                optimisation of these rows ends: their current masks are the result, and the record's option ``stopped``
                is that step.

        Returns:
            one row a photo and target, photo by photo.

        Raises:
            OptionError, PhotoError, TargetError, ModelError: an argument is invalid, or does not fit the model.
            SolverError: the loss is not finite, or one image does not fit into memory.
        """
        started = time.perf_counter()
        batch = check_images(as_images(images))
        check_range(batch)
        check_whole("samples", samples, 0)
        check_whole("repeats", repeats, 1)
        check_names(photos, batch)
        with self.problem(batch, target, top_k, ids, additional_forward_args) as problem:
            return self._explain(problem, started, samples, photos, show_progress, progress, repeats, preview)

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
        found = find_rows(
            self.model,
            images,
            target,
            top_k,
            ids,
            additional_forward_args,
            options.internal_batch_size,
            options.accelerate,
            self._batch_invariant,
        )
        with found as (run, output, explained, limit):
            yield Problem(run, output, explained, self._objective(run, output, explained, limit))

    def _objective(self, run: Run, output: Any, explained: Rows, limit: BatchLimit) -> Objective:
        options, images = self.options, run.images
        return Objective(
            images=images,
            photos=run.photos,
            keys=run.keys,
            forward=run.forward,
            decision=explained.decision.compared_by(options.distortion),
            distortion=options.distortion,
            output=output,
            transform=self.representation.transform_of(images),
            noise=options.noise,
            seed=options.seed,
            clamp=self.clamp,
            limit=limit,
            antithetic=options.antithetic,
            graph=options.accelerate,
        )

    def _explain(
        self,
        problem: Problem,
        started: float,
        count: int = 0,
        names: Sequence[str | None] | None = None,
        show_progress: bool = False,
        progress: Progress | None = None,
        repeats: int = 1,
        preview: Previewed | None = None,
    ) -> Explanation:
        options = self.options
        parts = parts_of(problem.objective, self._batch_invariant)
        stops: dict[int, int] = {}
        with ExitStack() as stack:
            if show_progress and progress is None:
                progress = stack.enter_context(progress_bar(options.steps, self.get_name()))
            reports = iter(shared(progress, len(parts) * repeats, options.steps))

            def watched(objective: Objective, attempt: int = 1) -> Watch | None:
                return None if preview is None else partial(self._shown, problem, objective, preview, stops, attempt)

            def solve_one(objective: Objective, order: str = "none") -> Solution:
                report = next(reports, None)
                return self._solve(problem, objective, options.settings, report, watched(objective), order)

            def solve_again(objective: Objective) -> Solution:
                gentle = replace(options.settings, emphasis=1.0)
                return self._solve(problem, objective, gentle, None, watched(objective, 2), options.order)

            again = solve_again if options.retry else None
            try:
                outcome = solve_rows(parts, partial(solve_one, order=options.order), again, stops, options.fresh)
                repeated = repeat_rows(parts, solve_one, outcome.mask, repeats) if repeats > 1 else None
            except SolverError as error:
                if not error.photos:
                    raise
                raise SolverError.of(problem.run.photos[list(error.photos)].tolist(), error) from error
            explanation = self._explanation(problem, parts, outcome, repeated, count, names, started)
            if stops:
                explanation.options["stopped"] = min(stops.values())
            return explanation

    @property
    def _batch_invariant(self) -> bool:
        """Whether each row is solved by itself. A GPU is full only with many rows at once."""
        wanted = self.options.batch_invariant
        return self.model.device.type == "cpu" if wanted is None else wanted

    def _solve(
        self,
        problem: Problem,
        objective: Objective,
        settings: Settings,
        progress: Progress | None = None,
        watch: Watch | None = None,
        order: str = "none",
    ) -> Solution:
        init = self.options.init
        if isinstance(init, Explainer):
            start = init.mask(objective, problem.label, settings.sparsity)
        elif isinstance(init, str):
            start = initial_mask(objective, init, problem.label)
        else:
            every = initial_mask(problem.objective, init, problem.label)
            start = every[objective.first : objective.first + objective.rows]
        pulls = None
        if settings.anchor:
            sensitivity = objective.sensitivity(problem.label) * objective.spread
            pulls = weights(sensitivity, objective.transform, settings.anchor)
        trail = Trail(watch) if order == "time" else None
        watch = trail or watch
        if self.options.bound is not None:
            solution = within(objective, start, settings, self.options.bound, progress, pulls, watch)
        else:
            solution = solve(objective, start, settings, progress, weights=pulls, watch=watch)
        return with_order(solution, order, trail, objective, start, settings)

    def _explanation(
        self,
        problem: Problem,
        parts: Sequence[Objective],
        outcome: Outcome,
        repeated: Repeats | None,
        count: int,
        names: Sequence[str | None] | None,
        started: float,
    ) -> Explanation:
        run, transform, settings = problem.run, problem.objective.transform, self.options.settings
        shown, shown_probabilities = samples(problem, parts, outcome.mask, count)
        evaluations = outcome.evaluations.cpu() + (0 if repeated is None else repeated.evaluations)
        return Explanation(
            images=run.images[run.photos].cpu(),
            mask=[band.contiguous().cpu() for band in transform.split(outcome.mask)],
            picture=torch.cat([self._picture(run.images[run.photos], transform, outcome.mask, part) for part in parts]),
            distortion=outcome.distortion.cpu(),
            non_sparsity=outcome.mask.mean(dim=1).cpu(),
            objective=outcome.objective.cpu(),
            sparsity=outcome.sparsity.cpu(),
            empty_distortion=outcome.empty_distortion.cpu(),
            collapsed=outcome.collapsed.cpu(),
            target=targets_tensor(run.targets),
            probability=problem.probability.cpu(),
            kept_probability=outcome.kept_probability.cpu(),
            labels=problem.rows.labels,
            target_kind=problem.rows.kind,
            region=None if problem.rows.region is None else problem.rows.region.cpu(),
            box=None if problem.rows.box is None else problem.rows.box.cpu(),
            history={"distortion": outcome.distortions.mT.cpu(), "non_sparsity": outcome.rates.mT.cpu()},
            photo=run.photos.cpu(),
            photos=run.names(names),
            samples=shown,
            sample_probabilities=shown_probabilities,
            method=self.name,
            model=self.model.name,
            seed=self.options.seed,
            steps=settings.steps,
            draws=settings.draws,
            seconds=(time.perf_counter() - started) / len(evaluations),
            network_evaluations=evaluations,
            measurements=outcome.measurements.cpu() + count,
            repeats=1 if repeated is None else repeated.solutions,
            selection_frequency=None if repeated is None else transform.split(repeated.frequency.cpu()),
            agreement=None if repeated is None else repeated.agreement.cpu(),
            order=transform.split(levels(outcome.order)) if outcome.order.shape[1] else None,
            device=str(outcome.mask.device),
            options=self.record(),
            versions=versions(),
        )

    def _shown(
        self,
        problem: Problem,
        objective: Objective,
        preview: Previewed,
        stops: dict[int, int],
        attempt: int,
        step: int,
        loss: float,
        mask: Tensor,
    ) -> bool:
        """Show the rows' masks to `preview`; True if it asks to stop, whose step is each row's in `stops`."""

        def draw(flat: Tensor, rows: range) -> Tensor:
            images = problem.run.images[problem.run.photos[rows.start : rows.stop]]
            return mask_picture(self.representation, images, objective.transform.split(flat)).cpu()

        rows = range(objective.first, objective.first + objective.rows)
        enough = bool(preview(Preview(step, self.options.steps, loss, rows, attempt, mask, objective.transform, draw)))
        if enough and step < self.options.steps:
            for row in rows:
                stops.setdefault(row, step)
        return enough

    def _picture(self, images: Tensor, transform: Transform, mask: Tensor, part: Objective) -> Tensor:
        rows = slice(part.first, part.first + part.rows)
        return mask_picture(self.representation, images[rows], transform.split(mask[rows])).cpu()

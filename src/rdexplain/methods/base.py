"""What every rate-distortion method shares: options in, explanations out. A method is a representation and defaults."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import torch
from torch import Tensor

from rdexplain import philox
from rdexplain.decisions import Decision, Label, Probabilities, check_output
from rdexplain.distortions import find_distortion
from rdexplain.errors import OptionError, SolverError
from rdexplain.explanation import Explanation, synthesise
from rdexplain.initial import Init, initial_mask
from rdexplain.memory import Batch, BatchLimit, batches
from rdexplain.methods.checks import check_images, check_number, check_range, check_whole
from rdexplain.methods.presets import Preset, Presets, find_preset
from rdexplain.methods.targets import rows_for
from rdexplain.models import Model, as_model, frozen
from rdexplain.noise import Noise
from rdexplain.objective import Objective
from rdexplain.progress import Progress, progress_bar
from rdexplain.representations import Representation
from rdexplain.solver import Settings, Solution, solve
from rdexplain.versions import versions

FRESH_DRAWS = 256
"""Draws on which a finished mask is measured."""
EMPTY_DRAWS = 32
"""Draws on which the empty mask is measured, to compare with."""
COLLAPSED = 0.8
"""A mask whose distortion is this share of the empty mask's, or more, keeps nothing that the model uses."""


class SharedOptions(TypedDict, total=False):
    """The options that all rate-distortion methods take.

    preset: name of a preset; it sets what is left None.
    steps, draws, step_size: optimiser steps, noise draws a step, Adam's step size.
    sparsity: λk, the weight of the mean mask value.
    noise: "gaussian", "uniform" or "zero".
    noise_scaling: "original", "linear", "inverse_linear" or "exponential".
    distortion: "label", "maximise_label", "l2", "l2_root", "weighted_l2", "weighted_l2_root" or "kl".
    init: "ones", "coarse", "random", "gradient" or a mask.
    seed: of the noise.
    internal_batch_size: images in one forward pass; bounds the memory, not the result.
    device: where to run; by default where the model is. The model itself is never moved.
    """

    preset: str
    steps: int | None
    draws: int | None
    step_size: float | None
    sparsity: float | None
    noise: str
    noise_scaling: str
    distortion: str
    init: Init | None
    seed: int
    internal_batch_size: int | None
    device: str | torch.device | None


@dataclass(frozen=True)
class _Run:
    """One call of `explain`: what its rows are."""

    model: Model
    images: Tensor
    arguments: tuple[Any, ...]
    photos: Tensor
    targets: list[tuple[int, ...]]
    keys: tuple[int, ...]

    def forward(self, images: Tensor, rows: Tensor) -> Any:
        """The model's output; additional arguments with one entry per photo follow the rows."""
        photos = self.photos[rows]
        count = len(self.images)
        arguments = [
            value[photos] if isinstance(value, Tensor) and value.ndim and len(value) == count else value
            for value in self.arguments
        ]
        return self.model(images, *arguments)


class RateDistortion:
    """Base of the methods. Holds options; `explain` does the work.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        representation: where the mask lives.
        presets: the method's presets.
        default_sparsity: λk where the user gives none.
        clamp: whether the obfuscated image is clamped to [0, 1].
        options: see `SharedOptions`.

    Raises:
        OptionError: an option outside what it may be.
    """

    name: str

    def __init__(
        self,
        model: Model | Callable[..., Any],
        representation: Representation,
        presets: Presets,
        default_sparsity: float,
        clamp: bool,
        options: SharedOptions,
    ) -> None:
        known = SharedOptions.__annotations__
        for name in options:
            if name not in known:
                raise TypeError(f"{type(self).__name__} has no option {name!r}; it has {', '.join(known)}")
        self.model = as_model(model)
        self.representation = representation
        self.clamp = clamp
        self.preset_name = options.get("preset", "fast")
        preset = find_preset(self.preset_name, presets)
        self.init: Init = _or(options.get("init"), preset.init)
        self.settings = _settings(preset, options, default_sparsity)
        self.antithetic = preset.antithetic
        self.noise = Noise(options.get("noise", "gaussian"), _underscored(options.get("noise_scaling", "original")))
        self.distortion = find_distortion(_underscored(options.get("distortion", "label")))
        self.seed = check_whole("seed", options.get("seed", 0), 0)
        size = options.get("internal_batch_size")
        self.internal_batch_size = None if size is None else check_whole("internal_batch_size", size, 1)
        self.device = options.get("device")
        if self.device is not None:
            self.model = self.model.on(self.device)

    @property
    def forward_func(self) -> Model:
        """The model, under captum's name for it."""
        return self.model

    @property
    def multiplies_by_inputs(self) -> bool:
        """Captum asks: no, the attribution is a mask or its picture, not a gradient times the input."""
        return False

    def has_convergence_delta(self) -> bool:
        """Captum asks: no."""
        return False

    def get_name(self) -> str:
        """The method's name, as captum's methods have it."""
        return type(self).__name__

    def options(self) -> dict[str, Any]:
        """Every option, resolved, ready for JSON."""
        settings = asdict(self.settings)
        return {
            "preset": self.preset_name,
            **self.representation.options(),
            **settings,
            "betas": list(settings["betas"]),
            "antithetic": self.antithetic,
            "noise": self.noise.kind,
            "noise_scaling": self.noise.scaling,
            "distortion": self.distortion.name,
            "init": self.init if isinstance(self.init, str) else "given",
            "clamp": self.clamp,
            "normalise": None if self.model.mean is None else [self.model.mean, self.model.std],
            "weights": self.model.weights,
            "internal_batch_size": self.internal_batch_size,
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
                (n, m) or list of lists for m targets a photo.
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
        check_range(check_images(images))
        return self._explain(
            images, target, top_k, samples, ids, photos, additional_forward_args, show_progress, progress
        )

    def _explain(
        self,
        images: Tensor,
        target: Any = None,
        top_k: int | None = None,
        samples: int = 0,
        ids: Sequence[int | str] | None = None,
        photos: Sequence[str | None] | None = None,
        additional_forward_args: Any = None,
        show_progress: bool = False,
        progress: Progress | None = None,
    ) -> Explanation:
        started = time.perf_counter()
        check_whole("samples", samples, 0)
        images = check_images(images).to(self.model.device)
        limit = BatchLimit(self.internal_batch_size, images.device)
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(frozen(self.model))
            # A tensor made in inference mode could not take part in autograd.
            images = images.clone() if images.is_inference() else images
            run, output = self._rows(images, target, top_k, ids, additional_forward_args, limit)
            objective = self._objective(run, output, limit)
            start = initial_mask(objective, self.init, Label(run.targets, self.model.probabilities))
            if show_progress and progress is None:
                progress = stack.enter_context(progress_bar(self.settings.steps, self.get_name()))
            solution = self._solve(objective, start, progress)
            names = _names(photos, len(images))
            return self._explanation(run, output, objective, solution, samples, names, started)

    def _rows(
        self,
        images: Tensor,
        target: Any,
        top_k: int | None,
        ids: Sequence[int | str] | None,
        additional_forward_args: Any,
        limit: BatchLimit,
    ) -> tuple[_Run, Tensor]:
        """The rows of a call, and the model's output (R, ...) on their clean images."""
        count = len(images)
        arguments = additional_forward_args
        if arguments is None:
            arguments = ()
        elif not isinstance(arguments, tuple):
            arguments = (arguments,)
        every = torch.arange(count, device=images.device)
        clean = _Run(self.model, images, arguments, every, [], ())

        def work(size: int) -> Tensor:
            parts = [check_output(clean.forward(images[part], part), len(part)) for part in every.split(size)]
            return torch.cat(parts)

        with torch.no_grad():
            output = limit.run(work)
        rows = rows_for(self.model, output, target, top_k)
        keys = _keys(images, ids)
        photos = torch.tensor([photo for photo, _ in rows], device=images.device)
        run = _Run(
            self.model,
            images,
            arguments,
            photos,
            [indices for _, indices in rows],
            tuple(keys[photo] for photo, _ in rows),
        )
        return run, output[photos]

    def _objective(self, run: _Run, output: Tensor, limit: BatchLimit) -> Objective:
        decision: Decision = (
            Label(run.targets, self.model.probabilities)
            if self.distortion.reads == "label"
            else Probabilities(self.model.probabilities)
        )
        rows = torch.arange(len(run.targets), device=run.images.device)
        size = (run.images.shape[-2], run.images.shape[-1])
        return Objective(
            images=run.images,
            photos=run.photos,
            keys=run.keys,
            forward=run.forward,
            decision=decision,
            distortion=self.distortion,
            clean=decision.read(output, rows),
            transform=self.representation.transform(size, run.images.dtype, run.images.device),
            noise=self.noise,
            seed=self.seed,
            clamp=self.clamp,
            limit=limit,
            antithetic=self.antithetic,
        )

    def _solve(self, objective: Objective, start: Tensor, progress: Progress | None) -> Solution:
        try:
            return solve(objective, start, self.settings, progress)
        except SolverError as error:
            blamed = sorted({int(objective.photos[row]) for row in error.photos})
            if not blamed:
                raise
            which = ", ".join(str(photo) for photo in blamed)
            raise SolverError(f"image {which} of the batch: {error}", blamed) from error

    def _explanation(
        self,
        run: _Run,
        output: Tensor,
        objective: Objective,
        solution: Solution,
        samples: int,
        names: tuple[str | None, ...],
        started: float,
    ) -> Explanation:
        transform, mask = objective.transform, solution.mask
        draws = FRESH_DRAWS if self.noise.is_random else 1
        distortion, reading = objective.measure(mask, draws)
        empty, _ = objective.measure(torch.zeros_like(mask), min(draws, EMPTY_DRAWS))
        label = Label(run.targets, self.model.probabilities)
        rows = torch.arange(objective.rows, device=mask.device)
        kept = reading if self.distortion.reads == "label" else _pick(reading, output, run.targets)
        bands = transform.split(mask)
        images = run.images[run.photos]
        shown = self._samples(run, objective, mask, samples)
        targets = torch.tensor(run.targets)
        photos = run.photos.tolist()
        return Explanation(
            images=images.cpu(),
            mask=[band.contiguous().cpu() for band in bands],
            picture=self._picture(images, bands).cpu(),
            distortion=distortion.cpu(),
            non_sparsity=mask.mean(dim=1).cpu(),
            objective=(distortion + self.settings.sparsity * mask.mean(dim=1)).cpu(),
            empty_distortion=empty.cpu(),
            collapsed=(distortion >= COLLAPSED * empty).cpu(),
            target=targets.squeeze(1) if targets.shape[1] == 1 else targets,
            probability=label.read(output, rows).squeeze(1).cpu(),
            kept_probability=kept.squeeze(1).cpu(),
            labels=tuple(self.model.class_name(indices[0]) for indices in run.targets),
            history={
                "distortion": solution.distortion.cpu(),
                "non_sparsity": solution.non_sparsity.cpu(),
            },
            photo=run.photos.cpu(),
            photos=tuple(names[photo] for photo in photos),
            samples=None if shown is None else shown[0].cpu(),
            sample_probabilities=None if shown is None else shown[1].cpu(),
            method=self.name,
            model=self.model.name,
            seed=self.seed,
            steps=self.settings.steps,
            draws=self.settings.draws,
            seconds=(time.perf_counter() - started) / objective.rows,
            network_evaluations=objective.evaluations // objective.rows,
            measurements=draws + min(draws, EMPTY_DRAWS) + samples + 1,
            device=str(mask.device),
            options=self.options(),
            versions=versions(),
        )

    def _picture(self, images: Tensor, bands: list[Tensor]) -> Tensor:
        """The picture (R, 1, h, w) of a mask."""
        return synthesise(self.representation, images.mean(dim=1, keepdim=True), bands)

    def _samples(self, run: _Run, objective: Objective, mask: Tensor, samples: int) -> tuple[Tensor, Tensor] | None:
        if not samples:
            return None
        images, probabilities = [], []
        with torch.no_grad():
            for batch in batches(objective.rows, samples, objective.limit.size):
                part = objective.obfuscated(mask, Batch(*batch), 0, philox.SHOW)
                rows = torch.arange(batch.row, batch.row_end, device=mask.device)
                rows = rows.repeat_interleave(batch.draw_end - batch.draw)
                images.append(part)
                probabilities.append(self.model.probabilities(run.forward(part, rows)))
        shape = (objective.rows, samples)
        return torch.cat(images).unflatten(0, shape), torch.cat(probabilities).unflatten(0, shape)


def _settings(preset: Preset, options: SharedOptions, default_sparsity: float) -> Settings:
    return Settings(
        steps=check_whole("steps", _or(options.get("steps"), preset.steps), 0),
        draws=check_whole("draws", _or(options.get("draws"), preset.draws), 1),
        step_size=check_number("step_size", _or(options.get("step_size"), preset.step_size)),
        sparsity=check_number("sparsity", _or(options.get("sparsity"), default_sparsity)),
        schedule=preset.schedule,
        betas=preset.betas,
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _underscored(name: Any) -> Any:
    """Names are spelled with underscores; people also write hyphens and blanks."""
    return name.replace("-", "_").replace(" ", "_") if isinstance(name, str) else name


def _names(photos: Sequence[str | None] | None, count: int) -> tuple[str | None, ...]:
    return (None,) * count if photos is None else tuple(photos)


def _keys(images: Tensor, ids: Sequence[int | str] | None) -> list[int]:
    if ids is None:
        return [philox.photo_key(image) for image in images]
    if len(ids) != len(images):
        raise OptionError(f"{len(ids)} ids for {len(images)} images")
    return [philox.name_key(one) if isinstance(one, str) else int(one) for one in ids]


def _pick(reading: Tensor, output: Tensor, targets: list[tuple[int, ...]]) -> Tensor:
    """The targets' entries of readings of all probabilities, (R, 1)."""
    whole = reading.view(output.shape)
    return torch.stack([whole[(row, *indices)] for row, indices in enumerate(targets)]).unsqueeze(1)

"""Trains an explainer for a network from photos; it can be stopped at any time, and goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from rdexplain.errors import ModelError, OptionError, OutputError, PhotoError, RDExplainError
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.explainer import Explainer, described
from rdexplain.methods.registry import METHODS
from rdexplain.photos.images import find_photos, load_photo
from rdexplain.results.storage import write_whole
from rdexplain.work.choosing import find_model, photo_fit
from rdexplain.work.explainers.training import Course, Training
from rdexplain.work.job import job
from rdexplain.work.lock import locked
from rdexplain.work.progress import Progress
from rdexplain.work.requests import TrainExplainer
from rdexplain.work.sizes import check_size

METHOD = "cartoonx"
FEWEST = 2
CHECKED = 32
"""At most so many photos are kept out of the training, to say what the explainer is worth on photos it has not seen."""
CHECK_DRAWS = 32
WORTH = ("distortion", "non_sparsity", "empty_distortion")
STATE, ABOUT, LOCK = "state.safetensors", "about.json", "lock"


@dataclass(frozen=True)
class Trained:
    """An explainer that was trained.

    Attributes:
        file: where it is.
        photos: number of photos that it learnt from.
        checked: number of photos that were kept out, on which the next two were measured.
        distortion, non_sparsity: of its masks there, their means, for the method's own λk.
        empty_distortion: of empty masks there.
        failures: why photos were left out, by their sources.
        seconds: wall time of this call.
    """

    file: Path
    photos: int
    checked: int
    distortion: float
    non_sparsity: float
    empty_distortion: float
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@job(TrainExplainer)
def train_explainer(options: TrainExplainer, progress: Progress) -> Trained:
    """Train an explainer for a network from photos without labels: what `explain` takes as `init`.

    A network learns from the objective itself, for photos that are mirrored and cropped at random, and for a range of
    λk. Stopped at any time, the same call goes on where it was, round by round; what that needs is kept in a folder
    beside `out` until the explainer is written.

    Raises:
        RDExplainError: an option, a photo's name or the network is invalid, or `out` is there already.
    """
    started = time.monotonic()
    if not options.photos:
        raise OptionError("name the photos: files, folders, glob patterns or sample:NAME")
    if options.out.suffix != ".safetensors":
        raise OptionError(f"`out` is a .safetensors file, not {options.out}")
    if options.out.exists() and not options.overwrite:
        raise OutputError(f"{options.out} exists already: replace with `overwrite`, or choose another `out`")
    own = {name: value for name in ("wavelet", "levels", "padding") if (value := getattr(options, name)) is not None}
    check_size(options.size, {METHOD: own})
    sources = find_photos(options.photos)
    model = find_model(options, progress)
    if model.task != "classification":
        raise ModelError(f"explainers are for classifiers, and {model.name} is for {model.task}")
    size = options.size if model.input_size is None or not model.fixed_size else model.input_size
    if options.size != size and "size" in options.given:
        raise OptionError(f"{model.name} takes photos of {size} x {size} pixels only: leave out `size`")
    method: Attribution = METHODS[METHOD].load()(
        model, seed=options.seed, batch_invariant=False, internal_batch_size=options.internal_batch_size, **own
    )
    transform = method.representation.transform((size, size), model.dtype, model.device)
    progress.stage("reading photos")
    images, failures = _read(sources, size, photo_fit(options.fit, model), progress)
    if len(images) < FEWEST:
        raise PhotoError(f"an explainer is trained on {FEWEST} photos at least, and {len(images)} could be read")
    pixels = hashlib.sha256(images.numpy().tobytes()).hexdigest()[:16]
    images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(options.seed))]
    checked, taught = images.split((kept := min(CHECKED, max(1, len(images) // 10)), len(images) - kept))
    course = Course(options.rounds, photos=min(Course.photos, len(taught)), seed=options.seed)
    about = described(method) | {
        "size": size,
        "photos": len(taught),
        "rounds": course.rounds,
        "seed": options.seed,
        "pixels": pixels,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    folder = options.out.with_suffix(".training")
    folder.mkdir(exist_ok=True)
    with locked(folder / LOCK):
        _check_same(folder, about, options)
        try:
            training = _trained(Training(method, taught, course, len(transform.bands) - 1), folder, progress)
        except BaseException as error:
            error.add_note(f"what is there is kept in {folder}: the same command goes on")
            raise
        explainer = Explainer(training.kept.cpu().eval().requires_grad_(False), about)
        progress.stage("checking")
        worth = dict(zip(WORTH, _checked(method, explainer, checked), strict=True))
        about |= {"checked": len(checked), **worth}
        Explainer(explainer.network, about).save(options.out)
    shutil.rmtree(folder)
    seconds = time.monotonic() - started
    return Trained(options.out, len(taught), len(checked), **worth, failures=failures, seconds=seconds)


def _read(sources: list[str], size: int, fit: str, progress: Progress) -> tuple[Tensor, dict[str, str]]:
    images, failures = [], {}
    for number, source in enumerate(sources):
        try:
            images.append((load_photo(source, size, fit).pixels * 255).round().to(torch.uint8))
        except PhotoError as error:
            failures[source] = str(error)
            progress.failed(str(error))
        progress.advance(number + 1, len(sources), "reading photos")
    return torch.stack(images) if images else torch.zeros(0, 3, size, size, dtype=torch.uint8), failures


def _check_same(folder: Path, about: dict[str, Any], options: TrainExplainer) -> None:
    """Begin in an empty folder, or go on with the same training."""
    file = folder / ABOUT
    if file.exists() and options.overwrite:
        for one in folder.iterdir():
            if one.name != LOCK:
                one.unlink()
    if not file.exists():
        write_whole(file, json.dumps(about).encode())
        return
    try:
        there = json.loads(file.read_text())
    except ValueError:
        there = {}
    changed = sorted(name for name in about if there.get(name) != about[name])
    if changed:
        raise OptionError(
            f"{folder} holds a training with another {', '.join(changed)}: begin anew with `overwrite`, or choose "
            "another `out`"
        )


def _trained(training: Training, folder: Path, progress: Progress) -> Training:
    """The training after its last round; each round is kept in the folder, and none is gone through twice."""
    if (folder / STATE).exists():
        training.go_on_from(_tensors_of(folder / STATE))
    started, first, total = time.monotonic(), training.round, training.course.rounds
    progress.stage("training")

    def told(done: float, loss: float) -> None:
        here = done - first
        left = (time.monotonic() - started) * (total - done) / here if here > 0 else None
        progress.advance(done, total, "training", f"objective {loss:.4f}", left)

    while training.round < total:
        training.next_round(told)
        write_whole(folder / STATE, safetensors_bytes(training.state()))
    return training


def _tensors_of(file: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(file))
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise RDExplainError(f"{file} is damaged: remove it, and call again ({reason})") from error


def _checked(method: Attribution, explainer: Explainer, images: Tensor) -> tuple[float, float, float]:
    """Mean distortion and non-sparsity of the explainer's masks, and the distortion of empty ones, on photos uint8."""
    found = []
    for part in images.split(8):
        pixels = (part.to(method.model.dtype) / 255).to(method.model.device)
        with method.problem(pixels) as problem:
            mask = explainer.mask(problem.objective, problem.label, method.options.settings.sparsity)
            distortion, _ = problem.objective.measure(mask, CHECK_DRAWS)
            empty, _ = problem.objective.measure(torch.zeros_like(mask), CHECK_DRAWS)
            found.append(torch.stack((distortion, mask.mean(dim=1), empty)))
    distortion, non_sparsity, empty = torch.cat(found, dim=1).cpu().double().mean(dim=1).tolist()
    return distortion, non_sparsity, empty

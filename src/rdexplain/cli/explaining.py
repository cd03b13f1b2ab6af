"""From the arguments of ``rdexplain explain`` to a run over photos."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from rdexplain.cli.bar import Bar
from rdexplain.cli.command import UsageError
from rdexplain.cli.guard import say
from rdexplain.cli.options import method_options
from rdexplain.cli.outputs import Outputs, stems
from rdexplain.cli.photos import Run, Settings
from rdexplain.cli.report import Report
from rdexplain.cli.sizes import check_size
from rdexplain.cli.targets import Slugs, Targets, Wanted
from rdexplain.errors import OptionError
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.baselines import Baseline
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model, load_model
from rdexplain.models.model import check_device
from rdexplain.photos.images import find_photos
from rdexplain.results.loading import load_explanation

DEFAULT_SIZE = 256
DEFAULT_FITS = {"detection": "letterbox"}
PHOTOS_PER_BATCH = {"cpu": 4}
PHOTOS_PER_BATCH_ON_A_GPU = 16


def run(arguments: argparse.Namespace, bar: Bar) -> int:
    """Explain the photos; see `rdexplain.cli.main` for the exit status.

    All that can be found out before the first photo is explained is found out here.
    """
    if arguments.quiet:
        warnings.simplefilter("ignore")
    options = method_options(arguments, arguments.method)
    if arguments.samples and METHODS[arguments.method].is_baseline:
        raise UsageError(f"--samples shows what a mask keeps: {arguments.method} has none")
    if arguments.repeats > 1 and METHODS[arguments.method].is_baseline:
        raise UsageError(f"--repeats solves for a mask again: {arguments.method} has none")
    check_size(arguments.size, {arguments.method: options})
    sources = find_photos(arguments.photos)
    model = find_model(arguments, bar)
    targets = Targets(model, Wanted.of(arguments))
    size = photo_size(arguments.size, model)
    method = make_method(arguments.method, model, options, size)
    names, slugs = stems(sources), Slugs(model)
    wanted = {".samples.png": arguments.samples, ".repeats.png": arguments.repeats > 1}
    wanted[".original.png"] = arguments.original_size
    extras = [suffix for suffix, value in wanted.items() if value]
    outputs = Outputs(arguments.out, arguments.method, extras)
    outputs.check(names, targets.slugs(slugs), slugs, arguments.overwrite)
    report = Report(bar, list(names.values()), labels_of(model, targets, len(names)), arguments.quiet)
    per_batch = photos_per_batch(arguments.photos_per_batch, model.device)
    settings = Settings(
        size, photo_fit(arguments.fit, model), per_batch, arguments.samples, arguments.original_size, arguments.repeats
    )
    started = time.monotonic()
    with outputs.open():
        tally = Run(method, targets, slugs, outputs, report, bar, settings, provenance(options)).over(names)
    report.summary(len(names), tally.failed, time.monotonic() - started)
    if tally.explained and not arguments.quiet and (taken := _taken(model)):
        say(f"note: {taken}")
    return tally.status


def _taken(model: Model) -> str | None:
    """How a network's output was read, where nobody said it: logits of labels look like those of classes."""
    meaning = model.meaning
    if model.activation != "auto" or model.task != "classification":
        return None
    if meaning.activation == "none":
        kind = "exclude each other" if meaning.exclusive else "exclude nothing"
        return f"{model.name} gives probabilities of classes that {kind} (--activation none)"
    if meaning.activation == "sigmoid":
        return f"{model.name} gives one logit, whose sigmoid is the probability of class 1 (--activation sigmoid)"
    return f"{model.name} gives logits, read by a softmax: --activation sigmoid if its labels exclude nothing"


def find_model(arguments: argparse.Namespace, bar: Bar, name: str | None = None) -> Model:
    """The model that the arguments name, or another one by its name, where they want it."""
    wanted = model_arguments(arguments)
    if name is not None:
        wanted["name"] = name
    bar.stage(f"loading {wanted['name']}")
    return load_model(**wanted, device=find_device(arguments.device))


def model_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `load_model` is to be given, but the device."""
    if arguments.no_normalise and (arguments.mean or arguments.std):
        raise UsageError("--no-normalise leaves no use for --mean and --std")
    return {
        "name": arguments.model,
        "weights": arguments.weights,
        "mean": arguments.mean,
        "std": arguments.std,
        "normalise": not arguments.no_normalise,
        "classes": arguments.classes,
        "precision": arguments.precision,
        "activation": arguments.activation,
    }


def portable_model(arguments: argparse.Namespace) -> dict[str, Any]:
    """`model_arguments` for workers, which may have another current folder."""
    wanted = model_arguments(arguments)
    for file in ("weights", "classes"):
        if wanted[file] is not None and Path(wanted[file]).is_file():
            wanted[file] = str(Path(wanted[file]).absolute())
    return wanted


def find_device(name: str) -> str | torch.device:
    """The device, seen to work."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type == "cuda":
            check_device(device)
        elif device.type != "cpu":
            torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise OptionError(f"no device {name!r} here: choose auto, cpu, cuda or cuda:1") from error
    return device


def photo_fit(wanted: str | None, model: Model) -> str:
    """How photos are brought to the model's size: detectors are trained on photos with bars around them."""
    return wanted or DEFAULT_FITS.get(model.task, "squash")


def photo_size(wanted: int | None, model: Model) -> int:
    """The side of the square that is explained, in pixels, which `sizes.check_size` has seen.

    Raises:
        UsageError: the model does not take it.
    """
    if model.fixed_size and model.input_size is not None:
        if wanted not in (None, model.input_size):
            raise UsageError(
                f"{model.name} takes photos of {model.input_size} x {model.input_size} pixels only: leave out --size"
            )
        return model.input_size
    if model.task == "detection" and model.input_size is not None:
        return wanted or model.input_size  # small objects are lost in small photos
    return wanted or DEFAULT_SIZE


def photos_per_batch(wanted: int | None, device: torch.device) -> int:
    """How many photos are explained together."""
    return wanted or PHOTOS_PER_BATCH.get(device.type, PHOTOS_PER_BATCH_ON_A_GPU)


def make_method(name: str, model: Model, options: dict[str, Any], size: int) -> Attribution | Baseline:
    """The method, with a start that fits, and as many levels as the size has room for."""
    options = dict(options)
    file = options.get("init")
    if isinstance(file, Path):
        start = load_explanation(file)
        options["init"] = start.mask
    method: Attribution | Baseline = METHODS[name].load()(model, **options)
    if isinstance(file, Path):
        _check_start(file, len(start), start.options, tuple(start.images.shape[-2:]), method, size)
    method.representation.transform((size, size), model.dtype, model.device)
    return method


def _check_start(
    file: Path, count: int, options: dict[str, Any], has: tuple[int, ...], method: Attribution | Baseline, size: int
) -> None:
    if count != 1:
        raise OptionError(f"{file} holds {count} explanations: --init needs the mask of one")
    for key, value in method.representation.options().items():
        if options.get(key) != value:
            raise OptionError(f"--init {file} is a mask for {key} {options.get(key)}, not {value}")
    if has != (size, size):
        raise OptionError(f"--init {file} is a mask for {has[0]} x {has[1]} pixels, not {size} x {size}")


def labels_of(model: Model, targets: Targets, photos: int) -> list[str]:
    """All labels that the report may have to align; none where they are not those of classes."""
    if not targets.labels_are_classes:
        return []
    if targets.known:
        return [model.class_name(index) for index in targets.classes if index is not None]
    if photos == 1 and not targets.several:
        return []
    return [entry.name for entry in model.classes or ()]


def provenance(options: dict[str, Any]) -> dict[str, Any]:
    """What the method itself does not know of its options."""
    return {"init": str(options["init"])} if isinstance(options.get("init"), Path) else {}

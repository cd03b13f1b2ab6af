"""Turns options into the objects that they name: the network, its device, the size of photos, the method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from rdexplain.core import philox
from rdexplain.core.surroundings import usual_surroundings
from rdexplain.errors import OptionError
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.baselines import Baseline
from rdexplain.methods.explainer import Explainer, is_explainer, load_explainer
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model, as_model, frozen, load_model
from rdexplain.models.known_classes import read_classes
from rdexplain.models.model import check_device
from rdexplain.results.explanation import Explanation
from rdexplain.results.loading import load_explanation
from rdexplain.work.options import option_of
from rdexplain.work.progress import Progress
from rdexplain.work.settings import METHOD_OPTIONS

DEFAULT_SIZE = 256
DEFAULT_FITS = {"detection": "letterbox"}
PHOTOS_PER_BATCH = {"cpu": 4}
PHOTOS_PER_BATCH_ON_A_GPU = 64
"""With the four draws of `fast` these fill a forward pass of 256 images, `core.memory.PIXELS_AT_ONCE`."""


def find_model(options: Any, progress: Progress, name: str | None = None) -> Model:
    """The network that the options name, or the one called `name`, on the device of the options."""
    wanted = model_arguments(options)
    device = find_device(options.device)
    if name is not None:
        wanted["name"] = name
    if not isinstance(wanted["name"], str | Path):
        return _given(wanted, device)
    progress.stage(f"loading {wanted['name']}")
    return load_model(**wanted, device=device)


def _given(wanted: dict[str, Any], device: str | torch.device) -> Model:
    """The model of a network object that the caller has passed, in place of a name."""
    by_name = [name for name in ("weights", "precision") if wanted.pop(name) is not None]
    if not wanted.pop("normalise"):
        by_name.append("no_normalise")
    if by_name:
        raise OptionError(f"`{by_name[0]}` is for networks that are loaded by name")
    if wanted["classes"] is not None:
        wanted["classes"] = read_classes(wanted["classes"])
    network = wanted.pop("name")
    return as_model(network, **{name: value for name, value in wanted.items() if value is not None}).on(device)


def model_arguments(options: Any) -> dict[str, Any]:
    """The arguments of `load_model`, except the device."""
    if options.no_normalise and (options.mean or options.std):
        raise OptionError("`no_normalise` leaves no use for `mean` and `std`")
    return {
        "name": options.model,
        "weights": options.weights,
        "mean": options.mean,
        "std": options.std,
        "normalise": not options.no_normalise,
        "classes": options.classes,
        "precision": options.precision,
        "activation": options.activation,
    }


def portable_model(options: Any) -> dict[str, Any]:
    """`model_arguments` for workers, which may have another current folder.

    Raises:
        OptionError: it is a network itself, which cannot be sent to workers.
    """
    wanted = model_arguments(options)
    if not isinstance(wanted["name"], str | Path):
        raise OptionError("`model` must be a name here, since workers load it: your own is package.module:factory")
    for file in ("weights", "classes"):
        if isinstance(wanted[file], str) and Path(wanted[file]).is_file():
            wanted[file] = str(Path(wanted[file]).absolute())
    return wanted


def find_device(name: str) -> str | torch.device:
    """The device, after a check that it works here."""
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
    """How photos are fitted into the square: `wanted`, else with grey bars for detectors, which are trained so."""
    return wanted or DEFAULT_FITS.get(model.task, "squash")


def photo_size(wanted: int | None, model: Model) -> int:
    """The side of the square that is explained, in pixels. `sizes.check_size` has checked the wanted one.

    Raises:
        OptionError: the model takes another size only.
    """
    if model.fixed_size and model.input_size is not None:
        if wanted not in (None, model.input_size):
            raise OptionError(
                f"{model.name} takes photos of {model.input_size} x {model.input_size} pixels only: leave out `size`"
            )
        return model.input_size
    if model.task == "detection" and model.input_size is not None:
        return wanted or model.input_size  # small objects are lost in small photos
    return wanted or DEFAULT_SIZE


def photos_per_batch(wanted: int | None, device: torch.device) -> int:
    """How many photos are explained together."""
    return wanted or PHOTOS_PER_BATCH.get(device.type, PHOTOS_PER_BATCH_ON_A_GPU)


def method_options(options: Any, method: str, among: Sequence[str] = ()) -> dict[str, Any]:
    """The given options that a method's constructor takes.

    Args:
        among: all methods of the job, if there are several: an option that only others of them have is left out.

    Raises:
        OptionError: an option that neither the method nor any of `among` has.
    """
    given = {}
    for one in (one for group in METHOD_OPTIONS for one in fields(group)):
        option, value = option_of(one), getattr(options, one.name)
        if not option.of_method or value is None:
            continue
        if option.only and method not in option.only:
            if set(option.only) & set(among):
                continue
            others = _listed(tuple(among) or (method,))
            raise OptionError(f"`{one.name}` is an option of {_listed(option.only)}, not of {others}")
        given[one.name] = value
    return given


def takes(method: str, option: str) -> bool:
    """Whether a method's constructor takes one of the `METHOD_OPTIONS`."""
    declared = next(found for group in METHOD_OPTIONS if (found := group.declared().get(option)) is not None)
    return not declared.only or method in declared.only


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def make_method(name: str, model: Model, options: dict[str, Any], size: int) -> Attribution | Baseline:
    """The method. A start from a file must fit it, and the size must have room for its levels.

    Raises:
        OptionError: one of them does not fit.
    """
    options = dict(options)
    file = options.get("init")
    start = read_start(file) if isinstance(file, Path) else None
    if start is not None:
        options["init"] = as_init(start)
    method: Attribution | Baseline = METHODS[name].load()(model, **options)
    if isinstance(file, Path) and isinstance(start, Explanation):
        _check_start(file, len(start), start.options, tuple(start.images.shape[-2:]), method, size)
    method.representation.transform((size, size), model.dtype, model.device)
    return method


def read_start(file: Path) -> Explanation | Explainer:
    """What a file for `init` holds."""
    return load_explainer(file) if is_explainer(file) else load_explanation(file)


def as_init(start: Explanation | Explainer) -> list[torch.Tensor] | Explainer:
    """What a method takes as `init`: the explainer itself, or the mask of an explanation."""
    return start if isinstance(start, Explainer) else start.mask


def _check_start(
    file: Path, count: int, options: dict[str, Any], has: tuple[int, ...], method: Attribution | Baseline, size: int
) -> None:
    if count != 1:
        raise OptionError(f"{file} holds {count} explanations: `init` needs the mask of one")
    for key, value in method.representation.options().items():
        if options.get(key) != value:
            raise OptionError(f"`init` {file} is a mask for {key} {options.get(key)}, not {value}")
    if has != (size, size):
        raise OptionError(f"`init` {file} is a mask for {has[0]} x {has[1]} pixels, not {size} x {size}")


def provenance(options: dict[str, Any]) -> dict[str, Any]:
    """Options for the record that the method itself does not know: the file that it starts from."""
    return {"init": str(options["init"])} if isinstance(options.get("init"), Path) else {}


def find_meaning(model: Model, size: int) -> None:
    """Find out what a classifier's output means for photos of a size. In this process, also where workers explain."""
    if model.activation != "auto":
        return
    with usual_surroundings(model.device), frozen(model):
        images = torch.zeros(1, 3, size, size, dtype=model.dtype, device=model.device)
        model.resolve(philox.noise_image(images))


def reading(model: Model) -> str | None:
    """A message on how a classifier's output was interpreted, since logits of labels look like those of classes.

    None where `activation` says it, or nothing was found out.
    """
    meaning = model.meaning
    unknown = model.record()["activation"] == "auto"  # no network of this process was asked
    if model.activation != "auto" or model.task != "classification" or unknown:
        return None
    if meaning.activation == "none":
        kind = "exclude each other" if meaning.exclusive else "exclude nothing"
        return f"{model.name} gives probabilities of classes that {kind} (`activation` none)"
    if meaning.activation == "sigmoid":
        return f"{model.name} gives one logit, whose sigmoid is the probability of class 1 (`activation` sigmoid)"
    return f"{model.name} gives logits, read by a softmax: `activation` sigmoid if its labels exclude nothing"

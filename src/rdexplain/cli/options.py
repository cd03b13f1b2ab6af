"""The options of the commands, as data: a command is a choice of these groups.

Names of noises, distortions and so on are repeated here because their modules import PyTorch; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rdexplain.cli.command import Parser, UsageError
from rdexplain.cli.values import (
    name_or_file,
    names,
    not_negative,
    one_of,
    per_channel,
    positive,
    probability,
    several_of,
    whole,
)
from rdexplain.methods.registry import METHODS

DEFAULT_MODEL = "efficientnet_lite0"
PRESETS = ("fast", "best", "paper")
NOISES = ("gaussian", "uniform", "zero")
NOISE_SCALINGS = ("original", "linear", "inverse_linear", "exponential")
DISTORTIONS = ("label", "maximise_label", "l2", "l2_root", "weighted_l2", "weighted_l2_root", "kl")
DEFAULT_CONFIDENCE = 0.25
INITS = ("ones", "coarse", "random", "gradient")
ACTIVATIONS = ("auto", "softmax", "sigmoid", "none")
PRECISIONS = ("float32", "float16", "bfloat16")
FITS = ("squash", "crop", "letterbox")
SCORES = ("logit", "probability")
RULES = ("epsilon_plus", "epsilon")

_MASKS = tuple(method.name for method in METHODS.values() if not method.is_baseline)
WAVELETS = ("cartoonx", "random_wavelet")
TOGETHER = (
    "cartoonx",
    "pixel_rde",
    "integrated_gradients",
    "smooth_grad",
    "guided_backprop",
    "grad_cam",
    "lrp",
    "lime",
)
_SCORED = ("integrated_gradients", "smooth_grad", "guided_backprop", "grad_cam", "lime", "occlusion")


@dataclass(frozen=True)
class Option:
    """An argument of one or more commands.

    Attributes:
        flags: `--name`, the name first that messages use; a bare name is a positional argument.
        kind: from its text to its value; None for a switch.
        metavar: the value in the help.
        extra: what else argparse shall know.
        of_method: whether the method's constructor takes it, under its own name.
        only: the methods that have it; empty for all.
    """

    flags: str
    help: str
    kind: Callable[[str], Any] | None = None
    metavar: str | None = None
    default: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
    of_method: bool = False
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The attribute of the parsed arguments."""
        return self.extra.get("dest") or self.flags.split()[0].lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class Group:
    """Options under a heading of the help."""

    title: str
    options: tuple[Option, ...]


def add(parser: Parser, groups: Sequence[Group]) -> None:
    """Declare groups of options."""
    for group in groups:
        section = parser.add_argument_group(group.title)
        for option in group.options:
            value: dict[str, Any] = {"action": "store_true"}
            if option.kind is not None:
                value = {"type": option.kind, "metavar": option.metavar, "default": option.default}
            section.add_argument(*option.flags.split(), help=option.help, **(value | option.extra))


def method_options(arguments: Any, method: str, among: Sequence[str] = ()) -> dict[str, Any]:
    """The given options that a method's constructor takes.

    Args:
        among: the methods that the options are meant for, if there are several: one that another of them has is left
            out.

    Raises:
        UsageError: an option that the method does not have, nor any other that it is meant for.
    """
    given = {}
    for option in (option for group in METHOD_GROUPS for option in group.options if option.of_method):
        value = getattr(arguments, option.name)
        if value is None:
            continue
        if option.only and method not in option.only:
            if set(option.only) & set(among):
                continue
            others = _listed(tuple(among) or (method,))
            raise UsageError(f"{option.flags.split()[0]} is an option of {_listed(option.only)}, not of {others}")
        given[option.name] = value
    return given


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _names(names: Sequence[str]) -> str:
    return "{" + ",".join(names) + "}"


def _choice(flag: str, kind: str, names: Sequence[str], help: str, default: str | None = None) -> Option:
    return Option(flag, help, one_of(kind, names), _names(names), default)


def _of_method(flag: str, kind: Callable[[str], Any], metavar: str, help: str, only: tuple[str, ...] = ()) -> Option:
    return Option(flag, help, kind, metavar, of_method=True, only=only)


PHOTOS = Group(
    "photos",
    (
        Option("photos", "a photo, a folder, a glob pattern, or sample:NAME", str, "PHOTO", extra={"nargs": "+"}),
        Option(
            "--size",
            "side of the square that is explained, in pixels (default 256, or the model's own)",
            whole(1),
            "PIXELS",
        ),
        _choice(
            "--fit",
            "fit",
            FITS,
            "squash to the square, crop the centre, or add grey bars (default squash; letterbox for detectors)",
        ),
    ),
)
MODEL = Group(
    "model",
    (
        Option(
            "--model",
            "a name of `rdexplain models`, timm/NAME, hf/NAME, a file (.onnx, .pt2, .pt of TorchScript or YOLOv5), or "
            "your own package.module:factory (default efficientnet_lite0)",
            str,
            "NAME",
            DEFAULT_MODEL,
        ),
        Option("--weights", "a safetensors or PyTorch state dict, a torchvision version, or random", str, "FILE"),
        Option("--classes", "names of the classes, one per line, or imagenet, voc or coco", str, "FILE"),
        _choice("--precision", "precision", PRECISIONS, "what the network computes in (default its own)"),
        Option("--mean", "normalisation: a number or R,G,B, in place of the model's own", per_channel, "M"),
        Option("--std", "normalisation: a number or R,G,B, in place of the model's own", per_channel, "S"),
        _choice(
            "--activation",
            "activation",
            ACTIVATIONS,
            "what makes probabilities of the output: softmax, sigmoid (each label by itself), none (default auto)",
        ),
        Option(
            "--no-normalise --no-normalize",
            "feed images in [0, 1] as they are, as the published scripts do",
            extra={"dest": "no_normalise"},
        ),
    ),
)
CONFIDENCE = Option(
    "--confidence", "the least confidence of a detected object (default 0.25)", probability, "P", DEFAULT_CONFIDENCE
)
CLASSES = Group(
    "what is explained",
    (
        Option(
            "--target",
            "a class: its index, its name, its WordNet id, or auto, the predicted one (default); may be repeated",
            str,
            "CLASS",
            extra={"action": "append"},
        ),
        Option("--top-k", "the K most probable classes of each photo", whole(1), "K"),
    ),
)
TARGETS = Group(
    CLASSES.title,
    (
        *CLASSES.options,
        Option("--above", "every label with at least this probability", probability, "P"),
        Option(
            "--against",
            "why the target rather than this class; may be repeated",
            str,
            "CLASS",
            extra={"action": "append"},
        ),
        Option(
            "--segment",
            "a class of a segmentation: its index, its name, auto, the largest (default), or all; may be repeated",
            str,
            "CLASS",
            extra={"action": "append"},
        ),
        Option(
            "--object",
            "a detection: its number in `rdexplain detect`, its class, all, or anchors; may be repeated (default 0)",
            str,
            "OBJECT",
            extra={"action": "append"},
        ),
        CONFIDENCE,
    ),
)
METHOD = Group(
    "method",
    (
        _choice("--method", "method", tuple(METHODS), "see `rdexplain methods` (default cartoonx)", "cartoonx"),
        _of_method(
            "--preset",
            one_of("preset", PRESETS),
            _names(PRESETS),
            "what sets the options that are not given (default fast)",
            _MASKS,
        ),
        _of_method(
            "--steps", whole(1), "N", "optimiser steps; points of the integral", (*_MASKS, "integrated_gradients")
        ),
        _of_method("--draws", whole(1), "N", "noise draws a step", _MASKS),
        _of_method(
            "--sparsity", not_negative, "λk", "weight of the mask's mean; more is a smaller explanation", _MASKS
        ),
        _of_method(
            "--max-distortion",
            positive,
            "D",
            "find the sparsest mask within this distortion, in place of --sparsity; four times the cost",
            _MASKS,
        ),
        _of_method("--rate", positive, "R", "find the best mask that keeps this share, in place of --sparsity", _MASKS),
        _of_method("--step-size", positive, "RATE", "of the optimiser", _MASKS),
        _of_method(
            "--init",
            name_or_file("init", INITS, ".safetensors"),
            _names((*INITS, "FILE")),
            "the mask to start from; FILE is an explanation's .safetensors",
            _MASKS,
        ),
        _of_method(
            "--distortion",
            one_of("distortion", DISTORTIONS),
            _names(DISTORTIONS),
            "what must be kept (default label)",
            _MASKS,
        ),
        _of_method(
            "--noise", one_of("noise", NOISES), _names(NOISES), "what replaces the rest (default gaussian)", _MASKS
        ),
        _of_method(
            "--noise-scaling",
            one_of("noise scaling", NOISE_SCALINGS),
            _names(NOISE_SCALINGS),
            "of the noise over the scales (default original)",
            _MASKS,
        ),
        _of_method("--seed", whole(0), "N", "of the noise, or whatever is random (default 0)"),
    ),
)
COMPARED = Group(
    "methods and networks",
    (
        Option(
            "--methods",
            f"names with commas between them, see `rdexplain methods` (default {','.join(TOGETHER)}; cartoonx alone "
            "with --models)",
            several_of("method", tuple(METHODS)),
            "NAME,NAME",
        ),
        Option(
            "--models",
            "several networks in place of --model, with commas between them: a column for each, or with several "
            "methods a row",
            names,
            "NAME,NAME",
        ),
        *METHOD.options[1:],
    ),
)
BASELINES = Group(
    "baselines",
    (
        _of_method(
            "--score",
            one_of("score", SCORES),
            _names(SCORES),
            "what is attributed (default logit; probability for integrated_gradients, lime and occlusion)",
            _SCORED,
        ),
        _of_method("--layer", str, "NAME", "layer of grad_cam (default the last spatial one)", ("grad_cam",)),
        _of_method("--rule", one_of("rule", RULES), _names(RULES), "of lrp (default epsilon_plus)", ("lrp",)),
        _of_method("--epsilon", positive, "ε", "of lrp's rule (default 1e-6)", ("lrp",)),
        _of_method(
            "--n-samples",
            whole(1),
            "N",
            "noisy copies of smooth_grad (default 100, the study has 1000), changed images of lime (default 300)",
            ("smooth_grad", "lime"),
        ),
        _of_method(
            "--spread", not_negative, "SHARE", "noise of smooth_grad, of the photo's range (0.15)", ("smooth_grad",)
        ),
        _of_method(
            "--references",
            whole(1),
            "N",
            "random images of integrated_gradients (default 10)",
            ("integrated_gradients",),
        ),
        _of_method("--segments", whole(1), "N", "superpixels of lime (default 50)", ("lime",)),
        _of_method(
            "--window", whole(1), "PIXELS", "square of occlusion (default an eighth of the size)", ("occlusion",)
        ),
        _of_method("--stride", whole(1), "PIXELS", "how far it moves (default half its side)", ("occlusion",)),
    ),
)
WAVELET = Group(
    "wavelets (cartoonx, random_wavelet)",
    (
        _of_method("--wavelet", str, "NAME", "any discrete wavelet of PyWavelets (default db3)", WAVELETS),
        _of_method("--levels", whole(1), "N", "scales (default 5)", WAVELETS),
        _of_method("--padding", str, "MODE", "boundary mode of PyWavelets (default zero)", WAVELETS),
    ),
)
_WRITING = (
    Option("--out", "folder for the results (default explanations)", Path, "DIR", Path("explanations")),
    Option("--overwrite", "replace results that are there already"),
)
WRITING = Group("results", _WRITING)
RESULTS = Group(
    "results",
    (
        *_WRITING,
        Option("--samples", "also a picture of N obfuscated images, and what the model sees in them", whole(0), "N", 0),
        Option("--repeats", "solve N times with other noise, and say and draw what all of them keep", whole(1), "N", 1),
        Option("--original-size", "also the explanation at the size of the original photo"),
    ),
)
RUNNING = Group(
    "running",
    (
        Option("--device", "auto, cpu, cuda, cuda:1, ... (default auto: a GPU if there is one)", str, "DEVICE", "auto"),
        _of_method("--internal-batch-size", whole(1), "N", "images in one forward pass; bounds the memory"),
        Option(
            "--no-accelerate",
            "run the network as it is, not a faster copy that is equal up to rounding",
            extra={"action": "store_const", "const": False, "dest": "accelerate", "default": None},
            of_method=True,
        ),
        Option(
            "--no-batch-invariant",
            "photos share forward passes on a CPU too: faster for small ones, but masks then differ as rounding does, "
            "amplified",
            extra={"action": "store_const", "const": False, "dest": "batch_invariant", "default": None},
            of_method=True,
            only=_MASKS,
        ),
        Option("--photos-per-batch", "photos that are explained together (default 4, or 16 on a GPU)", whole(1), "N"),
        Option("--quiet", "print nothing but errors"),
    ),
)
ENGINES = ("local", "ray")
DEVICES = replace(
    RUNNING.options[0],
    help="auto, cpu, cuda, cuda:1, or several with commas between them (default auto: all GPUs, or the CPU)",
)
CARRIED = (
    _choice("--engine", "engine", ENGINES, "local: this machine, or ray (default local)", "local"),
    Option("--address", "of a Ray cluster (default one on this machine, for as long as it takes)", str, "ADDRESS"),
    Option(
        "--workers",
        "processes that share the work (default one for each device; with Ray for each GPU, or each CPU)",
        whole(1),
        "N",
    ),
    Option("--worker-cpus", "CPUs, PyTorch's threads, of each worker (default its share; with Ray 1)", whole(1), "N"),
    DEVICES,
)
WORKING = Group("running", (*CARRIED, *(option for option in RUNNING.options if option.name != "device")))
METHOD_GROUPS = (METHOD, WAVELET, BASELINES, RUNNING)

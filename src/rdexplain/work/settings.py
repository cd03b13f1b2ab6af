"""Groups of options that several jobs share. Nothing here imports PyTorch, so that `--help` is quick.

Names of noises, distortions and so on are repeated here, because their modules import PyTorch; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdexplain.methods.registry import METHODS
from rdexplain.work.options import Options, option
from rdexplain.work.values import (
    likelihood,
    name_or_file,
    not_negative,
    one_of,
    per_channel,
    positive,
    probability,
    whole,
)

DEFAULT_MODEL = "efficientnet_lite0"
PRESETS = ("draft", "fast", "best", "paper", "instant")
NOISES = ("gaussian", "uniform", "zero")
NOISE_SCALINGS = ("original", "linear", "inverse_linear", "exponential")
DISTORTIONS = ("label", "maximise_label", "l2", "l2_root", "weighted_l2", "weighted_l2_root", "kl")
DEFAULT_CONFIDENCE = 0.25
ORDERS = ("time", "path", "none")
INITS = ("ones", "coarse", "random", "gradient", "sensitivity")
ACTIVATIONS = ("auto", "softmax", "sigmoid", "none")
PRECISIONS = ("float32", "float16", "bfloat16")
FITS = ("squash", "crop", "letterbox")
SCORES = ("logit", "probability")
RULES = ("epsilon_plus", "epsilon")
ENGINES = ("local", "ray")
_SOME_WAVELETS = ("haar", "db2", "db3", "db4", "db5", "sym4", "coif1", "bior2.2")
_SOME_MODELS = (
    *("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"),
    *("mobilenet_v3_small", "mobilenet_v3_large", "resnet18", "resnet50", "convnext_tiny", "swin_t", "vit_b_16"),
    *("deeplabv3_resnet50", "fasterrcnn_resnet50_fpn", "yolov5s", "timm/", "hf/"),
)
_DEVICES = ("auto", "cpu", "cuda", "cuda:0", "mps")
"""For a shell to complete; there are others."""
WAVELETS = ("cartoonx", "waveletx", "random_wavelet")
SHEARLETS = ("shearletx",)

_MASKS = tuple(method.name for method in METHODS.values() if not method.is_baseline)
_SCORED = ("integrated_gradients", "smooth_grad", "guided_backprop", "grad_cam", "lime", "occlusion")


def choice(kind: str, names: Sequence[str], help: str, default: str | None = None, **more: Any) -> Any:
    """An option that is one of a few names."""
    return option(help, one_of(kind, names), braced(names), default, choices=tuple(names), **more)


def braced(names: Sequence[str]) -> str:
    """Names in braces, as the help shows them."""
    return "{" + ",".join(names) + "}"


def _choice(only: tuple[str, ...], kind: str, names: Sequence[str], help: str) -> Any:
    """An option of some methods that is one of a few names."""
    return choice(kind, names, help, of_method=True, only=only)


def _of(
    only: tuple[str, ...], help: str, kind: Callable[[str], Any] | None, metavar: str | None = None, **more: Any
) -> Any:
    """An option that some methods' constructors take."""
    return option(help, kind, metavar, of_method=True, only=only, **more)


@dataclass(frozen=True, kw_only=True)
class Photos(Options, title="photos"):
    """Photos by their names."""

    photos: Sequence[str] = option(
        "a photo, a folder, a glob pattern, or sample:NAME", str, "PHOTO", (), many=True, positional=True
    )


@dataclass(frozen=True, kw_only=True)
class Square(Options, title="photos"):
    """How photos are read."""

    size: int | None = option(
        "side of the square that is explained, in pixels (default 256, or the model's own)", whole(1), "PIXELS"
    )
    fit: str | None = choice(
        "fit", FITS, "squash to the square, crop the centre, or add grey bars (default squash; letterbox for detectors)"
    )


@dataclass(frozen=True, kw_only=True)
class Network(Options, title="model"):
    """The network and its properties."""

    model: Any = option(
        "a name of `rdexplain models`, timm/NAME, hf/NAME, a file (.onnx, .pt2, .pt of TorchScript or YOLOv5), or "
        "your own package.module:factory (default efficientnet_lite0)",
        str,
        "NAME",
        DEFAULT_MODEL,
        choices=_SOME_MODELS,
        objects=True,
    )
    weights: str | None = option("a safetensors or PyTorch state dict, a torchvision version, or random", str, "FILE")
    classes: Any = option(
        "names of the classes, one per line, or imagenet, voc or coco",
        str,
        "FILE",
        choices=("imagenet", "voc", "coco"),
        objects=True,
    )
    precision: str | None = choice("precision", PRECISIONS, "what the network computes in (default its own)")
    mean: Sequence[float] | None = option(
        "normalisation: a number or R,G,B, in place of the model's own", per_channel, "M", listed=True
    )
    std: Sequence[float] | None = option(
        "normalisation: a number or R,G,B, in place of the model's own", per_channel, "S", listed=True
    )
    activation: str | None = choice(
        "activation",
        ACTIVATIONS,
        "what makes probabilities of the output: softmax, sigmoid (each label by itself), none (default auto)",
    )
    no_normalise: bool = option(
        "feed images in [0, 1] as they are, as the published scripts do",
        default=False,
        flags=("--no-normalise", "--no-normalize"),
    )


@dataclass(frozen=True, kw_only=True)
class Classes(Options, title="what is explained"):
    """Which classes are explained."""

    target: Sequence[str] | None = option(
        "a class: its index, its name, its WordNet id, or auto, the predicted one (default)",
        str,
        "CLASS",
        many=True,
        listed=True,
    )
    top_k: int | None = option("the K most probable classes of each photo", whole(1), "K")


@dataclass(frozen=True, kw_only=True)
class Confidence(Options, title="what is explained"):
    """Which objects of a detector count."""

    confidence: float = option(
        "the least confidence of a detected object (default 0.25)", probability, "P", DEFAULT_CONFIDENCE
    )


@dataclass(frozen=True, kw_only=True)
class Questions(Options, title="what is explained"):
    """What may be explained in place of classes."""

    above: float | None = option("every label with at least this probability", likelihood, "P")
    against: Sequence[str] | None = option("why the target rather than this class", str, "CLASS", many=True)
    segment: Sequence[str] | None = option(
        "a class of a segmentation: its index, its name, auto, the largest (default), or all",
        str,
        "CLASS",
        many=True,
    )
    object: Sequence[str] | None = option(
        "a detection: its number in `rdexplain detect`, its class, all, or anchors (default 0)",
        str,
        "OBJECT",
        many=True,
    )


@dataclass(frozen=True, kw_only=True)
class Masks(Options, title="method"):
    """Options of the methods that solve for a mask; some baselines share one."""

    preset: str | None = _choice(
        _MASKS,
        "preset",
        PRESETS,
        "what sets the options that are not given (default fast); draft (CartoonX) takes less than half of its work; "
        "instant is an explainer's mask as it is, see `init`",
    )
    steps: int | None = _of((*_MASKS, "integrated_gradients"), "optimiser steps; points of the integral", whole(1), "N")
    draws: int | None = _of(_MASKS, "noise draws a step", whole(1), "N")
    sparsity: float | None = _of(_MASKS, "weight of the mask's mean; more is a smaller explanation", not_negative, "λk")
    spatial: float | None = _of(
        _MASKS, "weight of the picture's brightness (waveletx: 10, shearletx: 2, others: 0)", not_negative, "L2"
    )
    max_distortion: float | None = _of(
        _MASKS,
        "find the sparsest mask within this distortion, in place of `sparsity`; four times the cost",
        positive,
        "D",
    )
    rate: float | None = _of(_MASKS, "find the best mask that keeps this share, in place of `sparsity`", positive, "R")
    step_size: float | None = _of(_MASKS, "of the optimiser", positive, "RATE")
    init: Any = _of(
        _MASKS,
        "the mask to start from; FILE is an explanation's .safetensors, or an explainer's, which predicts it",
        name_or_file("init", INITS, ".safetensors"),
        braced((*INITS, "FILE")),
        choices=INITS,
        objects=True,
    )
    distortion: str | None = _choice(
        _MASKS, "distortion", DISTORTIONS, "what must be kept (default the preset's, mostly label)"
    )
    noise: str | None = _choice(_MASKS, "noise", NOISES, "what replaces the rest (default gaussian or uniform)")
    noise_scaling: str | None = _choice(
        _MASKS, "noise scaling", NOISE_SCALINGS, "of the noise over the scales (default original)"
    )
    order: str | None = _choice(
        _MASKS,
        "order",
        ORDERS,
        "how the mask's zeros are ranked, for an evaluation: by the steps, by a path of λ at a fifth more of the "
        "cost, or not (default time)",
    )
    seed: int | None = _of((), "of the noise, or whatever is random (default 0)", whole(0), "N")


@dataclass(frozen=True, kw_only=True)
class Wavelets(Options, title="wavelets, shearlets and smooth masks"):
    """The representation of a mask."""

    wavelet: str | None = _of(
        WAVELETS, "any discrete wavelet of PyWavelets (default db3)", str, "NAME", choices=_SOME_WAVELETS
    )
    levels: int | None = _of(WAVELETS, "scales (default 5)", whole(1), "N")
    padding: str | None = _of(WAVELETS, "boundary mode of PyWavelets (default zero)", str, "MODE")
    scales: int | None = _of(SHEARLETS, "scales of shearletx (default 4, for 128 pixels or more)", whole(1), "N")
    sampled: bool | None = _of(
        SHEARLETS,
        "each direction of shearletx has as many coefficients as its spectrum needs (default true)",
        None,
        flags=("--no-sampled",),
        gives=False,
        flag_help="a coefficient of shearletx for each pixel and direction, as published: about 18 times as many",
    )
    smoothness: float | None = _of(
        ("smooth_pixel_rde",), "of the mask: a share of the photo's side (default 1/32)", not_negative, "SHARE"
    )


@dataclass(frozen=True, kw_only=True)
class Baselines(Options, title="baselines"):
    """Options of the methods that give a heatmap."""

    score: str | None = _choice(
        _SCORED,
        "score",
        SCORES,
        "what is attributed (default logit; probability for integrated_gradients, lime and occlusion)",
    )
    layer: str | None = _of(("grad_cam",), "layer of grad_cam (default the last spatial one)", str, "NAME")
    rule: str | None = _choice(("lrp",), "rule", RULES, "of lrp (default epsilon_plus)")
    epsilon: float | None = _of(("lrp",), "of lrp's rule (default 1e-6)", positive, "ε")
    n_samples: int | None = _of(
        ("smooth_grad", "lime"),
        "noisy copies of smooth_grad (default 100, the study has 1000), changed images of lime (default 300)",
        whole(1),
        "N",
    )
    spread: float | None = _of(
        ("smooth_grad",), "noise of smooth_grad, of the photo's range (0.15)", not_negative, "SHARE"
    )
    references: int | None = _of(
        ("integrated_gradients",), "random images of integrated_gradients (default 10)", whole(1), "N"
    )
    segments: int | None = _of(("lime",), "superpixels of lime (default 50)", whole(1), "N")
    window: int | None = _of(("occlusion",), "square of occlusion (default an eighth of the size)", whole(1), "PIXELS")
    stride: int | None = _of(("occlusion",), "how far it moves (default half its side)", whole(1), "PIXELS")


@dataclass(frozen=True, kw_only=True)
class Writing(Options, title="results"):
    """Where results go."""

    out: Path = option("folder for the results (default explanations)", Path, "DIR", Path("explanations"))
    overwrite: bool = option("replace results that are there already", default=False)


@dataclass(frozen=True, kw_only=True)
class Device(Options, title="running"):
    """Where the network computes."""

    device: str = option(
        "auto, cpu, cuda, cuda:1, ... (default auto: a GPU if there is one)", str, "DEVICE", "auto", choices=_DEVICES
    )


@dataclass(frozen=True, kw_only=True)
class Workers(Options, title="running"):
    """The workers."""

    engine: str = choice("engine", ENGINES, "local: this machine, or ray (default local)", "local")
    address: str | None = option(
        "of a Ray cluster (default one on this machine, for as long as it takes)", str, "ADDRESS"
    )
    workers: int | None = option(
        "processes that share the work (default one for each device; with Ray for each GPU, or each CPU)",
        whole(1),
        "N",
    )
    worker_cpus: int | None = option(
        "CPUs, PyTorch's threads, of each worker (default its share; with Ray 1)", whole(1), "N"
    )
    device: str = option(
        "auto, cpu, cuda, cuda:1, or several with commas between them (default auto: all GPUs, or the CPU)",
        str,
        "DEVICE",
        "auto",
        choices=_DEVICES,
        listed=True,
    )


@dataclass(frozen=True, kw_only=True)
class Forward(Options, title="running"):
    """How the network is run."""

    internal_batch_size: int | None = _of((), "images in one forward pass; bounds the memory", whole(1), "N")
    accelerate: bool | None = _of(
        (),
        "run the network as a faster copy that is equal up to rounding, where there is one (default true)",
        None,
        flags=("--no-accelerate",),
        gives=False,
        flag_help="run the network as it is, not a faster copy that is equal up to rounding",
    )
    batch_invariant: bool | None = _of(
        _MASKS,
        "solve each photo by itself, so that its mask is the same to the last bit in any batch (default on a CPU)",
        None,
        flags=("--no-batch-invariant",),
        gives=False,
        flag_help="photos share forward passes on a CPU too: faster for small ones, but masks then differ as rounding "
        "does, amplified",
    )
    photos_per_batch: int | None = option(
        "photos that are explained together (default 4, or 64 on a GPU)", whole(1), "N"
    )


METHOD_OPTIONS = (Masks, Wavelets, Baselines, Forward)

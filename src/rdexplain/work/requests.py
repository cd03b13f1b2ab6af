"""The options of each job, with the same names and defaults on the command line, in files and in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rdexplain.methods.registry import METHODS
from rdexplain.work.options import Options, option
from rdexplain.work.settings import (
    DISTORTIONS,
    Baselines,
    Classes,
    Confidence,
    Device,
    Forward,
    Masks,
    Network,
    Photos,
    Questions,
    Square,
    Wavelets,
    Workers,
    Writing,
    choice,
)
from rdexplain.work.values import (
    likelihood,
    names,
    one_of,
    part,
    percentages,
    positive,
    several_of,
    several_or_all,
    whole,
)

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
"""Methods that `compare` compares by default."""
STUDIED = tuple(name for name in METHODS if name not in ("waveletx", "shearletx", "smooth_pixel_rde"))
"""Methods that `evaluate` evaluates by default: those of the study. Shearlets do not fit on every size of a photo."""
SCORES = (
    "insertion",
    "deletion",
    "sparseness",
    "complexity",
    "infidelity",
    "localisation",
    "conciseness",
    "hallucination",
    "road",
    "irof",
    "max_sensitivity",
    "randomisation",
    "cascade",
    "seeds",
    "small_changes",
)
DEFAULT_SCORES = SCORES[:4]
DOMAINS = ("own", "pixel", "wavelet")
PROTOCOLS = ("corrected", "published")
TIES = ("kept", "random", "magnitude", "sensitivity")
LAYOUTS = ("auto", "folder", "tree", "manifest", "webdataset", "huggingface")
MASKS = ("float32", "bf16", "uint8")
FORMATS = ("pictures", "panels", "numpy", "quantus", "fiftyone", "coco")
_STUDY = (*(f"figure-{number}" for number in range(1, 22)), "table-1", "accuracy")
_LATER = ("shearletx-conciseness", "shearletx-hallucination", "startgrad")
TARGETS = (*_STUDY, "all", *_LATER, "shearletx")
"""`all` is every target of the study, `shearletx` every one of the later papers."""
STUDY_MODEL = "mobilenet_v3_small"
SEGMENTER, DETECTOR = "deeplabv3_resnet50", "yolov5s"
NETWORKS = ("mobilenet_v3_small", "resnet18", "resnet50", "vit_b_16")


def _several(kind: str, known: Sequence[str], help: str, default: Any = None, none: bool = False) -> Any:
    """An option whose value is several of some names, or all of them."""
    more = (*known, "all", "none") if none else known
    kinds = several_or_all(kind, tuple(known), none)
    return option(help, kinds, "NAMES", default, choices=tuple(more), listed=True)


def _ties() -> Any:
    help = "how what is equally important, such as a mask's zeros, is ranked: kept, as `explain` has ranked it,"
    return choice("order", TIES, f"{help} at random, by magnitude or by sensitivity (default kept)", "kept")


@dataclass(frozen=True, kw_only=True)
class _Method(Options, title="method"):
    method: str = option(
        "see `rdexplain methods` (default cartoonx)",
        one_of("method", METHODS),
        "NAME",
        "cartoonx",
        choices=tuple(METHODS),
    )


@dataclass(frozen=True, kw_only=True)
class _Shown(Options, title="results"):
    samples: int = option("also a picture of N obfuscated images, and what the model sees in them", whole(0), "N", 0)
    repeats: int = option(
        "solve N times with other noise, and say and draw how often each coefficient is kept", whole(1), "N", 1
    )
    original_size: bool = option("also the explanation at the size of the original photo", default=False)


@dataclass(frozen=True, kw_only=True)
class Explain(
    Photos,
    Square,
    Classes,
    Questions,
    Confidence,
    Network,
    _Method,
    Masks,
    Wavelets,
    Baselines,
    Writing,
    _Shown,
    Device,
    Forward,
):
    """Explain photos."""


@dataclass(frozen=True, kw_only=True)
class Detect(Photos, Square, Network, Confidence, Device, title="results"):
    """List and draw what a detector sees."""

    out: Path = option("folder for the pictures (default explanations)", Path, "DIR", Path("explanations"))


@dataclass(frozen=True, kw_only=True)
class _Compared(Options, title="methods and networks"):
    methods: tuple[str, ...] | None = option(
        f"names with commas between them, see `rdexplain methods` (default {','.join(TOGETHER)}; cartoonx alone "
        "with `models`)",
        several_of("method", tuple(METHODS)),
        "NAME,NAME",
        choices=tuple(METHODS),
        listed=True,
    )
    models: tuple[str, ...] | None = option(
        "several networks in place of `model`, with commas between them: a column for each, or with several "
        "methods a row",
        names,
        "NAME,NAME",
        listed=True,
    )


@dataclass(frozen=True, kw_only=True)
class Compare(
    Photos,
    Square,
    Classes,
    Questions,
    Confidence,
    Network,
    _Compared,
    Masks,
    Wavelets,
    Baselines,
    Writing,
    Device,
    Forward,
):
    """Compare methods, or networks, on photos."""


@dataclass(frozen=True, kw_only=True)
class _Evaluated(Options, title="what is evaluated"):
    methods: tuple[str, ...] = _several(
        "method",
        tuple(METHODS),
        "names that `rdexplain methods` lists, with commas between them (default those of the study; of explanations "
        "all that are there)",
        (),
    )
    explanations: Path | None = option(
        "in place of photos: a folder that `rdexplain explain` or `run` wrote; nothing is explained again", Path, "DIR"
    )
    percentages: tuple[float, ...] | None = option(
        "of components, 0,5,10,100 or FROM:TO:STEP (default 15 of them)", percentages, "LIST", listed=True
    )
    draws: int = option("noise draws a point (default 8)", whole(1), "N", 8)
    distortions: tuple[str, ...] = _several(
        "distortion", DISTORTIONS, "distances between decisions (default l2,label)", ("l2", "label")
    )
    domains: tuple[str, ...] = _several(
        "domain", DOMAINS, "where components are ranked: own,pixel,wavelet (default all)", DOMAINS
    )
    scores: tuple[str, ...] = _several(
        "score",
        SCORES,
        f"beside the curves: {', '.join(SCORES)}, all or none (default {','.join(DEFAULT_SCORES)})",
        DEFAULT_SCORES,
        none=True,
    )
    boxes: Path | None = option(
        "where the objects are, for localisation: a CSV file with the columns photo, left, top, right, bottom, "
        "in pixels of the photo",
        Path,
        "FILE",
    )
    protocol: Literal["corrected", "published"] = choice(
        "protocol",
        PROTOCOLS,
        "corrected, or published: the study's ties and pixel noise (default corrected)",
        "corrected",
    )
    order: str = _ties()


@dataclass(frozen=True, kw_only=True)
class _Explaining(Options, title="methods"):
    """Methods take those of these that they have."""

    preset: str | None = Masks.field("preset", help=("see `init`", "for `explanations`"))
    steps: int | None = Masks.field("steps")
    seed: int | None = Masks.field("seed")


@dataclass(frozen=True, kw_only=True)
class Evaluate(Photos, Square, _Evaluated, Network, _Explaining, Writing, Workers, Forward):
    """Compare methods: rate-distortion curves and scores."""

    # Without a default: saved explanations may name the model that they are of.
    model: Any = Network.field("model", default=None)
    out: Path = option("folder for the results (default evaluation)", Path, "DIR", Path("evaluation"))


@dataclass(frozen=True, kw_only=True)
class _Doing(Options, title="doing"):
    config: Path | None = option(
        "a YAML file with any of these options as keys; or the folder of a run, to go on",
        Path,
        "CONFIG",
        positional=True,
        key=False,
    )
    dry_run: bool = option("time one batch, and say what the whole will cost; writes nothing", default=False, key=False)
    retry_failed: bool = option("try the photos again that have failed", default=False, key=False)


@dataclass(frozen=True, kw_only=True)
class _Source(Options, title="photos"):
    photos: str | None = option(
        "a folder, a glob pattern, a tree with a folder for each class, a CSV or Parquet manifest, a WebDataset "
        "tar or a folder of them, or a Hugging Face data set on disk",
        str,
        "SOURCE",
    )
    layout: str = option(
        f"what that is: {', '.join(LAYOUTS)} (default auto)", one_of("layout", LAYOUTS), "L", "auto", choices=LAYOUTS
    )
    part: tuple[int, int] | None = option(
        "only the K-th of N parts of the photos, for runs that are merged", part, "K/N", listed=True
    )


@dataclass(frozen=True, kw_only=True)
class _Methods(Options, title="method"):
    method: tuple[str, ...] = option(
        "names that `rdexplain methods` lists, with commas between them (default cartoonx)",
        several_of("method", tuple(METHODS)),
        "NAMES",
        ("cartoonx",),
        choices=tuple(METHODS),
        listed=True,
    )


@dataclass(frozen=True, kw_only=True)
class _Kept(Options, title="results"):
    out: Path = option("folder of the run (default run)", Path, "RUN", Path("run"))
    masks: str = option(
        f"how masks are kept: {', '.join(MASKS)} (default bf16)", one_of("masks", MASKS), "KIND", "bf16", choices=MASKS
    )


@dataclass(frozen=True, kw_only=True)
class Run(_Doing, _Source, Square, Network, Classes, _Methods, Masks, Wavelets, Baselines, _Kept, Workers, Forward):
    """Explain a whole data set."""


@dataclass(frozen=True, kw_only=True)
class Status(Options, title="run"):
    """Show how far a run is."""

    run: Path | None = option("the folder of a run", Path, "RUN", positional=True)


@dataclass(frozen=True, kw_only=True)
class Export(Options, title="run"):
    """Write explanations as pictures, arrays or a data set."""

    run: Path | None = option(
        "the folder of a run; for fiftyone and coco also one that `rdexplain explain` wrote",
        Path,
        "RUN",
        positional=True,
    )
    to: str = choice(
        "format",
        FORMATS,
        "pictures: a PNG for each explanation; panels: with photo and figures, as explain draws them; numpy: "
        "masks, pictures and figures; quantus: x, y and a batches; fiftyone: photos, heatmaps and figures for "
        "FiftyOne; coco: boxes and regions as COCO's JSON (default pictures)",
        "pictures",
    )
    out: Path | None = option("a new folder (default RUN/export-FORMAT)", Path, "DIR")
    photos: Path | None = option("where the photos are now, if they have moved", Path, "DIR")


@dataclass(frozen=True, kw_only=True)
class App(Square, Network, Device, title="page"):
    """Open a web page on this machine."""

    host: str = option("address to listen at; others than this machine may look at 0.0.0.0", str, "HOST", "127.0.0.1")
    port: int = option("of the address; 0 for any that is free (default 7860)", whole(0), "N", 7860)


@dataclass(frozen=True, kw_only=True)
class Report(Options, title="explanations"):
    """Write a gallery of explanations for a browser."""

    folder: Path | None = option(
        "the folder of a run, or one that `rdexplain explain` wrote", Path, "DIR", positional=True
    )
    out: Path | None = option("folder for the gallery (default FOLDER/report)", Path, "DIR")
    photos: Path | None = option("where the photos of a run are now, if they have moved", Path, "DIR")
    overwrite: bool = option("write also into a folder that holds other files than a report", default=False)


@dataclass(frozen=True, kw_only=True)
class _Training(Options, title="training"):
    rounds: int = option("how long, in rounds of 64 photos (default 300)", whole(0), "N", 300)
    seed: int = option("of everything random (default 0)", whole(0), "N", 0)
    out: Path = option(
        "the file to write; what a stopped training goes on from is beside it (default explainer.safetensors)",
        Path,
        "FILE",
        Path("explainer.safetensors"),
    )
    overwrite: bool = option("replace the file, and begin anew", default=False)


@dataclass(frozen=True, kw_only=True)
class TrainExplainer(Photos, Square, Network, _Training, Device, title="running"):
    """Train a network that explains photos at once, as a first look or a start."""

    size: int = option(
        "side of the square photos that it learns from, in pixels (default 128)", whole(1), "PIXELS", 128
    )
    wavelet: str | None = Wavelets.field("wavelet")
    levels: int | None = Wavelets.field("levels")
    padding: str | None = Wavelets.field("padding")
    internal_batch_size: int | None = Forward.field("internal_batch_size")


@dataclass(frozen=True, kw_only=True)
class _Made(Options, title="what is made again"):
    targets: Sequence[str] = option(
        "figure-1 to figure-21, table-1, accuracy, or all of these; shearletx for the claims of later papers",
        str,
        "TARGET",
        (),
        many=True,
        positional=True,
        choices=TARGETS,
    )
    photos: str | None = option("a folder, a glob pattern or a photo", str, "DIR")
    protocol: Literal["corrected", "published"] = choice(
        "protocol",
        PROTOCOLS,
        "corrected, or published: as the study's scripts ran, defects included (default corrected)",
        "corrected",
    )
    limit: int | None = option("the first N photos alone", whole(1), "N")
    budget: float | None = option("scale down to what this device does in so many minutes", positive, "MINUTES")
    effort: float | None = option(
        "factor on steps, draws and samples, up to 1, in place of a budget: 0.25 gives masks the steps of `fast`",
        likelihood,
        "SHARE",
    )
    size: int | None = option("side of the square photos, in pixels (default 256, figure-9 480)", whole(1), "PIXELS")
    order: str = _ties()
    seed: int = option("of all noise (default 0)", whole(0), "N", 0)


@dataclass(frozen=True, kw_only=True)
class _Studied(Options, title="model"):
    model: str = Network.field("model", default=STUDY_MODEL, help=("efficientnet_lite0", STUDY_MODEL))
    weights: str | None = Network.field("weights")
    classes: str | None = Network.field("classes")
    models: tuple[str, ...] = option(
        f"the networks of figure-10, with commas between them (default {','.join(NETWORKS)})",
        names,
        "NAME,NAME",
        NETWORKS,
        listed=True,
    )


@dataclass(frozen=True, kw_only=True)
class _Tasks(Options, title="other tasks (figure-8 and figure-9)"):
    segmenter: str = option(f"the network of figure-8: a name or a file (default {SEGMENTER})", str, "NAME", SEGMENTER)
    segmenter_weights: str | None = option("its weights, if not its own", str, "FILE")
    detector: str = option(f"the network of figure-9 (default {DETECTOR})", str, "NAME", DETECTOR)
    detector_weights: str | None = option("its weights: YOLOv5 comes without", str, "FILE")
    scenes: str | None = option("a folder, a glob pattern or a photo for them (default those of `photos`)", str, "DIR")


@dataclass(frozen=True, kw_only=True)
class _Reproduced(Options, title="results"):
    out: Path | None = option("folder for the results; called again, it goes on where it was", Path, "DIR")
    overwrite: bool = option("begin anew, without the results that are there", default=False)


@dataclass(frozen=True, kw_only=True)
class _Together(Options, title="running"):
    photos_per_batch: int | None = option(
        "photos that are explained together (default 1, or 64 on a GPU)", whole(1), "N"
    )


@dataclass(frozen=True, kw_only=True)
class Reproduce(_Made, _Studied, _Tasks, _Reproduced, Workers, _Together):
    """Make the study's figures and tables again, with verdicts."""

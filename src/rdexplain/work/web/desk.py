"""Answers the page's questions about photos with a network; nothing here concerns browsers or HTTP."""

from __future__ import annotations

import io
import shlex
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.path import follow_up
from rdexplain.core.solver import Settings
from rdexplain.errors import OptionError, RDExplainError, one_line
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.baselines import Baseline
from rdexplain.methods.pixel_rde import PixelRDE
from rdexplain.methods.preview import Previewed
from rdexplain.methods.registry import METHODS, Method
from rdexplain.models import Model
from rdexplain.models.decisions import Contrast, Detect, Segment
from rdexplain.photos.images import Photo, load_photo
from rdexplain.render import save_panel
from rdexplain.render.layout import as_image
from rdexplain.render.marks import lit
from rdexplain.render.scales import places_of, scales
from rdexplain.render.words import is_pixel
from rdexplain.results.explanation import Explanation, mask_picture
from rdexplain.results.heatmap import Heatmap
from rdexplain.work.photos import undistorted
from rdexplain.work.remarks import remark

LIKELIEST = 5
"""Number of classes that the page offers to explain."""
SCALE_DRAWS = 16
"""Noise draws on which a choice of scales is measured."""
EFFORTS = {
    "draft": "draft: half the time, a little less sure",
    "fast": "fast",
    "best": "best: four times the work, a tighter explanation",
}
"""The presets that the page offers, where a method has them, and what it says of them."""


def efforts_of(method: Method) -> list[str]:
    """Names of the presets that the page offers for a method; none for a baseline."""
    return [] if method.is_baseline else [name for name in EFFORTS if name in method.load().presets]


@dataclass(frozen=True)
class Answer:
    """A class, region or object that the network finds in a photo, and that can be explained.

    Attributes:
        target: value for `Ask.target`.
        label: its name.
        probability: in [0, 1]; for a region the mean over its pixels.
        box: left, top, right, bottom of an object, in [0, 1] of the square's side.
    """

    target: int
    label: str
    probability: float
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Seen:
    """Everything that the network finds in a photo.

    Attributes:
        answers: by falling probability; a detector's objects in the order of their numbers.
        regions: a segmentation's map of `answers`: `height` and `width` of the network's output in pixels, and `runs`,
            its run-length encoding row by row, a flat list of pairs: index in `answers` (-1 for none), and length.
    """

    answers: list[Answer]
    regions: dict[str, Any] | None = None


@dataclass(frozen=True)
class Ask:
    """A question to the network.

    Attributes:
        target: of an `Answer`; with `against`, the index of a class.
        against: index of a class: why `target` rather than this one?
        method: its name.
        preset: for a method that solves for a mask.
        keep: factor by which the default λk is divided, so that more is kept.
        seed: of the noise.
        start: an explanation of the same question with another `keep`, whose mask the solver starts from.
    """

    target: int
    against: int | None = None
    method: str = "cartoonx"
    preset: str = "fast"
    keep: float = 1.0
    seed: int = 0
    start: Explanation | None = None


class Desk:
    """Explains photos with one network. Not for several threads at a time.

    Args:
        model: the network.
        size: side of the square that is explained, in pixels.
        fit: how photos are brought to the square, see `load_photo`.
        command: the command line's flags that load the network.
    """

    def __init__(self, model: Model, size: int, fit: str, command: str = "") -> None:
        self.model, self.size, self.fit, self.command = model, size, fit, command

    def read(self, name: str, content: bytes | None) -> Photo:
        """A photo from a file's content, or a sample by its name.

        Raises:
            PhotoError: it cannot be read.
        """
        return load_photo(name, self.size, self.fit, content=content)

    def look(self, photo: Photo) -> Seen:
        """What the network finds in a photo.

        Raises:
            RDExplainError: it finds nothing that can be explained.
        """
        with PixelRDE(self.model).problem(photo.pixels[None].to(self.model.dtype), **self._everything()) as problem:
            rows, chances = problem.rows, problem.probability.tolist()
        boxes = [None] * len(rows.labels) if rows.box is None else rows.box.tolist()
        found = [
            Answer(
                place if self.model.task == "detection" else int(target[0]),
                label,
                float(chance),
                None if box is None else tuple(side / self.size for side in box),  # type: ignore[arg-type]
            )
            for place, (target, label, chance, box) in enumerate(
                zip(rows.targets, rows.labels, chances, boxes, strict=True)
            )
        ]
        order = list(range(len(found)))
        if self.model.task != "detection":
            order.sort(key=lambda place: -found[place].probability)
        answers = [found[place] for place in order]
        return Seen(answers, None if rows.region is None else _runs(rows.region[order]))

    def explain(self, photo: Photo, ask: Ask, preview: Previewed | None = None) -> Explanation | Heatmap:
        """An explanation of one photo.

        Raises:
            RDExplainError: it cannot be made.
        """
        method = self._method(ask)
        images = photo.pixels[None].to(self.model.dtype)
        shown: dict[str, Any] = {} if isinstance(method, Baseline) else {"preview": preview, "samples": 4}
        return method.explain(images, target=self._target(ask), photos=[photo.source], **shown)

    def with_scales(self, photo: Photo, ask: Ask, explanation: Explanation, kept: set[int]) -> tuple[float, bytes]:
        """The target's probability when only some scales of the mask are kept, and a PNG picture of these.

        Args:
            kept: numbers of the scales, 0 for the low-pass; the mask is set to zero on the others.

        Returns:
            the mean over `SCALE_DRAWS` noise draws, and the content of the file.

        Raises:
            OptionError: the mask has no such scale.
        """
        places = places_of(explanation)
        if not kept <= set(places):
            raise OptionError(f"the mask has the scales 0 to {max(places)}")
        mask = [
            band if place in kept else torch.zeros_like(band)
            for place, band in zip(places, explanation.mask, strict=True)
        ]
        method = self._method(ask)
        images = photo.pixels[None].to(self.model.dtype)
        with method.problem(images, self._target(ask)) as problem:
            flat = problem.objective.transform.join(mask).to(self.model.device)
            _, reading = problem.objective.measure_draws(flat, SCALE_DRAWS)
            rows = torch.arange(len(reading), device=reading.device)
            chance = float(problem.objective.decision.score(reading, rows))
        return chance, png(lit(explanation, mask_picture(explanation.representation, explanation.images, mask)[0]))

    def described(self, photo: Photo, ask: Ask, result: Explanation | Heatmap) -> dict[str, Any]:
        """A result for the page: its figures, remark and scales, and the command and the Python lines for the same."""
        found: dict[str, Any] = {
            "label": result.labels[0],
            "method": METHODS[ask.method].title,
            "probability": float(result.probability[0]),
            "seconds": result.seconds,
            "remark": _plain(remark(result)),
            "contrast": result.target_kind == "contrast",
            "command": self._command(photo, ask),
            "python": self._python(photo, ask),
            "pixels": is_pixel(result),
        }
        if isinstance(result, Explanation):
            found |= {
                "distortion": float(result.distortion[0]),
                "kept": float(result.non_sparsity[0]),
                "alone": float(result.kept_probability[0]),
                "evaluations": int(result.network_evaluations[0]),
                "stopped": result.options.get("stopped"),
                "went_on": ask.start is not None,
                "scales": [] if is_pixel(result) else [{"name": one.name, "kept": one.kept} for one in scales(result)],
            }
        return found

    def pictures(self, photo: Photo, result: Explanation | Heatmap) -> dict[str, bytes]:
        """The contents of a result's files by name: pictures, obfuscated samples, the panel, safetensors and JSON."""
        grey = lit(result, result.picture[0])
        files = {"grey.png": png(grey)}
        if isinstance(result, Explanation):
            files["colour.png"] = png(lit(result, result.picture_colour[0]))
            if result.samples is not None:
                files |= {f"sample-{place}.png": png(one) for place, one in enumerate(result.samples[0])}
        with tempfile.TemporaryDirectory(prefix="rdexplain-") as folder:
            base = Path(folder) / "explanation"
            result.save(base)
            save_panel(result, f"{base}.png", original=undistorted(photo))
            files |= {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        return files

    def shown(self, photo: Photo) -> bytes:
        """The photo as it is explained."""
        return png(photo.pixels)

    def _everything(self) -> dict[str, Any]:
        if self.model.task == "segmentation":
            return {"target": Segment("all")}
        if self.model.task == "detection":
            return {"target": Detect("all")}
        count = LIKELIEST if self.model.classes is None else min(LIKELIEST, len(self.model.classes))
        return {"top_k": count}

    def _target(self, ask: Ask) -> Any:
        if self.model.task == "segmentation":
            return Segment(ask.target)
        if self.model.task == "detection":
            return Detect(ask.target)
        return ask.target if ask.against is None else Contrast(ask.target, ask.against)

    def _method(self, ask: Ask) -> Attribution | Any:
        options: dict[str, Any] = {}
        if ask.method not in METHODS:
            raise OptionError(f"no method {ask.method!r}")
        if not METHODS[ask.method].is_baseline:
            options = {"preset": ask.preset, "seed": ask.seed}
            if ask.keep != 1:
                own = METHODS[ask.method].load()(self.model, **options)
                options["sparsity"] = own.options.settings.sparsity / ask.keep
            if ask.start is not None:
                options["init"] = ask.start.mask
        method = METHODS[ask.method].load()(self.model, **options)
        if ask.start is not None:
            method.options = replace(method.options, settings=_step_of(method.options.settings), retry=False)
        return method

    def _command(self, photo: Photo, ask: Ask) -> str:
        words = ["rdexplain", "explain", photo.source, *shlex.split(self.command)]
        flag = {"segmentation": "--segment", "detection": "--object"}.get(self.model.task, "--target")
        words += [flag, str(ask.target), "--size", str(self.size), "--method", ask.method]
        if ask.against is not None:
            words += ["--against", str(ask.against)]
        if not METHODS[ask.method].is_baseline:
            words += ["--preset", ask.preset, "--seed", str(ask.seed)]
            method = self._method(Ask(ask.target, None, ask.method, ask.preset, ask.keep))
            words += [] if ask.keep == 1 else ["--sparsity", f"{method.options.settings.sparsity:g}"]
        return shlex.join(words)

    def _python(self, photo: Photo, ask: Ask) -> str:
        words = shlex.split(self._command(photo, ask))[2:]
        source, pairs = words[0], zip(words[1::2], words[2::2], strict=True)
        named = [f"{flag[2:].replace('-', '_')}={_literal(value)}" for flag, value in pairs]
        return f"import rdexplain as rx\n\nrx.explain({source!r}, {', '.join(named)})"


def _step_of(settings: Settings) -> Settings:
    """Settings for a start from the mask of a neighbouring λ: a quarter of the steps is enough."""
    return replace(follow_up(settings), steps=-(-settings.steps // 4))


def _literal(text: str) -> str:
    try:
        float(text)
    except ValueError:
        return repr(text)
    return text


def _plain(text: str | None) -> str | None:
    return None if text is None else text.replace("`", "")


def _runs(regions: Tensor) -> dict[str, Any]:
    """The run-length encoding of regions (n, h, w) bool that do not overlap, see `Seen.regions`."""
    places = torch.where(regions.any(dim=0), regions.int().argmax(dim=0), -1)
    values, lengths = torch.unique_consecutive(places, return_counts=True)
    runs = torch.stack((values.flatten(), lengths), dim=1).flatten().tolist()
    return {"height": places.shape[0], "width": places.shape[1], "runs": runs}


def png(picture: Tensor) -> bytes:
    """The content of a PNG file of a picture (c, h, w) in [0, 1]."""
    stream = io.BytesIO()
    as_image(picture).save(stream, "PNG")
    return stream.getvalue()


def said_of(error: Exception) -> str:
    """The page's message about an error; of a bug only the type, since its text may hold paths of this machine."""
    if isinstance(error, RDExplainError):
        return one_line(error).replace("`", "")
    return f"unexpected error ({type(error).__name__}): see the terminal"

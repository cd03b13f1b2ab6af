"""What a worker of ``rdexplain evaluate`` does: from photos, or explanations on disk, to curves and scores."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from rdexplain.cli.guard import describe
from rdexplain.decisions import check_label
from rdexplain.errors import ModelError, OptionError, PhotoError, RDExplainError, SolverError
from rdexplain.evaluation import Candidate, Evaluation, Settings, Subject, evaluate, merge, subject
from rdexplain.evaluation.localisation import Box, overlaps
from rdexplain.evaluation.randomisation import randomised
from rdexplain.explanation import Explanation
from rdexplain.heatmap import Heatmap
from rdexplain.images import Photo, load_photo
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model, load_model
from rdexplain.runs import open_run
from rdexplain.runs.folder import is_run
from rdexplain.storage import load_result


class Piece(NamedTuple):
    """Photos that are evaluated together, or one explanation.

    Attributes:
        place: among all pieces.
        names: of the photos, or of the explanation.
    """

    place: int
    names: tuple[str, ...]


@dataclass
class Found:
    """What became of a piece.

    Attributes:
        place: the piece's.
        evaluation: of its photos by all methods, or of its explanation.
        done: photos, or explanations, in it.
        failures: what went wrong, by photo or explanation.
        options: of the methods, ready for JSON.
    """

    place: int
    evaluation: Evaluation = field(default_factory=Evaluation)
    done: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


class Watch(Protocol):
    """Is told what is being done, and how many photos a method is through with."""

    def stage(self, text: str) -> None: ...
    def finish(self, count: int) -> None: ...


class _Nobody:
    def stage(self, text: str) -> None:
        """Nobody watches a worker of another process."""

    def finish(self, count: int) -> None:
        """Nor counts."""


@dataclass(frozen=True)
class Measuring:
    """What both kinds of workers are made from; see `engines.Recipe`.

    Attributes:
        model: the arguments of `load_model`, but the device.
        methods: their names.
        settings: what is measured.
        batches: how the network is run, as `evaluation.subject` takes it.
    """

    model: dict[str, Any]
    methods: tuple[str, ...]
    settings: Settings
    batches: dict[str, Any]

    def parts(self, task: Piece) -> list[Piece]:
        """One photo each."""
        return [Piece(task.place, (name,)) for name in task.names]

    def given_up(self, task: Piece, reason: str) -> Found:
        """What is found of a photo that workers die with."""
        return Found(task.place, failures={name: f"{name}: {reason}" for name in task.names})


@dataclass(frozen=True)
class MeasuringPhotos(Measuring):
    """Explains photos by every method and evaluates what comes of it.

    Attributes:
        given: options, of which each method takes those that it has.
        size, fit: how photos are brought to the square that is explained.
        boxes: of objects, by photo.
    """

    given: dict[str, Any]
    size: int
    fit: str
    boxes: dict[str, list[Box]] | None

    def make(self, device: str) -> PhotosWorker:
        """A worker on a device."""
        return PhotosWorker(self, load_model(**self.model, device=device))

    def boxes_of(self, source: str) -> list[Box]:
        """A photo's boxes, by its path or its file's name."""
        boxes = self.boxes or {}
        return boxes.get(source) or boxes.get(Path(source).name) or []


class PhotosWorker:
    """Holds the model and the methods.

    Attributes:
        not_applicable: methods that the network does not allow, and why, as far as is known without a photo.
    """

    def __init__(self, recipe: MeasuringPhotos, model: Model, watch: Watch | None = None) -> None:
        self.recipe, self.model, self._watch = recipe, model, watch or _Nobody()
        size, settings = (recipe.size, recipe.size), recipe.settings
        if "wavelet" in settings.domains:  # an error comes before anything is done
            settings.wavelet.transform(size, model.dtype, model.device)
        other = randomised(model, size, settings.seed) if "randomisation" in settings.scores else None
        self.methods: dict[str, Any] = {}
        self.not_applicable: dict[str, str] = {}
        self._on_randomised: dict[str, Any] = {}
        for name in recipe.methods:
            try:
                self.methods[name] = self._method(name, model)
                if other is not None:
                    self._on_randomised[name] = self._method(name, other)
            except ModelError as error:
                self.not_applicable[name] = str(error)

    def load(self, task: Piece) -> tuple[Found, list[Photo]]:
        """Decode photos."""
        found, photos = Found(task.place), []
        for source in task.names:
            try:
                photo = load_photo(source, self.recipe.size, self.recipe.fit)
                self._check_boxes(photo)
                photos.append(photo)
            except PhotoError as error:
                found.failures[source] = str(error)
        return found, photos

    def work(self, loaded: tuple[Found, list[Photo]]) -> Found:
        """All methods on some photos. A photo that one of them cannot explain is left out of all, and of the table:
        methods are compared on the same photos."""
        found, photos = loaded
        found.evaluation = Evaluation(not_applicable=dict(self.not_applicable))
        while photos:
            try:
                images = torch.stack([photo.pixels for photo in photos]).to(self.model.dtype)
                with subject(self.model, images, **self.recipe.batches) as rows:
                    each = [self._evaluated(name, rows, photos, found) for name in list(self.methods)]
            except SolverError as error:
                if not error.photos:
                    raise
                for place in error.photos:
                    source = photos[place].source
                    found.failures[source] = f"{source}: {error.__cause__ or error}"
                photos = [photo for place, photo in enumerate(photos) if place not in error.photos]
                continue
            found.evaluation, found.done = merge(found.evaluation, *each), len(photos)
            break
        return found

    def _evaluated(self, name: str, rows: Any, photos: list[Photo], found: Found) -> Evaluation:
        method = self.methods[name]
        first = photos[0].source if len(photos) == 1 else f"{len(photos)} photos"
        self._watch.stage(f"{name}: explaining {first}")
        try:
            result = method.explain(rows.images, target=rows.target, photos=[photo.source for photo in photos])
        except ModelError as error:
            del self.methods[name]
            self.not_applicable[name] = str(error)
            return Evaluation(not_applicable={name: str(error)})
        found.options[name] = getattr(result, "options", {})
        self._watch.stage(f"{name}: evaluating {first}")
        boxes = None if self.recipe.boxes is None else [self._boxes(photo) for photo in photos]
        evaluation = evaluate(
            rows, Candidate(result, method, self._on_randomised.get(name), boxes), self.recipe.settings
        )
        self._watch.finish(len(photos))
        return evaluation

    def _method(self, name: str, model: Model) -> Any:
        kind = METHODS[name].load()
        known = options_of(kind)
        return kind(model, **{key: value for key, value in self.recipe.given.items() if key in known})

    def _check_boxes(self, photo: Photo) -> None:
        height, width = photo.original_size
        for box in self.recipe.boxes_of(photo.source):
            if not overlaps(box, height, width):
                shown = ", ".join(f"{side:g}" for side in box)
                raise PhotoError(f"{photo.source}: the box {shown} lies outside of its {width} x {height} pixels")

    def _boxes(self, photo: Photo) -> list[Box]:
        """A photo's boxes, in pixels of the square that is explained."""
        height, width = photo.original_size
        across, down = self.recipe.size / width, self.recipe.size / height
        return [
            (left * across, top * down, right * across, bottom * down)
            for left, top, right, bottom in self.recipe.boxes_of(photo.source)
        ]


@dataclass(frozen=True)
class MeasuringExplanations(Measuring):
    """Evaluates what ``rdexplain explain`` or ``rdexplain run`` wrote.

    Attributes:
        folder: where it is.
    """

    folder: Path

    def make(self, device: str) -> ExplanationsWorker:
        """A worker on a device."""
        return ExplanationsWorker(self, load_model(**self.model, device=device))


class ExplanationsWorker:
    """Holds the model, and the list of explanations.

    Attributes:
        results: what reads each explanation, by names for people.
    """

    def __init__(self, recipe: MeasuringExplanations, model: Model, watch: Watch | None = None) -> None:
        self.recipe, self.model, self._watch = recipe, model, watch or _Nobody()
        self.results = _results(recipe.folder)

    def load(self, task: Piece) -> tuple[Found, str, Explanation | Heatmap | None]:
        """Read an explanation, and its photo."""
        found, (name,) = Found(task.place), task.names
        try:
            return found, name, self.results[name]()
        except (RDExplainError, OSError) as error:
            found.failures[name] = _reason(name, error)
            return found, name, None

    def work(self, loaded: tuple[Found, str, Explanation | Heatmap | None]) -> Found:
        """Evaluate it."""
        found, name, result = loaded
        if result is None:
            return found
        self._watch.stage(f"evaluating {name}")
        try:
            found.evaluation = self._evaluated(result, found)
        except (RDExplainError, OSError) as error:
            found.failures[name] = _reason(name, error)
            return found
        found.done = 1
        self._watch.finish(1)
        return found

    def agrees(self, result: Explanation | Heatmap) -> bool:
        """Whether the model gives the probabilities that an explanation says; True for what is not of class labels."""
        if result.target_kind != "label":
            return True
        targets = [_target(one) for one in result.target.tolist()]
        try:
            with subject(self.model, result.images, targets, **self.recipe.batches) as rows:
                return _same(_probabilities(rows), result)
        except RDExplainError:  # a class that it does not have
            return False

    def _evaluated(self, result: Explanation | Heatmap, found: Found) -> Evaluation:
        if result.method not in self.recipe.methods:
            return Evaluation()
        check_label(result.target_kind, "the evaluation", "measures")
        targets = [_target(one) for one in result.target.tolist()]
        with subject(self.model, result.images, targets, **self.recipe.batches) as rows:
            here = _probabilities(rows)
            if not _same(here, result):
                raise OptionError(
                    f"{result.model} was explained, and gave the class {float(result.probability[0]):.1%} where this "
                    f"model gives {float(here[0]):.1%}: choose the same --model, weights and normalisation"
                )
            found.options[result.method] = result.options
            return evaluate(rows, Candidate(result), self.recipe.settings)


def _probabilities(rows: Subject) -> torch.Tensor:
    """Of each row's label on the photo, (r,)."""
    return rows.label().read(rows.clean, torch.arange(len(rows), device=rows.clean.device)).squeeze(1).cpu()


def _same(here: torch.Tensor, result: Explanation | Heatmap) -> bool:
    """Whether probabilities are those of an explanation, but for rounding and another device."""
    return bool((here - result.probability).abs().max() < 0.02)


def _reason(name: str, error: Exception) -> str:
    return describe(error) if isinstance(error, OSError) else f"{name}: {error}"


def _results(folder: Path) -> dict[str, Callable[[], Explanation | Heatmap]]:
    if not is_run(folder):
        return {file.name: partial(load_result, file) for file in sorted(folder.glob("*.safetensors"))}
    run = open_run(folder)
    names = run.table().select(["photo", "label", "method"]).to_pylist()
    return {
        f"{row['photo']}, {row['label']}, {row['method']}": partial(run.__getitem__, place)
        for place, row in enumerate(names)
    }


def _target(target: Any) -> Any:
    return tuple(target) if isinstance(target, list) else target


def options_of(kind: Any) -> set[str]:
    """The names of the options that a method's constructor takes."""
    hints = typing.get_type_hints(kind.__init__)
    names = set(hints) - {"model", "return", "options"}
    shared = typing.get_args(hints.get("options", None))
    return names | {name for one in shared for name in getattr(one, "__annotations__", {})}

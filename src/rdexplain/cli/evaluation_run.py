"""Runs of ``rdexplain evaluate``: over photos, method by method, or over explanations on disk."""

from __future__ import annotations

import argparse
import csv
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from rdexplain.cli.bar import Bar
from rdexplain.cli.command import UsageError
from rdexplain.cli.explaining import photo_fit
from rdexplain.cli.guard import describe, say
from rdexplain.decisions import check_label
from rdexplain.errors import ModelError, OptionError, PhotoError, RDExplainError, SolverError
from rdexplain.evaluation import Candidate, Evaluation, Settings, evaluate, merge, subject
from rdexplain.evaluation.localisation import Box
from rdexplain.evaluation.randomisation import randomised
from rdexplain.explanation import Explanation
from rdexplain.heatmap import Heatmap
from rdexplain.images import Photo, load_photo
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model
from rdexplain.runs import open_run
from rdexplain.runs.folder import is_run
from rdexplain.storage import load_result

METHOD_OPTIONS = ("preset", "steps", "seed", "internal_batch_size", "accelerate")


class Evaluator(ABC):
    """A run that is being made. `evaluation` is of what is finished.

    Attributes:
        expected: photos, or explanations.
        done: how many of them are in `evaluation`.
        failures: what went wrong, by photo or file.
        options: of the methods, ready for JSON.
    """

    def __init__(self, arguments: argparse.Namespace, bar: Bar, settings: Settings, model: Model) -> None:
        self.arguments, self.bar, self.settings, self.model = arguments, bar, settings, model
        self.evaluation = Evaluation()
        self.expected = self.done = 0
        self.failures: dict[str, str] = {}
        self.options: dict[str, Any] = {}

    @abstractmethod
    def run(self) -> None:
        """Evaluate everything; what fails is reported, and the rest goes on."""

    @property
    def failed(self) -> int:
        return len(self.failures)

    def _fail(self, name: str, reason: str, units: int) -> None:
        say(f"error: {reason}")
        self.failures[name] = reason
        self.bar.finish(units, failed=True)

    def _subject(self, images: torch.Tensor, target: Any = None) -> Any:
        size = self.arguments.internal_batch_size
        accelerate = self.arguments.accelerate is not False
        return subject(self.model, images, target, internal_batch_size=size, accelerate=accelerate)


class OverPhotos(Evaluator):
    """Explains photos by every method and evaluates what comes of it, a batch of photos at a time.

    Raises:
        UsageError: an option that none of the methods has.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        bar: Bar,
        settings: Settings,
        model: Model,
        sources: Sequence[str],
        size: int,
        per_batch: int,
    ) -> None:
        super().__init__(arguments, bar, settings, model)
        self.sources, self.size, self.per_batch = list(sources), size, per_batch
        self.fit = photo_fit(arguments.fit, model)
        self.expected = len(self.sources)
        self.boxes = None if arguments.boxes is None else read_boxes(arguments.boxes)
        self.given = {name: getattr(arguments, name) for name in METHOD_OPTIONS}
        self.given = {name: value for name, value in self.given.items() if value is not None}
        self._check_options()
        if self.boxes is not None and not any(self._boxes(source) for source in self.sources):
            raise UsageError(f"{arguments.boxes} has no box for any of the photos: its column photo holds file names")
        if "wavelet" in settings.domains:  # an error comes before anything is done
            settings.wavelet.transform((size, size), model.dtype, model.device)
        other = randomised(model, (size, size), settings.seed) if "randomisation" in settings.scores else None
        self.methods: dict[str, Any] = {}
        self.on_randomised: dict[str, Any] = {}
        for name in arguments.methods:
            try:
                self.methods[name] = self._method(name, model)
                if other is not None:
                    self.on_randomised[name] = self._method(name, other)
            except ModelError as error:
                self._not_applicable(name, error)

    def run(self) -> None:
        self.bar.expect(self.expected * max(len(self.methods), 1), 1, 0)
        for batch in self._batches():
            self._batch(batch)

    def _batches(self) -> Iterator[list[Photo]]:
        batch: list[Photo] = []
        for source in self.sources:
            try:
                batch.append(load_photo(source, self.size, self.fit))
            except PhotoError as error:
                self._fail(source, str(error), max(len(self.methods), 1))
            if len(batch) == self.per_batch:
                yield batch
                batch = []
        if batch:
            yield batch

    def _batch(self, batch: list[Photo]) -> None:
        """All methods on some photos. A photo that one of them cannot explain is left out of all, and of the table:
        methods are compared on the same photos."""
        while batch:
            try:
                with self._subject(torch.stack([photo.pixels for photo in batch]).to(self.model.dtype)) as rows:
                    found = [self._evaluated(name, rows, batch) for name in list(self.methods)]
            except SolverError as error:
                if not error.photos:
                    raise
                for place in error.photos:
                    reason = f"{batch[place].source}: {error.__cause__ or error}"
                    self._fail(batch[place].source, reason, 1)
                batch = [photo for place, photo in enumerate(batch) if place not in error.photos]
                continue
            self.evaluation = merge(self.evaluation, *found)
            self.done += len(batch)
            return

    def _evaluated(self, name: str, rows: Any, batch: list[Photo]) -> Evaluation:
        method = self.methods[name]
        first = batch[0].source if len(batch) == 1 else f"{len(batch)} photos"
        self.bar.stage(f"{name}: explaining {first}")
        try:
            result = method.explain(rows.images, target=rows.target, photos=[photo.source for photo in batch])
        except ModelError as error:
            del self.methods[name]
            self._not_applicable(name, error)
            return Evaluation()
        self.options[name] = getattr(result, "options", {})
        self.bar.stage(f"{name}: evaluating {first}")
        boxes = None if self.boxes is None else [self._boxes_of(photo) for photo in batch]
        candidate = Candidate(result, method, self.on_randomised.get(name), boxes)
        found = evaluate(rows, candidate, self.settings)
        self.bar.finish(len(batch))
        return found

    def _method(self, name: str, model: Model) -> Any:
        kind = METHODS[name].load()
        options = {key: value for key, value in self.given.items() if key in options_of(kind)}
        return kind(model, **options)

    def _check_options(self) -> None:
        known = {option for name in self.arguments.methods for option in options_of(METHODS[name].load())}
        for option in self.given:
            # The evaluation itself has a seed and batches, whatever the methods have.
            if option in ("preset", "steps") and option not in known:
                raise UsageError(f"--{option} is an option of none of {', '.join(self.arguments.methods)}")

    def _not_applicable(self, name: str, error: ModelError) -> None:
        say(f"warning: {name} is not applicable: {error}")
        self.evaluation = merge(self.evaluation, Evaluation(not_applicable={name: str(error)}))

    def _boxes_of(self, photo: Photo) -> list[Box]:
        """A photo's boxes, in pixels of the square that is explained."""
        height, width = photo.original_size
        across, down = self.size / width, self.size / height
        return [
            (left * across, top * down, right * across, bottom * down)
            for left, top, right, bottom in self._boxes(photo.source)
        ]

    def _boxes(self, source: str) -> list[Box]:
        """A photo's boxes, by its path or its file's name."""
        boxes = self.boxes or {}
        return boxes.get(source) or boxes.get(Path(source).name) or []


class OverExplanations(Evaluator):
    """Evaluates what ``rdexplain explain`` or ``rdexplain run`` wrote.

    Raises:
        OptionError: the folder has no explanations.
    """

    def __init__(self, arguments: argparse.Namespace, bar: Bar, settings: Settings, model: Model) -> None:
        super().__init__(arguments, bar, settings, model)
        folder = arguments.explanations
        self.results = _results(folder)
        if not self.results:
            raise OptionError(f"no explanations (*.safetensors) in {folder}")
        self.expected = len(self.results)

    def run(self) -> None:
        self.bar.expect(self.expected, 1, 0)
        for name, read in self.results.items():
            self.bar.stage(f"evaluating {name}")
            try:
                found = self._evaluated(read())
            except (RDExplainError, OSError) as error:
                reason = describe(error) if isinstance(error, OSError) else f"{name}: {error}"
                self._fail(name, reason, 1)
                continue
            self.evaluation = merge(self.evaluation, found)
            self.done += 1
            self.bar.finish(1)

    def _evaluated(self, result: Explanation | Heatmap) -> Evaluation:
        if result.method not in self.arguments.methods:
            return Evaluation()
        check_label(result.target_kind, "the evaluation", "measures")
        with self._subject(result.images, [_target(one) for one in result.target.tolist()]) as rows:
            here = rows.label().read(rows.clean, torch.arange(len(rows), device=rows.clean.device)).squeeze(1).cpu()
            gap = (here - result.probability).abs().max()
            if not bool(gap < 0.02):
                raise OptionError(
                    f"{result.model} was explained, and gave the class {float(result.probability[0]):.1%} where this "
                    f"model gives {float(here[0]):.1%}: choose the same --model, weights and normalisation"
                )
            self.options[result.method] = result.options
            return evaluate(rows, Candidate(result), self.settings)


def _results(folder: Path) -> dict[str, Callable[[], Explanation | Heatmap]]:
    """What reads each explanation of a folder, by names for people."""
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


def read_boxes(file: Path) -> dict[str, list[Box]]:
    """Boxes by photo, of a CSV file with the columns photo, left, top, right, bottom.

    Raises:
        OptionError: the file cannot be read, or lacks a column or a number.
    """
    boxes: dict[str, list[Box]] = {}
    try:
        with file.open(newline="") as lines:
            for row in csv.DictReader(lines):
                left, top, right, bottom = (float(row[side]) for side in ("left", "top", "right", "bottom"))
                boxes.setdefault(row["photo"], []).append((left, top, right, bottom))
    except OSError as error:
        raise OptionError(f"cannot read the boxes in {file}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise OptionError(
            f"{file}: boxes are a CSV file with the columns photo, left, top, right, bottom, and numbers in them"
        ) from error
    return boxes

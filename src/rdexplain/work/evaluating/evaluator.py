"""Evaluations: sends pieces of work to workers, and merges their results."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdexplain.errors import ModelError, OptionError
from rdexplain.evaluation import Evaluation, Settings, merge
from rdexplain.models import Model
from rdexplain.work.choosing import photo_fit, photo_size, portable_model, takes
from rdexplain.work.crew import Crew
from rdexplain.work.evaluating.boxes import find_boxes
from rdexplain.work.evaluating.complete import Explained, missing
from rdexplain.work.evaluating.explanations import ExplanationsWorker, MeasuringExplanations
from rdexplain.work.evaluating.photos import MeasuringPhotos, PhotosWorker
from rdexplain.work.evaluating.pieces import Found, Piece
from rdexplain.work.evaluating.source import check_model
from rdexplain.work.progress import Count
from rdexplain.work.requests import Evaluate

METHOD_OPTIONS = ("preset", "steps", "seed", "internal_batch_size", "accelerate", "batch_invariant")


class Evaluator:
    """An evaluation in progress; `evaluation` has the finished part.

    Args:
        pieces: names of photos or explanations, grouped by what is evaluated together.
        recipe: makes the workers.
        worker: the worker of this process.
        weight: steps of the progress count for a photo or an explanation.

    Attributes:
        model: of this process.
        expected: number of photos or explanations.
        done: how many of them are in `evaluation`.
        failures: what went wrong, by photo or file.
        options: of the methods, ready for JSON.
    """

    def __init__(
        self,
        count: Count,
        crew: Crew,
        pieces: Sequence[Sequence[str]],
        recipe: MeasuringPhotos | MeasuringExplanations,
        worker: PhotosWorker | ExplanationsWorker,
        weight: int = 1,
    ) -> None:
        self.count, self.crew, self._recipe, self._worker, self._weight = count, crew, recipe, worker, weight
        self.model = worker.model
        self._pieces = [Piece(place, tuple(names)) for place, names in enumerate(pieces)]
        self._order = {name: place for place, name in enumerate(name for names in pieces for name in names)}
        self.evaluation = Evaluation()
        self.expected, self.done = len(self._order), 0
        self._failures: dict[str, str] = {}
        self._options: dict[str, tuple[int, Any]] = {}

    def run(self) -> None:
        """Evaluate everything; what fails is reported, and the rest goes on."""
        self.count.expect(self.expected * self._weight, 1, 0)
        engine = self.crew.engine(self._recipe, self._worker, self.count.progress, ahead=1)
        with contextlib.closing(engine.results(iter(self._pieces))) as results:
            for found in results:
                self.take(found)

    def take(self, found: Found) -> None:
        """Add the result of a worker."""
        for name, reason in found.evaluation.not_applicable.items():
            if name not in self.evaluation.not_applicable:
                self.count.progress.warning(f"{name} is not applicable: {reason}")
        self.evaluation = merge(self.evaluation, found.evaluation)
        self.done += found.done
        for name, options in found.options.items():
            # The record must not depend on which worker was faster.
            self._options[name] = max(
                self._options.get(name, (-1, None)), (found.place, options), key=lambda one: one[0]
            )
        for name, reason in found.failures.items():
            self._fail(name, reason)
        if not self.crew.here:  # a worker of this process has counted itself
            self.count.finish(found.done * self._weight)
            self.count.finish(len(found.failures) * self._weight, failed=True)
            self.count.stage(f"evaluated {self.done} of {self.expected}")

    def _fail(self, name: str, reason: str) -> None:
        self.count.progress.failed(reason)
        self._failures[name] = reason

    @property
    def failures(self) -> dict[str, str]:
        return dict(sorted(self._failures.items(), key=lambda one: self._order[one[0]]))

    @property
    def options(self) -> dict[str, Any]:
        return {name: options for name, (_, options) in sorted(self._options.items())}


class ExplanationsEvaluator(Evaluator):
    """An evaluation of existing explanations.

    Args:
        methods: of each explanation, by its name; None where that is not known.
        others: as `Evaluator`'s.
    """

    def __init__(self, methods: Mapping[str, str | None], *others: Any) -> None:
        super().__init__(*others)
        self._methods = {name for name in methods.values() if name is not None}
        self._explained: dict[str, set[Explained]] = {}

    def take(self, found: Found) -> None:
        super().take(found)
        if found.done:
            (name,) = self._pieces[found.place].names
            self._explained[name] = {Explained.of(entry) for entry in found.evaluation.entries}

    def run(self) -> None:
        try:
            super().run()
        except BaseException:
            self._leave_out(quietly=True)  # the others are not evaluated yet
            raise
        self._leave_out()

    def _leave_out(self, quietly: bool = False) -> None:
        """Leave out photos and classes that not all methods have explained: methods are compared on the same photos."""
        lacking = missing(self.evaluation.entries, self._methods)
        self.evaluation = self.evaluation.where(lambda entry: Explained.of(entry) not in lacking)
        for name, explained in sorted(self._explained.items(), key=lambda one: self._order[one[0]]):
            methods = sorted({method for one in explained & lacking.keys() for method in lacking[one]})
            self.done -= explained <= lacking.keys()
            if methods and not quietly:
                self._fail(name, f"{name}: left out: nothing of its photo and class by {' and '.join(methods)}")


def over_photos(
    options: Evaluate, count: Count, settings: Settings, crew: Crew, model: Model, sources: Sequence[str]
) -> Evaluator:
    """Explain photos by every method and evaluate the explanations, a batch of photos at a time.

    Raises:
        OptionError: an option that none of the methods has, or boxes of none of the photos.
        ModelError: none of the methods can be applied to the network.
    """
    given = {name: getattr(options, name) for name in METHOD_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    _check_options(given, options.methods)
    recipe = MeasuringPhotos(
        **_measuring(options, settings),
        given=given,
        size=photo_size(options.size, model),
        fit=photo_fit(options.fit, model),
        boxes=None if options.boxes is None else find_boxes(options.boxes, sources, count.progress),
    )
    worker = PhotosWorker(recipe, model, count)
    if not worker.methods:
        raise none_applicable(worker.not_applicable)
    per_batch = crew.per_batch(options.photos_per_batch)
    batches = [sources[start : start + per_batch] for start in range(0, len(sources), per_batch)]
    work = Evaluator(count, crew, batches, recipe, worker, max(len(worker.methods), 1))
    work.take(Found(-1, Evaluation(not_applicable=worker.not_applicable)))
    return work


def over_explanations(
    folder: Path, options: Evaluate, count: Count, settings: Settings, crew: Crew, model: Model
) -> Evaluator:
    """Evaluate what `explain` or `run` wrote.

    Raises:
        OptionError: the folder has no explanations, or none by these methods, or those of another network.
    """
    recipe = MeasuringExplanations(**_measuring(options, settings), folder=folder)
    worker = ExplanationsWorker(recipe, model, count)
    if not worker.results:
        by = f"is by {' or '.join(options.methods)}"
        what = f"no explanation in {folder} {by}" if worker.others else None
        raise OptionError(what or f"no explanations in {folder}")
    check_model(worker)
    pieces = [(name,) for name in worker.results]
    return ExplanationsEvaluator(worker.methods, count, crew, pieces, recipe, worker)


def none_applicable(reasons: Mapping[str, str]) -> ModelError:
    """The error where none of the methods can be applied to the network."""
    each = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return ModelError(f"none of the methods is applicable: {each}")


def _measuring(options: Evaluate, settings: Settings) -> dict[str, Any]:
    """The options that both kinds of workers share."""
    size, accelerate = options.internal_batch_size, options.accelerate is not False
    return {
        "model": portable_model(options),
        "methods": tuple(options.methods),
        "settings": settings,
        "batches": {"internal_batch_size": size, "accelerate": accelerate},
    }


def _check_options(given: dict[str, Any], methods: Sequence[str]) -> None:
    for option in given:
        if not any(takes(name, option) for name in methods):
            raise OptionError(f"`{option}` is an option of none of {', '.join(methods)}")

"""A worker of `evaluate` that explains photos by every method, and evaluates the explanations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from rdexplain.errors import ModelError, OptionError, PhotoError, SolverError
from rdexplain.evaluation import Candidate, Cascade, Evaluation, Subject, evaluate, merge, subject
from rdexplain.evaluation.localisation import Box, check_box
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model, load_model
from rdexplain.photos.images import Photo, load_photo
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap
from rdexplain.work.choosing import takes
from rdexplain.work.evaluating.pieces import Found, Measuring, Piece
from rdexplain.work.progress import Count, Silent


@dataclass(frozen=True)
class MeasuringPhotos(Measuring):
    """Explains photos by every method and evaluates the explanations.

    Attributes:
        given: options, of which each method takes those that it has.
        size, fit: how photos are brought to the square that is explained.
        boxes: of objects, by the sources of their photos.
    """

    given: dict[str, Any]
    size: int
    fit: str
    boxes: dict[str, list[Box]] | None

    def make(self, device: str) -> PhotosWorker:
        return PhotosWorker(self, load_model(**self.model, device=device))

    def boxes_of(self, source: str) -> list[Box]:
        return (self.boxes or {}).get(source, [])


class PhotosWorker:
    """Holds the model and the methods.

    Attributes:
        not_applicable: methods that cannot be applied to the network, and why, as far as known without a photo.
    """

    def __init__(self, recipe: MeasuringPhotos, model: Model, count: Count | None = None) -> None:
        self.recipe, self.model, self._count = recipe, model, count or Count(Silent())
        size, settings = (recipe.size, recipe.size), recipe.settings
        if "wavelet" in settings.domains:  # fails early if the size does not fit
            settings.wavelet.transform(size, model.dtype, model.device)
        random = {"randomisation", "cascade"} & set(settings.scores)
        self._networks = Cascade(model, size, settings.seed) if random else None
        self.methods: dict[str, Any] = {}
        self.not_applicable: dict[str, str] = {}
        for name in recipe.methods:
            try:
                self.methods[name] = self._method(name)
            except ModelError as error:
                self.not_applicable[name] = str(error)
        self._planned = tuple(self.methods)  # what the bar expects of each photo

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
        """Evaluate all methods on some photos. A photo that one of them cannot explain is left out for all: methods are
        compared on the same photos."""
        found, photos = loaded
        self._count.finish(len(found.failures) * len(self._planned), failed=True)
        left, each = list(range(len(photos))), []
        if photos:
            images = torch.stack([photo.pixels for photo in photos]).to(self.model.dtype)
            with subject(self.model, images, **self.recipe.batches) as rows:
                for place, name in enumerate(self._planned):
                    before = len(left)
                    evaluation, left = self._evaluated(name, rows, photos, left, found)
                    each.append(evaluation)
                    self._count.finish(len(left), failed=name not in self.methods)
                    # Photos that failed now are skipped by this method and the later ones.
                    self._count.finish((before - len(left)) * (len(self._planned) - place), failed=True)
        sources = {photos[place].source for place in left}
        known = Evaluation(not_applicable=dict(self.not_applicable))
        found.evaluation, found.done = merge(known, *each).where(lambda entry: entry.photo in sources), len(left)
        return found

    def _evaluated(
        self, name: str, rows: Subject, photos: list[Photo], left: list[int], found: Found
    ) -> tuple[Evaluation, list[int]]:
        """A method's evaluation on the photos that are left, and the photos that are left after it.

        If photos cannot be explained, the others are explained again; if explanations cannot be evaluated, they are
        not.
        """
        result: Explanation | Heatmap | None = None
        while left and name in self.methods:
            some, part = [photos[place] for place in left], rows.of(left)
            try:
                if result is None and (result := self._explained(name, part, some, found)) is None:
                    break
                return self._measured(name, part, some, result), left
            except SolverError as error:
                if not error.photos:
                    raise
                for place in error.photos:
                    source = some[place].source
                    found.failures[source] = f"{source}: {error.__cause__ or error}"
                good = [place for place in range(len(left)) if place not in error.photos]
                left, result = [left[place] for place in good], None if result is None else result[good]
        return Evaluation(), left

    def _explained(self, name: str, rows: Subject, photos: list[Photo], found: Found) -> Explanation | Heatmap | None:
        """A method's result; None where the method cannot be applied to the network, and is dropped."""
        self._count.stage(f"{name}: explaining {_which(photos)}")
        method = self.methods[name]
        try:
            result: Explanation | Heatmap = method.explain(
                rows.images, target=rows.target, photos=[photo.source for photo in photos]
            )
        except ModelError as error:
            del self.methods[name]
            self.not_applicable[name] = str(error)
            return None
        found.options[name] = result.options
        return result

    def _measured(self, name: str, rows: Subject, photos: list[Photo], result: Explanation | Heatmap) -> Evaluation:
        self._count.stage(f"{name}: evaluating {_which(photos)}")
        boxes = None if self.recipe.boxes is None else [self._boxes(photo) for photo in photos]
        candidate = Candidate(result, self.methods[name], self._networks, boxes)
        return evaluate(rows, candidate, self.recipe.settings)

    def _method(self, name: str) -> Any:
        taken = {key: value for key, value in self.recipe.given.items() if takes(name, key)}
        return METHODS[name].load()(self.model, **taken)

    def _check_boxes(self, photo: Photo) -> None:
        for box in self.recipe.boxes_of(photo.source):
            try:
                check_box(box, *photo.original_size)
            except OptionError as error:
                raise PhotoError(f"{photo.source}: {error}") from None

    def _boxes(self, photo: Photo) -> list[Box]:
        """A photo's boxes, in pixels of the square that is explained."""
        height, width = photo.original_size
        size = self.recipe.size
        across, down = size / width, size / height
        # Clamped, because rounding in pixels of a small photo is larger in pixels of the square.
        return [
            (max(left * across, 0), max(top * down, 0), min(right * across, size), min(bottom * down, size))
            for left, top, right, bottom in self.recipe.boxes_of(photo.source)
        ]


def _which(photos: list[Photo]) -> str:
    return photos[0].source if len(photos) == 1 else f"{len(photos)} photos"

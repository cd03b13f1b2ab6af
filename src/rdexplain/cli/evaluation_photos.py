"""A worker of ``rdexplain evaluate`` that explains photos by every method, and measures what comes of it."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rdexplain.cli.evaluation_work import Found, Measuring, Nobody, Piece, Watch
from rdexplain.errors import ModelError, PhotoError, SolverError
from rdexplain.evaluation import Candidate, Evaluation, evaluate, merge, subject
from rdexplain.evaluation.localisation import Box, overlaps
from rdexplain.evaluation.randomisation import randomised
from rdexplain.images import Photo, load_photo
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model, load_model


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
        self.recipe, self.model, self._watch = recipe, model, watch or Nobody()
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


def options_of(kind: Any) -> set[str]:
    """The names of the options that a method's constructor takes."""
    hints = typing.get_type_hints(kind.__init__)
    names = set(hints) - {"model", "return", "options"}
    shared = typing.get_args(hints.get("options", None))
    return names | {name for one in shared for name in getattr(one, "__annotations__", {})}

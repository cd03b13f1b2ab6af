"""Lists and draws the objects that a detector finds in photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from rdexplain.errors import PhotoError
from rdexplain.models import Model, frozen
from rdexplain.models.decisions.objects import detected
from rdexplain.photos.images import find_photos, load_photo
from rdexplain.render import boxes_panel, save_figure
from rdexplain.render.marks import shares_of_frame
from rdexplain.work.choosing import find_model, photo_fit, photo_size
from rdexplain.work.explain import check_photos, nothing_of
from rdexplain.work.job import job
from rdexplain.work.outputs import Outputs, stems
from rdexplain.work.progress import Progress
from rdexplain.work.requests import Detect
from rdexplain.work.sizes import check_size


@dataclass(frozen=True)
class Seen:
    """An object.

    Attributes:
        number: what `explain` takes as `object`.
        label: the name of its class.
        confidence: from 0 to 1.
        box: left, top, right, bottom in pixels of the original photo.
    """

    number: int
    label: str
    confidence: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Detected:
    """The objects that a detector finds in one photo.

    Attributes:
        name: the stem of the photo's files.
        source: the photo.
        objects: in the order of their numbers.
        picture: a PNG file; None where nothing was found.
    """

    name: str
    source: str
    objects: Sequence[Seen]
    picture: Path | None


@dataclass(frozen=True)
class Detections:
    """What `detect` found.

    Attributes:
        photos: one entry for each photo that could be read.
        failures: why others could not be read, by their sources.
    """

    photos: Sequence[Detected]
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def nothing(self) -> str | None:
        """Why no photo could be read; None where one could."""
        return nothing_of(len(self.photos), self.failures)

    def __len__(self) -> int:
        return len(self.photos)

    def __iter__(self) -> Iterator[Detected]:
        return iter(self.photos)


@job(Detect)
def detect(options: Detect, progress: Progress) -> Detections:
    """List and draw what a detector sees in photos. `progress.done` gets a `Detected` for each photo.

    Raises:
        RDExplainError: an option, a photo's name, the network or the folder is invalid.
    """
    check_photos(options.photos)
    check_size(options.size, {})
    names = stems(find_photos(options.photos))
    model = find_model(options, progress)
    size, fit = photo_size(options.size, model), photo_fit(options.fit, model)
    found: list[Detected] = []
    failures: dict[str, str] = {}
    with Outputs(options.out, "detected").open():
        for source, name in names.items():
            progress.stage(f"looking at {name}")
            try:
                objects = _objects(model, source, size, fit, options.confidence)
            except PhotoError as error:
                failures[source] = str(error)
                progress.failed(str(error))
                continue
            picture = _drawn(model, source, name, objects, options.out) if objects else None
            found.append(Detected(name, source, objects, picture))
            progress.done(found[-1])
    return Detections(found, failures)


def _objects(model: Model, source: str, size: int, fit: str, confidence: float) -> list[Seen]:
    """The objects in a photo, with boxes in its own pixels, inside it."""
    photo = load_photo(source, size, fit)
    with frozen(model), torch.no_grad():
        (objects,) = detected(model, photo.pixels[None].to(model.device), confidence=confidence)
    height, width = photo.original_size
    found = []
    for one in objects:
        left, top, right, bottom = shares_of_frame(photo.frame or (0, 0, size, size), one.box)
        box = (left * width, top * height, right * width, bottom * height)
        found.append(Seen(one.number, model.class_name(one.category), one.confidence, box))
    return found


def _drawn(model: Model, source: str, name: str, objects: Sequence[Seen], folder: Path) -> Path:
    photo = load_photo(source, None)
    height, width = photo.original_size
    boxes = [(one.box[0] / width, one.box[1] / height, one.box[2] / width, one.box[3] / height) for one in objects]
    labels = [f"{one.number} {one.label} {one.confidence:.0%}" for one in objects]
    title = f"{counted(objects)} in {name}"
    figure = boxes_panel(photo.pixels, boxes, labels, title=title, note=f"{model.name}, {source}")
    return save_figure(figure, folder / f"{name}.detected.png")


def counted(objects: Sequence[Seen]) -> str:
    """The number of objects in words, such as "2 objects"."""
    return f"{len(objects) or 'no'} object{'s' * (len(objects) != 1)}"

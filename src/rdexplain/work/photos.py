"""Explains photos by one method, batch by batch: each batch's results are written before the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import PhotoError, SolverError
from rdexplain.methods.attribution import Attribution
from rdexplain.methods.baselines import Baseline
from rdexplain.models.decisions import AbsentError
from rdexplain.photos.images import Photo, load_photo
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap
from rdexplain.text.names import printable
from rdexplain.text.shown import shown_size
from rdexplain.work.outputs import Outputs
from rdexplain.work.progress import Count, Progress
from rdexplain.work.remarks import remark
from rdexplain.work.targets import Targets

MEASURING = 100
"""Measuring a mask takes about as long as this many images forward and backward; used to estimate the time left."""
Result = Explanation | Heatmap


@dataclass(frozen=True)
class Settings:
    """How photos are read, and which files are written for them; as the options of these names."""

    size: int
    fit: str
    per_batch: int
    samples: int
    original_size: bool
    repeats: int = 1


@dataclass(frozen=True)
class Written:
    """An explanation of one row, and where it is.

    Attributes:
        name: of its photo, and of the network where there are several.
        explanation: of one photo and target.
        picture: its PNG file; beside it are the others, with other suffixes.
        widths: length of the longest possible name and label, for columns of text; 0 where it is not known.
    """

    name: str
    explanation: Result
    picture: Path
    widths: tuple[int, int] = (0, 0)


@dataclass
class Tally:
    """The outcome for all photos.

    Attributes:
        explained: number of photos that are explained.
        pictures: paths of their explanations' pictures.
        failures: why the others could not be explained, by source.
    """

    explained: int = 0
    pictures: list[Path] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Explaining:
    """Explains photos and writes the results.

    Attributes:
        provenance: replaces entries of each record's options.
        of: follows each photo's name in messages, such as the network where there are several.
        keep: called with each result of one row, after it is written, and its photo.
        missed: called with the source of each photo that cannot be explained, and the reason.
    """

    method: Attribution | Baseline
    targets: Targets
    outputs: Outputs
    progress: Progress
    settings: Settings
    provenance: dict[str, Any]
    of: str = ""
    keep: Callable[[Result, Photo], None] | None = None
    missed: Callable[[str, str], None] | None = None

    def over(self, names: Mapping[str, str]) -> Tally:
        """Explain all photos, by the names of their results. One that cannot be explained does not stop the others.

        Raises:
            RDExplainError: an error that does not concern a single photo. Finished results are kept.
        """
        tally, count = Tally(), Count(self.progress)
        count.expect(len(names), *steps_of(self.method, self.settings.size))
        try:
            for batch in self._batches(names, tally, count):
                self._explain(batch, names, tally, count)
        except BaseException as error:
            if tally.explained:
                error.add_note(f"{tally.explained} of {len(names)} photos are explained, in {self.outputs.folder}")
            raise
        return tally

    def _batches(self, names: Mapping[str, str], tally: Tally, count: Count) -> Iterator[list[Photo]]:
        """Batches of photos, read when they are needed; photos that cannot be read are left out."""
        batch: list[Photo] = []
        for source in names:
            try:
                batch.append(load_photo(source, self.settings.size, self.settings.fit))
            except PhotoError as error:
                self._fail(source, str(error), tally, count)
            if len(batch) == self.settings.per_batch:
                yield batch
                batch = []
        if batch:
            yield batch

    def _explain(self, batch: list[Photo], names: Mapping[str, str], tally: Tally, count: Count) -> None:
        """Explain a batch; photos that the solver cannot explain are left out, and the others solved again."""
        while batch:
            count.begin(len(batch), names[batch[0].source])
            extras: dict[str, Any] = {"samples": self.settings.samples} if self.settings.samples else {}
            if not isinstance(self.method, Baseline):
                extras["preview"] = self.progress.preview
            if self.settings.repeats > 1:
                extras["repeats"] = self.settings.repeats
            images = torch.stack([photo.pixels for photo in batch]).to(self.method.model.dtype)
            try:
                explanation = self.method.explain(
                    images,
                    **self.targets.of(images),
                    photos=[photo.source for photo in batch],
                    progress=count.step,
                    **extras,
                )
            except (AbsentError, SolverError) as error:
                if not error.photos:
                    raise
                reasons = error.reasons if isinstance(error, AbsentError) else {}
                for position in error.photos:
                    source = batch[position].source
                    self._fail(source, f"{source}: {reasons.get(position, error.__cause__ or error)}", tally, count)
                batch = [photo for position, photo in enumerate(batch) if position not in error.photos]
                continue
            self._write(batch, explanation, names, tally, count)
            return

    def _write(
        self, batch: list[Photo], explanation: Result, names: Mapping[str, str], tally: Tally, count: Count
    ) -> None:
        count.draw()
        labels = self.targets.labels(len(names))
        widths = max(map(len, names.values())) + len(self.of), max(map(len, labels), default=0)
        owner = explanation.photo.tolist()
        for position, photo in enumerate(batch):
            for row in (row for row, place in enumerate(owner) if place == position):
                # Its place in the batch is left out, so that a photo's file does not depend on its batch.
                one = replace(explanation[row], photo=torch.zeros(1, dtype=torch.int64))
                frame = {} if photo.frame is None else {"frame": list(photo.frame)}
                one = replace(one, options=one.options | self.provenance | {"fit": photo.fit, **frame})
                base = self.outputs.base(names[photo.source], self.targets.name_of(one))
                picture = self.outputs.write(base, self._writers(one, photo))
                tally.pictures.append(picture)
                name = f"{printable(names[photo.source])}{self.of}"
                self.progress.done(Written(name, one, picture, widths))
                if (text := remark(one)) is not None:
                    self.progress.warning(f"{name}: {text}")
                if self.keep is not None:
                    self.keep(one, photo)
            tally.explained += 1
            count.finish(1)

    def _writers(self, explanation: Result, photo: Photo) -> dict[str, Callable[[Path], object]]:
        """For each suffix the function that writes the file; `Explanation.save` adds its own two suffixes."""
        from rdexplain.render import repeats_panel, samples_panel, save_figure, save_panel, save_picture

        shown = undistorted(photo)
        writers: dict[str, Callable[[Path], object]] = {
            "": explanation.save,
            ".png": lambda path: save_panel(explanation, path, original=shown),
        }
        if self.settings.samples and isinstance(explanation, Explanation):
            class_name = self.method.model.class_name
            writers[".samples.png"] = lambda path: save_figure(samples_panel(explanation, class_name=class_name), path)
        if self.settings.repeats > 1 and isinstance(explanation, Explanation):
            writers[".repeats.png"] = lambda path: save_figure(repeats_panel(explanation, original=shown), path)
        if self.settings.original_size:
            writers[".original.png"] = lambda path: save_picture(path, explanation.picture_at(*photo.original_size)[0])
        return writers

    def _fail(self, source: str, text: str, tally: Tally, count: Count) -> None:
        self.progress.failed(text)
        if self.missed is not None:
            self.missed(source, text.removeprefix(f"{source}: "))
        tally.failures[source] = text
        count.finish(1, failed=True)


def steps_of(method: Attribution | Baseline, size: int) -> tuple[int, float]:
    """A method's steps, and the share of a photo's time that measuring the finished mask takes after them."""
    if isinstance(method, Baseline):
        return method.work((size, size)), 0.0
    steps = method.options.steps
    return steps, MEASURING / (MEASURING + steps * method.options.settings.draws)


def undistorted(photo: Photo) -> Tensor | None:
    """A photo in its own shape, for the panel; None where a crop of it was explained, or its file is gone."""
    if photo.fit == "crop":
        return None
    try:
        return load_photo(photo.source, shown_size(*photo.original_size)).pixels
    except PhotoError:
        return None

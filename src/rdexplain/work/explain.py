"""Explains photos, and writes the explanations to a folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdexplain.errors import OptionError
from rdexplain.methods.registry import METHODS
from rdexplain.photos.images import find_photos
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap
from rdexplain.results.loading import load_result
from rdexplain.work.choosing import (
    find_model,
    make_method,
    method_options,
    photo_fit,
    photo_size,
    photos_per_batch,
    provenance,
    reading,
)
from rdexplain.work.job import job
from rdexplain.work.outputs import Outputs, stems
from rdexplain.work.photos import Explaining, Settings
from rdexplain.work.progress import Progress
from rdexplain.work.requests import Explain
from rdexplain.work.sizes import check_size
from rdexplain.work.targets import Targets


@dataclass(frozen=True)
class Explanations:
    """What `explain` wrote: a sequence of explanations of one photo and target each, which are read when indexed.

    Attributes:
        folder: where they are.
        pictures: a PNG file for each, in the order of the photos; beside it are .safetensors and .json.
        photos: number of photos.
        explained: number of photos that are explained.
        failures: why the others are not, by their sources.
        seconds: wall time.
        note: a message on how the network's output was interpreted, where the options do not say; None elsewhere.
    """

    folder: Path
    pictures: Sequence[Path]
    photos: int
    explained: int
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    note: str | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int | slice) -> Any:
        """An explanation, or a list of them."""
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        return load_result(self.pictures[place].with_suffix(".safetensors"))

    def __iter__(self) -> Iterator[Explanation | Heatmap]:
        return (self[place] for place in range(len(self)))

    @property
    def nothing(self) -> str | None:
        """Why nothing was explained; None where something was."""
        return nothing_of(self.explained, self.failures)


@job(Explain)
def explain(options: Explain, progress: Progress) -> Explanations:
    """Explain photos, and write each explanation as a picture, as .safetensors and as .json.

    All errors that can be found before the first photo is explained are raised then. A photo that cannot be explained
    does not stop the others. `progress.done` gets a `work.photos.Written` for each explanation.

    Raises:
        RDExplainError: an option, a photo's name, the network or the folder is invalid.
    """
    check_photos(options.photos)
    own = method_options(options, options.method)
    for name, asked in (("samples", options.samples > 0), ("repeats", options.repeats > 1)):
        if asked and METHODS[options.method].is_baseline:
            why = "shows what a mask keeps" if name == "samples" else "solves for a mask again"
            raise OptionError(f"`{name}` {why}: {options.method} has none")
    check_size(options.size, {options.method: own})
    sources = find_photos(options.photos)
    model = find_model(options, progress)
    targets = Targets(model, options)
    size = photo_size(options.size, model)
    method = make_method(options.method, model, own, size)
    names = stems(sources)
    wanted = {".samples.png": options.samples, ".repeats.png": options.repeats > 1}
    wanted[".original.png"] = options.original_size
    extras = [suffix for suffix, value in wanted.items() if value]
    outputs = Outputs(options.out, options.method, extras, names.values())
    settings = Settings(
        size,
        photo_fit(options.fit, model),
        photos_per_batch(options.photos_per_batch, model.device),
        options.samples,
        options.original_size,
        options.repeats,
    )
    started = time.monotonic()
    # Inside the block: another process may have been about to write these files.
    with outputs.open():
        outputs.check(names, targets, options.overwrite)
        tally = Explaining(method, targets, outputs, progress, settings, provenance(own)).over(names)
    seconds = time.monotonic() - started
    note = reading(model) if tally.explained else None
    pictures = [picture.absolute() for picture in tally.pictures]  # whatever folder is the current one later
    return Explanations(options.out, pictures, len(names), tally.explained, tally.failures, seconds, note)


def nothing_of(done: int, failures: Mapping[str, str]) -> str | None:
    """A message if every photo has failed, else None."""
    if done or not failures:
        return None
    more = f" (and {len(failures) - 1} more photos failed)" if len(failures) > 1 else ""
    return f"{next(iter(failures.values()))}{more}"


def check_photos(photos: Sequence[str]) -> None:
    if not photos:
        raise OptionError("name the photos: files, folders, glob patterns or sample:NAME")

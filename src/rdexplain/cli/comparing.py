"""From the arguments of ``rdexplain compare`` to one run for each method, and the panel of them all."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from rdexplain.cli.bar import Bar
from rdexplain.cli.explaining import (
    PHOTOS_PER_BATCH,
    PHOTOS_PER_BATCH_ON_A_GPU,
    find_model,
    labels_of,
    make_method,
    photo_fit,
    photo_size,
    provenance,
)
from rdexplain.cli.guard import ERROR, FINE, SOME_FAILED, say
from rdexplain.cli.options import method_options
from rdexplain.cli.outputs import OutputError, Outputs, stems
from rdexplain.cli.photos import Result, Run, Settings, Tally, undistorted
from rdexplain.cli.report import Report
from rdexplain.cli.targets import Slugs, Targets, Wanted
from rdexplain.errors import ModelError
from rdexplain.images import Photo, find_photos
from rdexplain.render import Cell, Compared, cell_of, comparison, save_figure
from rdexplain.render.words import amount, method_title

FILES = ("comparison.png", "comparison.pdf")
Key = tuple[str, tuple[int, ...]]
"""A photo's source and the indices of a target."""


@dataclass
class Panel:
    """What will be drawn: a row for each photo and class, in the order in which they come.

    Attributes:
        columns: the methods' names.
        rows: the photos and their classes in words.
        cells: what each method shows.
        refused: why a method is not applicable to the network.
    """

    columns: Sequence[str]
    rows: dict[Key, tuple[Tensor, str]] = field(default_factory=dict)
    cells: dict[tuple[Key, str], Cell] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, result: Result, photo: Photo) -> None:
        """Take in a result of one row."""
        key = (photo.source, tuple(result.target[0].reshape(-1).tolist()))
        if key not in self.rows:
            shown = undistorted(photo)
            label = f"{result.labels[0]}, {amount(result, float(result.probability[0]))}"
            self.rows[key] = (result.images[0] if shown is None else shown, label)
        self.cells[key, result.method] = cell_of(result, self.rows[key][0])

    def save(self, folder: Path) -> list[Path]:
        """Draw it and write it as `FILES`."""
        rows = []
        for key, (photo, label) in self.rows.items():
            cells = tuple(self.cells.get((key, name), self._missing(name)) for name in self.columns)
            rows.append(Compared(photo, label, cells))
        figure = comparison([method_title(name) for name in self.columns], rows)
        return [save_figure(figure, folder / name) for name in FILES]

    def _missing(self, name: str) -> Cell:
        return Cell(None, self.refused.get(name, "this photo could not be explained"))


def run(arguments: argparse.Namespace, bar: Bar) -> int:
    """Explain the photos by each method and draw them side by side; see `rdexplain.cli.main` for the exit status.

    A method that cannot explain such a network stays in the panel, with its reason.
    """
    if arguments.quiet:
        warnings.simplefilter("ignore")
    methods: tuple[str, ...] = arguments.methods
    options = {name: method_options(arguments, name, methods) for name in methods}
    sources = find_photos(arguments.photos)
    model = find_model(arguments, bar)
    targets = Targets(model, Wanted.of(arguments))
    size = photo_size(arguments.size, model)
    made = {name: make_method(name, model, options[name], size) for name in methods}
    names, slugs = stems(sources), Slugs(model)
    outputs = {name: Outputs(arguments.out, name) for name in methods}
    files = [slugs.of(index) for index in targets.classes if index is not None] if targets.several else [None]
    for place in outputs.values():
        place.check(names, files if targets.known or not targets.several else None, slugs, arguments.overwrite)
    _check_free(arguments.out, arguments.overwrite)
    labels = labels_of(model, targets, len(names))
    report = Report(bar, list(names.values()), labels, arguments.quiet)
    per_batch = arguments.photos_per_batch or PHOTOS_PER_BATCH.get(model.device.type, PHOTOS_PER_BATCH_ON_A_GPU)
    settings = Settings(size, photo_fit(arguments.fit, model), per_batch, samples=0, original_size=False)
    panel, started, tallies = Panel(methods), time.monotonic(), []
    with outputs[methods[0]].open():
        for name in methods:
            known = provenance(options[name])
            one = Run(made[name], targets, slugs, outputs[name], report, bar, settings, known, keep=panel.add)
            tally = _applied(one, names, panel, name)
            if tally is not None:
                tallies.append(tally)
        if not panel.rows:
            return ERROR
        bar.stage("drawing the comparison")
        paths = panel.save(arguments.out)
    report.compared(paths, time.monotonic() - started)
    return SOME_FAILED if any(tally.failed for tally in tallies) else FINE


def _applied(one: Run, names: Mapping[str, str], panel: Panel, name: str) -> Tally | None:
    """Run a method over all photos; None where it is not applicable."""
    try:
        return one.over(names)
    except ModelError as error:
        # Where nothing can be explained, it is the network's fault and not the method's.
        if len(panel.refused) + 1 == len(panel.columns):
            raise
        panel.refused[name] = str(error)
        say(f"warning: {method_title(name)} is not applicable: {error}")
        return None


def _check_free(folder: Path, overwrite: bool) -> None:
    taken = [folder / name for name in FILES if (folder / name).exists()]
    if taken and not overwrite:
        raise OutputError(f"{taken[0]} exists already: replace with --overwrite, or choose another --out")

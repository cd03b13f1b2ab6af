"""Explanations in forms that other tools read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rdexplain.errors import OptionError, RDExplainError
from rdexplain.work.exporting.coco import Coco
from rdexplain.work.exporting.fiftyone import FiftyOne
from rdexplain.work.job import job
from rdexplain.work.progress import Progress
from rdexplain.work.reporting.sources import items_of, open_source
from rdexplain.work.requests import Export
from rdexplain.work.runs import export as writing
from rdexplain.work.runs import open_run

DATA_SETS: dict[str, type[FiftyOne] | type[Coco]] = {"fiftyone": FiftyOne, "coco": Coco}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: where it is.
        count: of explanations.
        failures: why others are left out, by file or photo.
    """

    folder: Path
    count: int
    failures: dict[str, str] = field(default_factory=dict)


@job(Export)
def export(options: Export, progress: Progress) -> Exported:
    """Write explanations as pictures or arrays, or as a data set that FiftyOne or COCO's tools open.

    Raises:
        RDExplainError: there is no such folder, its photos are gone where they are needed, or the new folder will not
            do.
    """
    if options.run is None:
        raise OptionError("name the folder of a run")
    folder = options.out or options.run / f"export-{options.to}"
    if options.to not in DATA_SETS:
        run = open_run(options.run, options.photos)
        return Exported(folder, writing.export(run, options.to, folder))
    source = open_source(options.run, options.photos, folder)
    with writing.staged(folder) as staging:
        data_set = DATA_SETS[options.to](staging)
        added = [data_set.add(item) for item in items_of(source, progress, "writing the data set")]
        for text in source.missing.values():
            progress.failed(text)
        if source.missing and not any(added):
            raise RDExplainError(f"{next(iter(source.missing.values()))}: give `photos`, where they are now")
        if not added:
            raise RDExplainError(f"no explanation in {options.run} can be read")
        data_set.end()
    return Exported(folder, sum(added), source.failures | source.missing)

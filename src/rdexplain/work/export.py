"""A run's explanations as pictures or arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rdexplain.errors import OptionError
from rdexplain.work.job import job
from rdexplain.work.progress import Progress
from rdexplain.work.requests import Export
from rdexplain.work.runs import export as writing
from rdexplain.work.runs import open_run


@dataclass(frozen=True)
class Exported:
    """How many explanations were written, and where they are."""

    folder: Path
    count: int


@job(Export)
def export(options: Export, progress: Progress) -> Exported:
    """Write a run's explanations as pictures or arrays.

    Raises:
        RDExplainError: there is no such run, its photos are gone where they are needed, or the folder will not do.
    """
    if options.run is None:
        raise OptionError("name the folder of a run")
    run = open_run(options.run, options.photos)
    folder = options.out or options.run / f"export-{options.to}"
    return Exported(folder, writing.export(run, options.to, folder))

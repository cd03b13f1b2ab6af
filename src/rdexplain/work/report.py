"""Writes a gallery of explanations for a browser, as a folder that needs no server and no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rdexplain.errors import OptionError, RDExplainError
from rdexplain.work.job import job
from rdexplain.work.progress import Progress
from rdexplain.work.reporting.entries import Entries
from rdexplain.work.reporting.folder import check_folder, made
from rdexplain.work.reporting.pages import PAGE, write_page
from rdexplain.work.reporting.pictures import FOLDER
from rdexplain.work.reporting.sources import items_of, open_source
from rdexplain.work.requests import Report


@dataclass(frozen=True)
class Reported:
    """A gallery that was written.

    Attributes:
        folder: where it is.
        page: its page, to be opened in a browser.
        count: number of explanations in it.
        missing: why photos are not shown, by name.
        failures: why explanations are left out, by file, or by photo in a run.
    """

    folder: Path
    page: Path
    count: int
    missing: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@job(Report)
def report(options: Report, progress: Progress) -> Reported:
    """Write a gallery of explanations as a page for a browser, that needs no server and no network.

    Missing photos are shown as missing, with the figures of their explanations. A file that cannot be read does not
    stop the others. A report that is there already is replaced.

    Raises:
        RDExplainError: there is no such folder, nothing in it can be shown, or the report cannot be written.
    """
    folder = options.folder
    if folder is None:
        raise OptionError("name the folder of a run, or one that `explain` wrote")
    out = options.out or folder / "report"
    source = open_source(folder, options.photos, out)
    check_folder(out, options.overwrite)
    with made(out) as staging:
        (staging / FOLDER).mkdir()
        entries = Entries(staging)
        for item in items_of(source, progress, "writing the report"):
            entries.add(item)
        if not entries.found:
            raise RDExplainError(f"nothing in {folder} can be shown")
        write_page(staging, folder, entries.found)
    if source.missing:
        progress.warning(_gone(source.missing, options.photos))
    return Reported(out, out / PAGE, len(entries.found), source.missing, source.failures)


def _gone(missing: dict[str, str], photos: Path | None) -> str:
    """A warning about all missing photos."""
    first = next(iter(missing.values()))
    count = "a photo is" if len(missing) == 1 else f"{len(missing)} photos are"
    advice = "give `photos`, where they are now" if photos is None else "look at `photos`"
    return f"{count} left out of the report: {first}{' (and others)' if len(missing) > 1 else ''}: {advice}"

"""Replaces the folder of a report as a whole: the new files are moved into place when all are complete."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rdexplain.errors import OutputError, describe
from rdexplain.work.outputs import Outputs
from rdexplain.work.reporting.entries import RECORDS
from rdexplain.work.reporting.pages import ASSETS, DATA, PAGE, RECORD, is_report
from rdexplain.work.reporting.pictures import FOLDER

OLD = ".replaced"
NAMES = (RECORD, FOLDER, RECORDS, ASSETS, DATA, PAGE)
"""The files and folders of a report, in the order in which they are moved into place: the page comes last."""


def check_folder(folder: Path, overwrite: bool) -> None:
    """Check that nothing but a report is replaced.

    Raises:
        OutputError: the folder holds other files and `overwrite` is not set, or a folder with the name of a report's.
    """
    if is_report(folder):
        return
    there = Outputs(folder, "report").others()
    if there and not overwrite:
        raise OutputError(f"{folder} is no report, and not empty: choose another `out`, or set `overwrite`")
    for one in there:
        if one.name in NAMES and one.is_dir():
            raise OutputError(f"the report would replace the folder {one}: choose another `out`")


@contextlib.contextmanager
def made(folder: Path) -> Iterator[Path]:
    """An empty folder, whose files become the report when the block ends, and are removed when it fails.

    Files of an older report are replaced; others stay.

    Raises:
        OutputError: the folder cannot be made, takes no files, or is full.
    """
    try:
        with Outputs(folder, "report").staged() as staging:
            yield staging
            _put(staging, folder)
    except OSError as error:
        raise OutputError(f"cannot write the report: {describe(error)}") from error


def _put(staging: Path, folder: Path) -> None:
    """Move the new files into place. The old page goes first and the new one comes last, so that no page shows a part
    of either report."""
    old = staging / OLD
    old.mkdir()
    for name in reversed(NAMES):
        if name != RECORD and (folder / name).exists():
            (folder / name).replace(old / name)
    for name in NAMES:
        if (staging / name).exists():
            (staging / name).replace(folder / name)

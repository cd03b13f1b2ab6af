"""The folder of a report: made beside what is there, and put in its place when all of it is there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from rdexplain.errors import OutputError, describe
from rdexplain.work.outputs import Outputs
from rdexplain.work.reporting.entries import RECORDS
from rdexplain.work.reporting.pages import ASSETS, DATA, PAGE, RECORD, is_report
from rdexplain.work.reporting.pictures import FOLDER

STAGING, OLD = ".reporting", ".replaced"
NAMES = (RECORD, FOLDER, RECORDS, ASSETS, DATA, PAGE)
"""What a report has, in the order in which it is put in place: the page comes last."""


def check_folder(folder: Path, overwrite: bool) -> None:
    """See that nothing is replaced that is no report.

    Raises:
        OutputError: there is something else, and `overwrite` is not set; or folders that would be replaced.
    """
    if is_report(folder):
        return
    there: list[Path] = []
    with contextlib.suppress(OSError):  # there is no such folder yet, or `made` says why not
        there = [one for one in folder.iterdir() if one.name != STAGING]
    if there and not overwrite:
        raise OutputError(f"{folder} is no report, and not empty: choose another `out`, or set `overwrite`")
    for one in there:
        if one.name in NAMES and one.is_dir():
            raise OutputError(f"the report would replace the folder {one}: choose another `out`")


@contextlib.contextmanager
def made(folder: Path) -> Iterator[Path]:
    """An empty folder whose files become the report when the block ends, and vanish when it fails.

    A report that is there is replaced then; other files stay.

    Raises:
        OutputError: the folder cannot be made, takes no files, or is full.
    """
    with Outputs(folder, "report").open():
        staging = folder / STAGING
        try:
            shutil.rmtree(staging, ignore_errors=True)  # of a report that was killed
            staging.mkdir()
            yield staging
            _put(staging, folder)
        except OSError as error:
            raise OutputError(f"cannot write the report: {describe(error)}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _put(staging: Path, folder: Path) -> None:
    """All that was made in its place. Without its page, which goes first and comes last, nobody sees it half done."""
    old = staging / OLD
    old.mkdir()
    for name in reversed(NAMES):
        if name != RECORD and (folder / name).exists():
            (folder / name).replace(old / name)
    for name in NAMES:
        if (staging / name).exists():
            (staging / name).replace(folder / name)

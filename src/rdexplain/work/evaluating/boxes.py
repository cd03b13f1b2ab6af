"""Boxes of objects for `evaluate`: read from a CSV file, and assigned to their photos."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rdexplain.errors import OptionError
from rdexplain.evaluation.localisation import Box
from rdexplain.work.progress import Progress

SIDES = ("left", "top", "right", "bottom")


def find_boxes(file: Path, sources: Sequence[str], progress: Progress) -> dict[str, list[Box]]:
    """The boxes of photos, by source; a warning where some photos have none, or some boxes no photo.

    Raises:
        OptionError: see `read_boxes` and `by_source`.
    """
    named = read_boxes(file)
    found = by_source(file, named, sources)
    warnings = []
    if len(found) < len(sources):
        warnings.append(f"{len(found)} of {len(sources)} photos {'has' if len(found) == 1 else 'have'} boxes")
    if nobody := sum(map(len, named.values())) - sum(map(len, found.values())):
        warnings.append(f"{nobody} row{' names' if nobody == 1 else 's name'} no photo")
    if warnings:
        progress.warning(f"{file}: {'; '.join(warnings)}")
    return found


def read_boxes(file: Path) -> dict[str, list[Box]]:
    """Boxes by the value of the column photo, from a CSV file with the columns photo, left, top, right, bottom.

    Raises:
        OptionError: the file cannot be read, lacks a column or a number, or has an empty box.
    """
    wrong = f"{file}: boxes are a CSV file with the columns photo, left, top, right, bottom, and numbers in them"
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            rows, columns = list(reader), reader.fieldnames or ()
    except OSError as error:
        raise OptionError(f"cannot read the boxes in {file}: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise OptionError(wrong) from error
    if not {"photo", *SIDES} <= set(columns):
        raise OptionError(wrong)
    boxes: dict[str, list[Box]] = {}
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise OptionError(f"{file}, row {number}: more values than columns")
        try:
            left, top, right, bottom = (float(row[side]) for side in SIDES)
        except (TypeError, ValueError) as error:
            raise OptionError(wrong) from error
        if not all(map(math.isfinite, (left, top, right, bottom))):
            raise OptionError(wrong)
        if left >= right or top >= bottom:
            raise OptionError(
                f"{file}, row {number}: the box {left:g}, {top:g}, {right:g}, {bottom:g} is empty: "
                "left must be below right, and top below bottom"
            )
        boxes.setdefault(row["photo"], []).append((left, top, right, bottom))
    return boxes


def by_source(file: Path, named: Mapping[str, list[Box]], sources: Sequence[str]) -> dict[str, list[Box]]:
    """Boxes by the sources of their photos, which are named by their paths, or by the names of their files.

    Raises:
        OptionError: none of the photos has a box, or several have the name that a box has.
    """
    found = {source: named[source] for source in sources if source in named}
    called: dict[str, list[str]] = {}
    for source in sources:
        if source not in found:
            called.setdefault(Path(source).name, []).append(source)
    for name in sorted(named.keys() & called.keys() - found.keys()):
        if len(called[name]) > 1:
            raise OptionError(f"{file}: {len(called[name])} photos are called {name}: write their paths in its place")
        found[called[name][0]] = named[name]
    if not found:
        raise OptionError(f"{file} has no box for any of the photos: its column photo holds file names")
    return found

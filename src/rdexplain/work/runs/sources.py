"""Where the photos of a run are: folders, manifests, trees with a folder for each class, archives, data sets on disk.

A listing holds names and places only. A place says how to read a photo, on any machine that has the files: it is ready
for JSON, and its file is relative to the listing's root.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdexplain.errors import OptionError, PhotoError, one_line, unknown
from rdexplain.photos.images import SAMPLE, SUFFIXES, Photo, find_photos, load_photo
from rdexplain.text.extras import RUNS, needed
from rdexplain.text.names import NOT_UNICODE, is_unicode, printable
from rdexplain.work.runs.archives import list_hugging_face, list_webdataset, read_arrow, read_tar
from rdexplain.work.runs.entries import Entry, Listing

LAYOUTS = ("folder", "tree", "manifest", "webdataset", "huggingface")


def list_photos(source: str, layout: str = "auto") -> Listing:
    """The photos of a source.

    Args:
        source: a folder of photos, a glob pattern or `sample:NAME`; a tree with a folder of photos for each class; a
            CSV or Parquet manifest; a WebDataset tar, a folder of them or a glob pattern; a Hugging Face data set
            that `save_to_disk` wrote.
        layout: one of `LAYOUTS`, or auto.

    Raises:
        PhotoError: there is nothing, or it cannot be read.
        OptionError: an unknown layout, or a manifest without what it needs.
    """
    layout = _layout(source) if layout == "auto" else layout
    if layout not in _LISTINGS:
        raise OptionError(unknown("layout", layout, ("auto", *LAYOUTS)))
    listing = _LISTINGS[layout](source)
    if not is_unicode(listing.root):
        raise PhotoError(f"{printable(listing.root)}: {NOT_UNICODE}")
    listing = replace(listing, entries=[_nameable(entry) for entry in listing.entries])
    if not listing.entries:
        raise PhotoError(f"no photos in {source}")
    twice = [photo for photo, count in Counter(entry.photo for entry in listing.entries).items() if count > 1]
    if twice:
        raise OptionError(
            f"{source} has {len(twice)} photos twice, such as {twice[0]}: give a manifest with a column id"
        )
    return listing


def read(entry: Entry, root: str, size: int | tuple[int, int], fit: str) -> Photo:
    """Decode a photo, wherever it is; size and fit as in `load_photo`.

    Raises:
        PhotoError: it cannot be read.
    """
    place, content = entry.place, None
    if "unreadable" in place:
        raise PhotoError(f"{entry.photo}: {place['unreadable']}")
    source = place["file"]
    if not source.startswith(SAMPLE):
        source = os.path.join(root, source)
    try:
        if "offset" in place:
            source, content = f"{source}/{entry.photo}", read_tar(source, place)
        elif "row" in place:
            source, content = read_arrow(source, place)
    except OSError as error:
        raise PhotoError(f"cannot read {source}: {error.strerror or error}") from error
    return load_photo(source, size, fit, content=content)


def _nameable(entry: Entry) -> Entry:
    """The entry; if its name is no valid Unicode, one with an escaped name, which fails by itself when it is read."""
    names = (entry.photo, entry.place["file"])
    if all(map(is_unicode, names)):
        return entry
    photo = printable(entry.photo)
    return Entry(photo, {"file": photo, "unreadable": NOT_UNICODE})


def _layout(source: str) -> str:
    path = Path(source)
    if path.suffix.lower() in (".csv", ".parquet"):
        return "manifest"
    if path.suffix.lower() == ".tar" or ".tar" in path.suffixes:
        return "webdataset"
    if not path.is_dir():
        return "folder"
    if (path / "state.json").exists() or (path / "dataset_dict.json").exists():
        return "huggingface"
    folders = False
    with os.scandir(path) as found:
        for one in found:
            if one.name.lower().endswith(SUFFIXES) and one.is_file():
                return "folder"
            if one.name.endswith(".tar"):
                return "webdataset"
            folders |= one.is_dir() and not one.name.startswith(".")
    return "tree" if folders else "folder"


def _folder(source: str) -> Listing:
    """Photos as `find_photos` finds them; in a folder a photo is known by its file's name."""
    if os.path.isdir(source):
        names = [os.path.basename(path) for path in find_photos([source])]
        return Listing("folder", os.path.abspath(source), [Entry(name, {"file": name}) for name in names])
    return Listing("folder", os.getcwd(), [Entry(path, {"file": path}) for path in find_photos([source])])


def _tree(source: str) -> Listing:
    """A folder for each class, as torchvision's ImageFolder has it: photos at any depth, classes in sorted order."""
    entries = []
    try:
        classes = sorted(one.name for one in os.scandir(source) if one.is_dir() and not one.name.startswith("."))
    except OSError as error:
        raise PhotoError(f"cannot read folder {source}: {error.strerror or error}") from error
    for number, name in enumerate(classes):
        for folder, folders, files in os.walk(os.path.join(source, name)):
            folders.sort()
            for file in sorted(files):
                if file.lower().endswith(SUFFIXES) and not file.startswith("."):
                    photo = os.path.relpath(os.path.join(folder, file), source)
                    entries.append(Entry(photo, {"file": photo}, {"name": name, "index": number}))
    return Listing("tree", os.path.abspath(source), entries)


def _manifest(source: str) -> Listing:
    """The columns photo (a path, relative to the manifest), and where given target (a class, or several with | between
    them), label (the true class, kept beside the results) and id (the photo's name in the run)."""
    path = Path(source)
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)
    entries = []
    for number, row in enumerate(rows, 1):
        photo = row.get("photo")
        if photo in (None, ""):
            raise OptionError(f"{source}, row {number}: no photo (columns: photo; if wanted target, label, id)")
        name = row.get("id")
        entries.append(
            Entry(
                str(photo if name in (None, "") else name),
                {"file": str(photo)},
                _named_label(row.get("label")),
                _targets(row.get("target")),
            )
        )
    return Listing("manifest", str(path.absolute().parent), entries)


def _csv_rows(path: Path) -> Iterable[dict[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return list(csv.DictReader(lines))
    except OSError as error:
        raise PhotoError(f"cannot read {path}: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise PhotoError(f"{path} is no CSV file: {error}") from error


def _parquet_rows(path: Path) -> Iterable[dict[str, Any]]:
    parquet = needed("pyarrow.parquet", "a Parquet manifest", RUNS)
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise PhotoError(f"cannot read {path}: {one_line(error)}") from error
    return rows


def _targets(value: Any) -> list[str] | None:
    if value in (None, ""):
        return None
    values = value if isinstance(value, list) else str(value).split("|")
    return [str(one).strip() for one in values]


def _named_label(value: Any) -> dict[str, Any] | None:
    if value in (None, ""):
        return None
    text = str(value)
    return {"index": int(text)} if text.isdecimal() else {"name": text}


_LISTINGS: dict[str, Callable[[str], Listing]] = {
    "folder": _folder,
    "tree": _tree,
    "manifest": _manifest,
    "webdataset": list_webdataset,
    "huggingface": list_hugging_face,
}

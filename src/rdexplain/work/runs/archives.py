"""Photos inside larger files: WebDataset tars, and Hugging Face data sets on disk. Both are read without unpacking."""

from __future__ import annotations

import functools
import glob
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from rdexplain.errors import PhotoError, one_line
from rdexplain.photos.images import SUFFIXES
from rdexplain.text.extras import RUNS, needed
from rdexplain.work.runs.entries import Entry, Listing


def list_webdataset(source: str) -> Listing:
    """A tar, a folder of tars or a glob pattern. Files whose names are the same up to their first dot are one sample:
    the photo, and optionally its label in `.cls`, `.label` or `.txt`, or in a `.json` as "cls" or "label".

    A photo is named by this common part, or `TAR/NAME` if there are several tars.
    """
    pattern = os.path.join(glob.escape(source), "*.tar") if os.path.isdir(source) else source
    files = sorted(glob.glob(pattern)) or ([source] if os.path.exists(source) else [])
    if not files:
        raise PhotoError(f"no file matches {source}")
    root = os.path.dirname(os.path.abspath(files[0]))
    entries = []
    for file in files:
        prefix = f"{Path(file).stem}/" if len(files) > 1 else ""
        entries += _samples(file, os.path.relpath(file, root), prefix)
    return Listing("webdataset", root, entries)


def read_tar(path: str, place: dict[str, Any]) -> bytes:
    """The content of a photo in a tar."""
    with open(path, "rb") as tar:
        tar.seek(place["offset"])
        return tar.read(place["size"])


def _samples(path: str, relative: str, prefix: str) -> list[Entry]:
    photos: dict[str, dict[str, Any]] = {}
    labels: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                folder, name = os.path.split(member.name)
                stem, _, suffix = name.partition(".")
                key = os.path.join(folder, stem)
                if f".{suffix.lower()}".endswith(SUFFIXES):
                    photos.setdefault(key, {"file": relative, "offset": member.offset_data, "size": member.size})
                elif suffix in ("cls", "label", "txt", "json") and (content := tar.extractfile(member)) is not None:
                    label = _label(suffix, content.read())
                    if label is not None:
                        labels[key] = label
    except tarfile.ReadError as error:
        raise PhotoError(
            f"{path} is no tar file that can be read where it lies ({error}): unpack or repack it"
        ) from error
    except OSError as error:
        raise PhotoError(f"cannot read {path}: {error.strerror or error}") from error
    return [Entry(prefix + key, place, labels.get(key)) for key, place in photos.items()]


def _label(suffix: str, content: bytes) -> dict[str, Any] | None:
    text = content.decode("utf-8", "replace").strip()
    if suffix == "json":
        try:
            fields = json.loads(text)
        except ValueError:
            return None
        found = next((fields[name] for name in ("cls", "label") if name in fields), None)
        if found is None:
            return None
        text = str(found)
    return {"index": int(text)} if text.isdecimal() else {"name": text} if text else None


def list_hugging_face(source: str) -> Listing:
    """A data set as `datasets.Dataset.save_to_disk` wrote it: Arrow files, read with pyarrow alone.

    The first column of the type Image has the photos, which are named by the number of their row; the first column of
    the type ClassLabel has the labels.
    """
    folder = Path(source)
    if (folder / "dataset_dict.json").exists():
        splits = json.loads((folder / "dataset_dict.json").read_text()).get("splits", [])
        raise PhotoError(f"{source} holds several splits: name one, such as {folder / (splits or ['train'])[0]}")
    try:
        state = json.loads((folder / "state.json").read_text())
        features = json.loads((folder / "dataset_info.json").read_text())["features"]
    except (OSError, ValueError, KeyError) as error:
        raise PhotoError(f"{source} is no data set of save_to_disk: {type(error).__name__}: {error}") from error
    if state.get("_indices_data_files"):
        raise PhotoError(f"{source} is a selection of another data set: save it after flatten_indices()")
    column = _feature(features, "Image")
    if column is None:
        raise PhotoError(f"{source} has no column of images")
    labels = _feature(features, "ClassLabel")
    names = features[labels]["names"] if labels else []
    entries: list[Entry] = []
    for file in (one["filename"] for one in state["_data_files"]):
        table = _arrow(str(folder / file))
        known = table.column(labels).to_pylist() if labels else [None] * table.num_rows
        for row, number in enumerate(known):
            label = None if number is None or number < 0 else {"name": names[number], "index": number}
            entries.append(Entry(f"{len(entries):08}", {"file": file, "row": row, "column": column}, label))
    return Listing("huggingface", str(folder.absolute()), entries)


def read_arrow(path: str, place: dict[str, Any]) -> tuple[str, bytes | None]:
    """The name and the content of a photo in an Arrow file; a path and None where the file holds only a path."""
    photo = _arrow(path).column(place["column"])[place["row"]].as_py()
    if photo is None or not (photo.get("bytes") or photo.get("path")):
        raise PhotoError(f"{path}, row {place['row']}: no photo")
    if photo.get("bytes") is None:
        return photo["path"], None
    return f"{path}, row {place['row']}", photo["bytes"]


def _feature(features: dict[str, Any], kind: str) -> str | None:
    return next((name for name, one in features.items() if isinstance(one, dict) and one.get("_type") == kind), None)


@functools.lru_cache(maxsize=4)
def _arrow(path: str) -> Any:
    """A memory-mapped table: only the parts that are used come into memory."""
    pyarrow = needed("pyarrow", "a Hugging Face data set", RUNS)
    try:
        with pyarrow.memory_map(path) as mapped:
            return pyarrow.ipc.open_stream(mapped).read_all()
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise PhotoError(f"cannot read {path}: {one_line(error)}") from error

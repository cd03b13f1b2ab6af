"""Explanations and heatmaps on disk: tensors as safetensors, the record as JSON, both written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from rdexplain.errors import RDExplainError

FORMAT = 1


@dataclass(frozen=True)
class Layout:
    """Which attributes of a result are written as tensors, and which into the header.

    Attributes:
        kind: the name of the kind of result in files.
        bands: attributes that are lists of bands; the first is always there.
        tensors: attributes that are always tensors; those in `optional` may be None.
        curves: attributes that are dicts of tensors.
    """

    kind: str
    bands: tuple[str, ...]
    tensors: tuple[str, ...]
    header: tuple[str, ...]
    optional: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()


_COUNTS = ("network_evaluations", "measurements")
"""Tensors that older files hold as one number for all rows, in the header."""


class Stored(Protocol):
    """What can be written: rows with a record each, whose attributes are named by a `Layout`."""

    LAYOUT: ClassVar[Layout]

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def photos(self) -> tuple[str | None, ...]: ...

    def __len__(self) -> int: ...

    def record(self, row: int = 0) -> dict[str, Any]: ...


def save(result: Stored, path: str | Path, *, overwrite: bool = True) -> tuple[Path, Path]:
    """Write a result; see `Result.save`."""
    tensors_path, record_path = paths(path)
    if not tensors_path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(tensors_path.parent))
    if not overwrite:
        for existing in (tensors_path, record_path):
            if existing.exists():
                raise FileExistsError(f"{existing} exists")
    layout = result.LAYOUT
    names = (*layout.tensors, *layout.optional)
    tensors = {name: value for name in names if (value := getattr(result, name)) is not None}
    for name in layout.bands:
        tensors |= {f"{name}.{number}": band for number, band in enumerate(getattr(result, name) or ())}
    for name in layout.curves:
        tensors |= {f"{name}.{key}": curve for key, curve in getattr(result, name).items()}
    # A file without a kind holds an explanation.
    header: dict[str, Any] = {} if layout.kind == "explanation" else {"kind": layout.kind}
    header |= {name: getattr(result, name) for name in layout.header}
    header |= {"format": FORMAT, "labels": result.labels, "photos": result.photos}
    records = [result.record(row) for row in range(len(result))]
    record = records[0] if len(records) == 1 else {"explanations": records}
    data = safetensors_bytes(
        {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()},
        {"rdexplain": json.dumps(header)},
    )
    write_whole(tensors_path, data)
    write_whole(record_path, (json.dumps(record, indent=2) + "\n").encode())
    return tensors_path, record_path


def read(path: str | Path, layouts: Sequence[Layout]) -> tuple[Layout, dict[str, Any]]:
    """Read a result: its layout, which is one of `layouts`, and its attributes.

    Raises:
        RDExplainError: the file is missing or damaged, was written by a newer version, or holds none of these kinds.
    """
    file = paths(path)[0]
    known = {layout.kind: layout for layout in layouts}
    try:
        with safe_open(file, framework="pt") as content:
            metadata = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise RDExplainError(f"no such {'explanation' if len(known) > 1 else next(iter(known))}: {file}") from error
    except (SafetensorError, OSError) as error:
        raise RDExplainError(f"{file} cannot be read as an explanation: {error}") from error
    if "rdexplain" not in metadata:
        raise RDExplainError(f"{file} was not written by rdexplain")
    try:
        header: dict[str, Any] = json.loads(metadata["rdexplain"])
        if header.pop("format") > FORMAT:
            raise RDExplainError(f"{file} was written by a newer rdexplain: upgrade to read it")
        found = str(header.pop("kind", "explanation"))
        if found not in known:
            raise RDExplainError(f"{file} holds another kind of result: load_{found}() reads it")
        return known[found], _attributes(known[found], header, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise RDExplainError(f"{file} is not an explanation, or is damaged: {type(error).__name__}: {error}") from error


def _attributes(layout: Layout, header: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    found: dict[str, Any] = {name: tensors[name] for name in layout.tensors}
    found |= {name: tensors.get(name) for name in layout.optional}
    header |= {name: torch.full(tensors["photo"].shape, header[name]) for name in _COUNTS if name in header}
    found |= header | {"labels": tuple(header["labels"]), "photos": tuple(header["photos"])}
    always, *others = layout.bands
    found |= {always: _bands(tensors, always), **{name: _bands(tensors, name) or None for name in others}}
    for name in layout.curves:
        keys = [key for key in tensors if key.startswith(f"{name}.")]
        found[name] = {key.removeprefix(f"{name}."): tensors[key] for key in keys}
    return found


def _bands(tensors: dict[str, Tensor], name: str) -> list[Tensor]:
    count = sum(key.startswith(f"{name}.") for key in tensors)
    return [tensors[f"{name}.{number}"] for number in range(count)]


def paths(path: str | Path) -> tuple[Path, Path]:
    """The two files of an explanation. Only their own suffixes are taken off: `a.cartoonx` keeps its dot."""
    path = Path(path)
    stem = path.name.removesuffix(".safetensors").removesuffix(".json")
    return path.with_name(stem + ".safetensors"), path.with_name(stem + ".json")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it, so that it is never half written."""
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends, and vanishes when it fails.

    Raises:
        OSError: raised by the block; an error without a file's name, as for a full disk, gets that of `path`.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; a result has the permissions that the user's umask gives.
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        # An error without an errno shows its message alone, which a filename would hide.
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, name):
            error.filename = str(path)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

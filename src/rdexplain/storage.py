"""Explanations and heatmaps on disk: tensors as safetensors, the record as JSON, both written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from rdexplain.errors import RDExplainError
from rdexplain.explanation import Explanation
from rdexplain.heatmap import Heatmap
from rdexplain.result import Result

FORMAT = 1


class _Layout(NamedTuple):
    """What of a result's attributes is written as tensors, and what into the header.

    Attributes:
        bands: the name of the mask or the scores.
    """

    kind: type[Explanation] | type[Heatmap]
    bands: str
    tensors: tuple[str, ...]
    header: tuple[str, ...]
    optional: tuple[str, ...] = ()


_COUNTS = ("network_evaluations", "measurements")
"""Tensors that were once one number for all rows, in the header."""

_FREQUENCY = "selection_frequency"

_LAYOUTS = {
    "explanation": _Layout(
        Explanation,
        "mask",
        (
            "images",
            "picture",
            "distortion",
            "non_sparsity",
            "objective",
            "sparsity",
            "empty_distortion",
            "collapsed",
            "target",
            "probability",
            "kept_probability",
            "photo",
        ),
        (
            "method",
            "model",
            "seed",
            "steps",
            "draws",
            "seconds",
            "device",
            "options",
            "versions",
            "target_kind",
            "repeats",
        ),
        (*_COUNTS, "samples", "sample_probabilities", "region", "box", "agreement"),
    ),
    "heatmap": _Layout(
        Heatmap,
        "scores",
        ("images", "picture", "target", "probability", "photo"),
        ("method", "model", "seed", "seconds", "device", "options", "versions"),
        _COUNTS[:1],
    ),
}


def load_explanation(path: str | Path) -> Explanation:
    """Read what `Explanation.save` wrote.

    Args:
        path: with or without one of the two suffixes.

    Raises:
        RDExplainError: the file is missing, is not an explanation, or was written by a newer version.
    """
    return cast(Explanation, _read(path, "explanation"))


def load_heatmap(path: str | Path) -> Heatmap:
    """Read what `Heatmap.save` wrote.

    Args:
        path: with or without one of the two suffixes.

    Raises:
        RDExplainError: the file is missing, is not a heatmap, or was written by a newer version.
    """
    return cast(Heatmap, _read(path, "heatmap"))


def load_result(path: str | Path) -> Explanation | Heatmap:
    """Read what `Explanation.save` or `Heatmap.save` wrote; errors as `load_explanation`'s."""
    return _read(path)


def save(result: Result, path: str | Path, *, overwrite: bool = True) -> tuple[Path, Path]:
    """See `Result.save`."""
    tensors_path, record_path = paths(path)
    if not tensors_path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(tensors_path.parent))
    if not overwrite:
        for existing in (tensors_path, record_path):
            if existing.exists():
                raise FileExistsError(f"{existing} exists")
    kind, layout = next((kind, layout) for kind, layout in _LAYOUTS.items() if isinstance(result, layout.kind))
    names = (*layout.tensors, *layout.optional)
    tensors = {name: value for name in names if (value := getattr(result, name)) is not None}
    tensors |= {f"{layout.bands}.{number}": band for number, band in enumerate(getattr(result, layout.bands))}
    again = getattr(result, _FREQUENCY, None) or ()
    tensors |= {f"{_FREQUENCY}.{number}": band for number, band in enumerate(again)}
    tensors |= {f"history.{name}": curve for name, curve in getattr(result, "history", {}).items()}
    # A file without a kind holds an explanation.
    header: dict[str, Any] = {} if kind == "explanation" else {"kind": kind}
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


def _read(path: str | Path, kind: str | None = None) -> Explanation | Heatmap:
    """A result of a kind, or of any."""
    file = paths(path)[0]
    try:
        with safe_open(file, framework="pt") as content:
            metadata = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise RDExplainError(f"no such {kind or 'explanation'}: {file}") from error
    except (SafetensorError, OSError) as error:
        raise RDExplainError(f"{file} cannot be read as an explanation: {error}") from error
    if "rdexplain" not in metadata:
        raise RDExplainError(f"{file} was not written by rdexplain")
    try:
        header: dict[str, Any] = json.loads(metadata["rdexplain"])
        if header.pop("format") > FORMAT:
            raise RDExplainError(f"{file} was written by a newer rdexplain: upgrade to read it")
        found = header.pop("kind", "explanation")
        if kind not in (found, None):
            raise RDExplainError(f"{file} holds another kind of result: load_{found}() reads it")
        return _result(_LAYOUTS[found], header, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise RDExplainError(f"{file} is not an explanation, or is damaged: {type(error).__name__}: {error}") from error


def _result(layout: _Layout, header: dict[str, Any], tensors: dict[str, Tensor]) -> Explanation | Heatmap:
    found: dict[str, Any] = {name: tensors[name] for name in layout.tensors}
    found |= {name: tensors.get(name) for name in layout.optional}
    header |= {name: torch.full(tensors["photo"].shape, header[name]) for name in _COUNTS if name in header}
    found |= header | {"labels": tuple(header["labels"]), "photos": tuple(header["photos"])}
    found[layout.bands] = _bands(tensors, layout.bands)
    if layout.kind is Explanation:
        curves = [name for name in tensors if name.startswith("history.")]
        found["history"] = {name.removeprefix("history."): tensors[name] for name in curves}
        found[_FREQUENCY] = _bands(tensors, _FREQUENCY) or None
    return layout.kind(**found)


def _bands(tensors: dict[str, Tensor], name: str) -> list[Tensor]:
    """The bands of a name, in order."""
    count = sum(key.startswith(f"{name}.") for key in tensors)
    return [tensors[f"{name}.{number}"] for number in range(count)]


def paths(path: str | Path) -> tuple[Path, Path]:
    """The two files of an explanation. Only their own suffixes are taken off: `a.cartoonx` keeps its dot."""
    path = Path(path)
    stem = path.name.removesuffix(".safetensors").removesuffix(".json")
    return path.with_name(stem + ".safetensors"), path.with_name(stem + ".json")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it: it is there whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends, and vanishes when it fails.

    Raises:
        OSError: as the block raises it; one without a file's name, as a full disk has it, gets that of `path`.
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
        # Without a number an error has its text alone, which a file's name would hide.
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, name):
            error.filename = str(path)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

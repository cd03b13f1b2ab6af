"""Explanations and heatmaps on disk: tensors as safetensors, the record as JSON, both written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from rdexplain.errors import RDExplainError
from rdexplain.explanation import Explanation
from rdexplain.heatmap import Heatmap

FORMAT = 1
_TENSORS = (
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
)
_OPTIONAL = ("samples", "sample_probabilities", "region", "box")
_FIELDS = (
    "method",
    "model",
    "seed",
    "steps",
    "draws",
    "seconds",
    "network_evaluations",
    "measurements",
    "device",
    "options",
    "versions",
    "target_kind",
)


_HEATMAP_TENSORS = ("images", "picture", "target", "probability", "photo")
_HEATMAP_FIELDS = ("method", "model", "seed", "seconds", "network_evaluations", "device", "options", "versions")


def save(explanation: Explanation, path: str | Path, *, overwrite: bool = True) -> tuple[Path, Path]:
    """See `Explanation.save`."""
    tensors = {name: getattr(explanation, name) for name in _TENSORS}
    tensors |= {name: value for name in _OPTIONAL if (value := getattr(explanation, name)) is not None}
    tensors |= {f"mask.{number}": band for number, band in enumerate(explanation.mask)}
    tensors |= {f"history.{name}": curve for name, curve in explanation.history.items()}
    header = {name: getattr(explanation, name) for name in _FIELDS}
    return _write(explanation, tensors, header, path, overwrite)


def save_heatmap(heatmap: Heatmap, path: str | Path, *, overwrite: bool = True) -> tuple[Path, Path]:
    """See `Heatmap.save`."""
    tensors = {name: getattr(heatmap, name) for name in _HEATMAP_TENSORS}
    tensors |= {f"scores.{number}": band for number, band in enumerate(heatmap.scores)}
    header = {"kind": "heatmap"} | {name: getattr(heatmap, name) for name in _HEATMAP_FIELDS}
    return _write(heatmap, tensors, header, path, overwrite)


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


def _write(
    result: Explanation | Heatmap, tensors: dict[str, Tensor], header: dict[str, Any], path: str | Path, overwrite: bool
) -> tuple[Path, Path]:
    tensors_path, record_path = paths(path)
    if not tensors_path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(tensors_path.parent))
    if not overwrite:
        for existing in (tensors_path, record_path):
            if existing.exists():
                raise FileExistsError(f"{existing} exists")
    header = header | {"format": FORMAT, "labels": result.labels, "photos": result.photos}
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
        return (_heatmap if found == "heatmap" else _explanation)(header, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise RDExplainError(f"{file} is not an explanation, or is damaged: {type(error).__name__}: {error}") from error


def _heatmap(header: dict[str, Any], tensors: dict[str, Tensor]) -> Heatmap:
    labels, photos = tuple(header.pop("labels")), tuple(header.pop("photos"))
    count = sum(name.startswith("scores.") for name in tensors)
    fields: dict[str, Any] = {**{name: tensors[name] for name in _HEATMAP_TENSORS}, **header}
    return Heatmap(
        scores=[tensors[f"scores.{number}"] for number in range(count)],
        labels=labels,
        photos=photos,
        **fields,
    )


def _explanation(header: dict[str, Any], tensors: dict[str, Tensor]) -> Explanation:
    labels, photos = tuple(header.pop("labels")), tuple(header.pop("photos"))
    masks = sorted(name for name in tensors if name.startswith("mask."))
    fields: dict[str, Any] = {
        **{name: tensors[name] for name in _TENSORS},
        **{name: tensors.get(name) for name in _OPTIONAL},
        **header,
    }
    return Explanation(
        mask=[tensors[f"mask.{number}"] for number in range(len(masks))],
        history={
            name.removeprefix("history."): tensor for name, tensor in tensors.items() if name.startswith("history.")
        },
        labels=labels,
        photos=photos,
        **fields,
    )


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
    """A temporary path that becomes `path` when the block ends, and vanishes when it fails."""
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
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

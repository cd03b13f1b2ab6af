"""Results on disk: a shard is a safetensors file of masks and a Parquet file of their figures, row by row."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rdexplain.errors import RDExplainError, one_line
from rdexplain.results.storage import whole_file
from rdexplain.text.extras import RUNS, needed

MASKS = ("float32", "bf16", "uint8")
"""How masks are kept, in 4, 2 or 1 bytes per entry: exactly; rounded to 8 binary digits (a relative error of at most
1/256); or in 255 equal steps over [0, 1] (an error of at most 1/510), for a heatmap over its own range."""
STRINGS = ("photo", "method", "target_axes", "label", "true_name", "fit")
WHOLE = ("number", "target", "true_index", "network_evaluations", "measurements", "height", "width", "header")
MASK_FIGURES = ("kept_probability", "distortion", "non_sparsity", "objective", "sparsity", "empty_distortion")
"""Figures of an `Explanation`, which a `Heatmap` does not have."""
NUMBERS = ("probability", *MASK_FIGURES, "seconds", "low", "high")
FLAGS = ("collapsed",)


@dataclass(frozen=True)
class Row:
    """One explanation, ready to be written.

    Attributes:
        figures: a value for each column; those that are missing are null.
        header: what explanations of one call have in common (options, versions, device), ready for JSON.
        mask: packed, (k,), see `pack`.
        order: `Explanation.order`, flat, uint8 (k,), where there is one.
    """

    figures: dict[str, Any]
    header: dict[str, Any]
    mask: Tensor
    order: Tensor | None = None


def pack(flat: Tensor, kind: str, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Encode numbers (k,) in [low, high] as `kind`, one of `MASKS`."""
    if kind == "float32":
        return flat.float().contiguous()
    if kind == "bf16":
        return flat.to(torch.bfloat16)
    span = high - low if high > low else 1.0
    return ((flat.double() - low) * (255 / span)).round_().clamp_(0, 255).to(torch.uint8)


def unpack(packed: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Decode what `pack` returned, to (k,) float32."""
    if packed.dtype != torch.uint8:
        return packed.float()
    return (packed.double() * ((high - low) / 255) + low).float()


def paths(folder: Path, number: int) -> tuple[Path, Path]:
    """A shard's two files."""
    return folder / f"{number:05}.safetensors", folder / f"{number:05}.parquet"


def write(folder: Path, number: int, rows: Sequence[Row]) -> None:
    """Write a shard. When this returns it is durable: files and folder are flushed to the disk.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    tensors_path, rows_path = paths(folder, number)
    headers = list(dict.fromkeys(json.dumps(row.header, sort_keys=True) for row in rows))
    figures = [row.figures | {"header": headers.index(json.dumps(row.header, sort_keys=True))} for row in rows]
    parquet = needed("pyarrow.parquet", "a run", RUNS)
    table = needed("pyarrow", "a run", RUNS).Table.from_pylist(figures, schema=schema())
    with _no_safetensors_error(tensors_path), whole_file(tensors_path) as temporary:
        tensors = {str(place): row.mask for place, row in enumerate(rows)}
        tensors |= {f"order.{place}": row.order for place, row in enumerate(rows) if row.order is not None}
        save_file(tensors, temporary, {"rdexplain": json.dumps({"format": 1, "headers": headers})})
    with whole_file(rows_path) as temporary:
        parquet.write_table(table, temporary)
    flush_folder(folder)


def read_rows(folder: Path, number: int) -> Any:
    """The figures of a shard, a pyarrow Table."""
    path = paths(folder, number)[1]
    try:
        return needed("pyarrow.parquet", "a run", RUNS).read_table(path)
    except (OSError, ValueError) as error:
        raise RDExplainError(f"{path} cannot be read: {one_line(error)}") from error


def read_masks(
    folder: Path, number: int, rows: Iterable[int]
) -> tuple[list[tuple[Tensor, Tensor | None]], list[dict[str, Any]]]:
    """Packed masks of some rows of a shard, with their orders, and the shard's headers."""
    path = paths(folder, number)[0]
    try:
        with safe_open(path, framework="pt") as content:
            found = json.loads(content.metadata()["rdexplain"])
            there = set(content.keys())
            orders = {row: f"order.{row}" for row in rows}
            masks = [
                (content.get_tensor(str(row)), content.get_tensor(name) if name in there else None)
                for row, name in orders.items()
            ]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise RDExplainError(f"{path} cannot be read: {one_line(error)}") from error
    return masks, [json.loads(header) for header in found["headers"]]


def remove_others(folder: Path, known: set[int]) -> int:
    """Remove shards that are not `known`, and temporary files, as a kill leaves them; returns the number of files."""
    keep = {path.name for number in known for path in paths(folder, number)}
    orphans = [path for path in folder.iterdir() if path.name not in keep]
    for path in orphans:
        path.unlink()
    return len(orphans)


def schema() -> Any:
    """The Parquet schema of the figures."""
    pa = needed("pyarrow", "a run", RUNS)
    kinds = ((STRINGS, pa.string()), (WHOLE, pa.int64()), (NUMBERS, pa.float64()), (FLAGS, pa.bool_()))
    return pa.schema([(name, kind) for names, kind in kinds for name in names])


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some file systems cannot flush a folder, and need not.
        with contextlib.suppress(PermissionError):
            os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _no_safetensors_error(path: Path) -> Any:
    """Turn safetensors' own error, such as for a full disk, into an OSError."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(getattr(error, "errno", None) or 5, one_line(error), str(path)) from error

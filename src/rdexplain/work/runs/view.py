"""A run as a sequence of explanations, read when they are asked for."""

from __future__ import annotations

import functools
import html
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import RDExplainError
from rdexplain.results.explanation import Explanation, mask_picture
from rdexplain.results.heatmap import Heatmap, picture_of
from rdexplain.results.loading import check
from rdexplain.results.result import representation_from
from rdexplain.text.extras import RUNS, needed
from rdexplain.text.shown import shown_size
from rdexplain.work.runs.entries import Entry
from rdexplain.work.runs.folder import LEDGER, SHARDS, RunError, is_run, read_config
from rdexplain.work.runs.ledger import Ledger
from rdexplain.work.runs.shards import MASK_FIGURES, paths, read_masks, read_rows, schema, unpack
from rdexplain.work.runs.sources import read

Result = Explanation | Heatmap


class Run:
    """The finished explanations of a run, in the order of its photos, as they were when it was opened.

    `run[i]` is an `Explanation` (or a baseline's `Heatmap`) of one row; `run.frame()` has the figures of all. Masks are
    read from the shards and photos from where they are, each time they are asked for, so that a run takes no more
    memory than its table of figures.

    Args:
        folder: of the run. Another process may still be working on it.
        photos: where the photos are now, if they have moved.

    Raises:
        RunError: it is no run.
    """

    def __init__(self, folder: str | Path, photos: str | Path | None = None) -> None:
        self.folder = Path(folder)
        if not is_run(self.folder):
            raise RunError(f"{folder} is no run: it has no ledger")
        self.config = read_config(self.folder)
        self._root = str(self.config["root"] if photos is None else Path(photos).absolute())
        with Ledger(self.folder / LEDGER, read_only=True) as ledger:
            self.counts = ledger.counts()
            self.failures = ledger.failures()
            self._entries = ledger.entries()
            finished = ledger.finished()
        self._rows = [(one, row) for one in finished for row in range(one.rows)]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)
        return f"Run({str(self.folder)!r}: {len(self)} explanations; {states})"

    def _repr_html_(self) -> str:
        """The counts and the first explanation, for notebooks."""
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)
        first = f"<br>{self[0]._repr_html_()}" if len(self) else ""
        return f"<b>{html.escape(str(self.folder))}</b>: {len(self)} explanations; {states}{first}"

    def __iter__(self) -> Iterator[Result]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, place: Any) -> Any:
        """The explanation at a place of `frame()`; a list of them for a slice.

        Raises:
            PhotoError: the photo is not where it was: give `photos`.
            RDExplainError: the shard is damaged.
        """
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        number, shard, row = self._place(place)
        figures = self._shard(shard)[row]
        ((packed, order),), headers = read_masks(self.folder / SHARDS, shard, [row])
        entry = self._entries[number]
        flat = unpack(packed, figures["low"], figures["high"])
        made = _result(figures, headers[figures["header"]], flat, order, entry, self._root)
        try:
            check(made)
        except ValueError as error:
            file = paths(self.folder / SHARDS, shard)[0]
            raise RDExplainError(f"{file} is damaged: {error}") from error
        return made

    def mask(self, place: int) -> Tensor:
        """The mask (or scores) at a place, flat (k,) float32, low-pass first, without the photo being read."""
        _, shard, row = self._place(place)
        figures = self._shard(shard)[row]
        ((packed, _),), _ = read_masks(self.folder / SHARDS, shard, [row])
        return unpack(packed, figures["low"], figures["high"])

    def undistorted(self, place: int) -> Tensor | None:
        """The photo at a place (3, h, w) in [0, 1], in its own shape, for a panel; None where a crop was explained.

        Raises:
            PhotoError: it is not where it was: give `photos`.
        """
        number, shard, row = self._place(place)
        figures = self._shard(shard)[row]
        if figures["fit"] == "crop":
            return None
        return read(self._entries[number], self._root, shown_size(figures["height"], figures["width"]), "squash").pixels

    def table(self) -> Any:
        """The figures of all explanations, a pyarrow Table with one row for each, in order.

        Columns: photo, method, target (or target_axes, JSON, where targets are tuples), label in words, true_name and
        true_index if the data set has them, the figures of `Explanation`, seconds, and height and width of the
        original.
        """
        pyarrow = needed("pyarrow", "a run", RUNS)
        if not self._rows:
            return schema().empty_table().drop_columns(_INTERNAL)
        places = [self._place(place) for place in range(len(self))]
        numbers = sorted({shard for _, shard, _ in places})
        tables = {number: read_rows(self.folder / SHARDS, number) for number in numbers}
        starts, start = {}, 0
        for number in numbers:
            starts[number] = start
            start += tables[number].num_rows
        order = [starts[shard] + row for _, shard, row in places]
        return pyarrow.concat_tables([tables[number] for number in numbers]).take(order).drop_columns(_INTERNAL)

    def frame(self) -> Any:
        """`table` as a pandas DataFrame; the Table itself where pandas is not installed."""
        table = self.table()
        try:
            return table.to_pandas()
        except ModuleNotFoundError:
            return table

    def _place(self, place: int) -> tuple[int, int, int]:
        """Photo, shard and row of a place."""
        one, row = self._rows[range(len(self))[place]]
        if not paths(self.folder / SHARDS, one.shard)[1].exists():  # when a run ends, its shards are joined
            with Ledger(self.folder / LEDGER, read_only=True) as ledger:
                now = {(one.number, one.method): one for one in ledger.finished()}
            self._rows = [(now[old.number, old.method], row) for old, row in self._rows]
            one, row = self._rows[place]
        return one.number, one.shard, one.first + row

    @functools.lru_cache(maxsize=4)  # noqa: B019 - a view lives as long as it is used
    def _shard(self, number: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = read_rows(self.folder / SHARDS, number).to_pylist()
        return rows


_INTERNAL = ["number", "low", "high", "header"]


def open_run(folder: str | Path, photos: str | Path | None = None) -> Run:
    """The explanations of a run; see `Run`."""
    return Run(folder, photos)


def _result(
    figures: dict[str, Any], header: dict[str, Any], flat: Tensor, order: Tensor | None, entry: Entry, root: str
) -> Result:
    height, width = header["size"]
    if height != width:
        raise RDExplainError(f"{entry.photo} was explained at {height} x {width} pixels: runs are of squares")
    photo = read(entry, root, height, figures["fit"])
    images = photo.pixels[None]
    frame = {} if photo.frame is None else {"frame": list(photo.frame)}
    representation = representation_from(header["options"])
    transform = representation.transform((height, width), torch.float32)
    bands = [band.unsqueeze(0) for band in transform.split(flat)]
    axes = figures["target_axes"]
    common: dict[str, Any] = {
        "images": images,
        "target": torch.tensor([figures["target"] if axes is None else json.loads(axes)]),
        "probability": _number(figures["probability"]),
        "labels": (figures["label"],),
        "photo": torch.zeros(1, dtype=torch.int64),
        "photos": (entry.photo,),
        "method": figures["method"],
        "model": header["model"],
        "seed": header["seed"],
        "seconds": figures["seconds"],
        "network_evaluations": torch.tensor([figures["network_evaluations"]]),
        "device": header["device"],
        "options": header["options"] | {"fit": figures["fit"]} | frame,
        "versions": header["versions"],
    }
    if header["kind"] == "heatmap":
        return Heatmap(scores=bands, picture=picture_of(representation, images, bands), **common)
    common |= {name: _number(figures[name]) for name in MASK_FIGURES}
    return Explanation(
        mask=bands,
        picture=mask_picture(representation, images, bands),
        collapsed=torch.tensor([figures["collapsed"]]),
        history={"distortion": torch.zeros(0, 1), "non_sparsity": torch.zeros(0, 1)},
        steps=header["steps"],
        draws=header["draws"],
        measurements=torch.tensor([figures["measurements"]]),
        target_kind=header["target_kind"],
        order=None if order is None else [band.unsqueeze(0) for band in transform.split(order)],
        **common,
    )


def _number(value: float | None) -> Tensor:
    """A figure (1,); NaN where the table has none."""
    return torch.tensor([math.nan if value is None else value])

"""Reads the explanations of a run, or of a folder of files, one by one, for a report or an export."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from rdexplain.errors import OptionError, PhotoError, RDExplainError
from rdexplain.render.marks import box_in_frame, framed, lit
from rdexplain.results.explanation import Explanation
from rdexplain.results.focus import inside
from rdexplain.results.loading import load_result
from rdexplain.results.storage import paths
from rdexplain.work.progress import Progress
from rdexplain.work.reporting.items import Item, figures_of
from rdexplain.work.reporting.truth import is_right, true_class
from rdexplain.work.runs.folder import is_run
from rdexplain.work.runs.view import Result, open_run


class Source(Protocol):
    """A sequence of explanations.

    Attributes:
        total: number of parts, which are the explanations of a run, or the files of a folder.
        missing: reasons why photos cannot be shown, by name; filled by `items`.
        failures: reasons why explanations are left out, by file or photo; filled by `items`.
    """

    total: int
    missing: dict[str, str]
    failures: dict[str, str]

    def items(self, progress: Progress) -> Iterator[tuple[int, Item]]:
        """The explanations, each with the number of parts read so far; `progress` is told of those that fail."""


def open_source(folder: Path, photos: Path | None, out: Path) -> Source:
    """The explanations of a folder.

    Args:
        photos: folder of a run's photos, if they have moved.
        out: folder of the report, to which links are relative.

    Raises:
        RDExplainError: there is no such folder, or there are none in it.
    """
    if not folder.is_dir():
        raise OptionError(f"{folder} is no folder: name one" if folder.exists() else f"no such folder: {folder}")
    if is_run(folder):
        return _OfRun(folder, photos)
    files = sorted(file for file in folder.glob("*.safetensors") if not file.name.startswith("."))
    if not files:
        raise OptionError(f"no explanations in {folder}: it is no run, and has no .safetensors files of `explain`")
    if photos is not None:
        raise OptionError("`photos` is for runs: the files of `explain` hold what was explained, leave it out")
    return _OfFolder(files, out)


def items_of(source: Source, progress: Progress, text: str) -> Iterator[Item]:
    """The items of a source, while `progress` is told how many parts are done; `text` says what is done with them."""
    progress.stage(text)
    started = time.monotonic()
    for done, item in source.items(progress):
        yield item
        left = (time.monotonic() - started) / done * (source.total - done)
        progress.advance(done, source.total, text, "", left)


class _OfRun:
    def __init__(self, folder: Path, photos: Path | None) -> None:
        self._run = open_run(folder, photos)
        self.total = len(self._run)
        self.missing: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        if not self.total:
            raise RDExplainError(f"{folder} has no finished explanations yet")

    def items(self, progress: Progress) -> Iterator[tuple[int, Item]]:
        model = str(self._run.config["resolved"].get("model", ""))
        for place, row in enumerate(self._run.table().to_pylist()):
            result: Result | None = None
            try:
                result = self._run[place]
            except PhotoError as error:
                self.missing.setdefault(row["photo"], str(error))
            except RDExplainError as error:
                self.failures[row["photo"]] = f"{row['photo']}: {error}"
                progress.failed(self.failures[row["photo"]])
                continue
            yield place + 1, _of_row(row, result, model)


def _of_row(row: dict[str, Any], result: Result | None, model: str) -> Item:
    target = row["target"] if row["target_axes"] is None else json.loads(row["target_axes"])
    true = true_class(row["true_name"], row["true_index"])
    record = {name: value for name, value in row.items() if value is not None} | {"model": model}
    return Item(
        photo=row["photo"],
        method=row["method"],
        model=model,
        label=row["label"],
        target=target,
        figures=figures_of(row),
        true=true,
        right=is_right(row["label"], target, row["true_name"], row["true_index"]),
        image=None if result is None else framed(result, result.images[0]),
        picture=None if result is None else lit(result, framed(result, result.picture[0])),
        shape=(row["height"], row["width"]) if row["fit"] != "crop" else None,
        record=record if result is None else result.record() | ({} if true is None else {"true": true}),
    )


class _OfFolder:
    def __init__(self, files: list[Path], out: Path) -> None:
        self._files, self._out = files, out
        self.total = len(files)
        self.missing: dict[str, str] = {}
        self.failures: dict[str, str] = {}

    def items(self, progress: Progress) -> Iterator[tuple[int, Item]]:
        for place, file in enumerate(self._files, 1):
            try:
                result = load_result(file)
                found = [self._of_row(result, row, file) for row in range(len(result))]
            except (RDExplainError, KeyError, IndexError) as error:
                text = str(error) if isinstance(error, RDExplainError) else f"{file} is damaged: {error!r}"
                self.failures[str(file)] = text
                progress.failed(text)
                continue
            yield from ((place, item) for item in found)

    def _of_row(self, result: Result, row: int, file: Path) -> Item:
        record = result.record(row)
        said = record["target"]
        tensors, beside = paths(file)
        links = {"explanation": tensors} | ({"record": beside} if beside.exists() else {})
        return Item(
            photo=result.photos[row],
            method=result.method,
            model=result.model,
            label=result.labels[row],
            target=said["index"],
            figures=figures_of(record | {name: said.get(name) for name in ("probability", "kept_probability")}),
            image=framed(result, result.images[row]),
            picture=lit(result, framed(result, result.picture[row])),
            **_where(result, row),
            inside=record.get("inside"),
            links={name: _relative(path, self._out) for name, path in links.items()},
        )


def _where(result: Result, row: int) -> dict[str, Any]:
    """The fields `box` or `region` of an item, if a box or a region was explained."""
    one = result[row]
    if not isinstance(one, Explanation) or (one.box is None and one.region is None):
        return {}
    if one.box is not None:
        return {"box": box_in_frame(one)}
    return {"region": framed(one, inside(one))[0]}


def _relative(path: Path, folder: Path) -> str:
    """The link to a file from a page in a folder, with unusual characters escaped."""
    return quote(os.fsencode(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))))

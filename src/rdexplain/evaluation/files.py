"""An evaluation on disk: rows as Parquet, the summary as CSV, provenance as JSON; each file whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rdexplain.errors import RDExplainError
from rdexplain.evaluation.results import Curve, CurveKey, Entry, Evaluation, Over, ScoreKey
from rdexplain.evaluation.statistics import Comparison, Interval
from rdexplain.evaluation.summary import Difference, Figure, differences, summary
from rdexplain.results.storage import whole_file, write_whole
from rdexplain.text.extras import needed

ROWS, SCORES, SUMMARY, DIFFERENCES, RECORD = (
    "rows.parquet",
    "scores.parquet",
    "summary.csv",
    "differences.csv",
    "evaluation.json",
)
FORMAT = 1
_LOG = ("log_mean", "log_low", "log_high")
_KEYS = (*Entry._fields, "mode", "percentage", "share", "draws")


def save_evaluation(
    evaluation: Evaluation,
    folder: str | Path,
    *,
    record: dict[str, Any] | None = None,
    over: Over = "share",
    seed: int = 0,
) -> None:
    """Write an evaluation into a folder, which is created if its parent exists.

    ``rows.parquet`` has a row for each photo, target, method, domain, mode and percentage; ``scores.parquet`` for each
    photo, target, method, domain and score; ``summary.csv`` for each method and figure, with its interval,
    and for areas the same over log p;
    ``differences.csv`` for each two methods, with p-values, plain and corrected for all pairs by one figure;
    ``evaluation.json`` holds the record.

    Args:
        record: provenance, ready for JSON.
        over: see `summary.values`.
        seed: of the bootstrap.

    Raises:
        OptionError: pyarrow is not installed.
        OSError: the folder cannot be made, or is full.
    """
    folder, (arrow, parquet) = Path(folder), _pyarrow()
    folder.mkdir(exist_ok=True)
    for name, columns in ((ROWS, _rows(evaluation)), (SCORES, _scores(evaluation))):
        with whole_file(folder / name) as temporary:
            parquet.write_table(arrow.table(columns), temporary)
    lines = summary(evaluation, over=over, seed=seed)
    write_csv(
        folder / SUMMARY,
        ("method", *Figure._fields, *Interval._fields, *_LOG),
        [(line.method, *line.figure, *line.value, *_log(line.log)) for line in lines],
    )
    pairs = differences(evaluation, over=over, seed=seed)
    write_csv(
        folder / DIFFERENCES,
        ("first", "second", *Figure._fields, *Comparison._fields, "holm", *_LOG, "log_p", "log_holm"),
        [_cells(pair) for pair in pairs],
    )
    whole = {"format": FORMAT, "not_applicable": dict(sorted(evaluation.not_applicable.items())), **(record or {})}
    write_whole(folder / RECORD, (json.dumps(whole, indent=2) + "\n").encode())


def load_evaluation(folder: str | Path) -> Evaluation:
    """Read what `save_evaluation` wrote.

    Raises:
        RDExplainError: a file is missing or damaged.
        OptionError: pyarrow is not installed.
    """
    folder, (arrow, parquet) = Path(folder), _pyarrow()
    try:
        record = json.loads((folder / RECORD).read_text())
        if record["format"] > FORMAT:
            raise RDExplainError(f"{folder} was written by a newer rdexplain: upgrade to read it")
        rows = parquet.read_table(folder / ROWS).to_pydict()
        scores = parquet.read_table(folder / SCORES).to_pydict()
        return Evaluation(_curves_of(rows), _scores_of(scores), record["not_applicable"])
    except (OSError, KeyError, TypeError, ValueError, arrow.ArrowException) as error:
        if isinstance(error, RDExplainError):
            raise
        raise RDExplainError(f"{folder} holds no evaluation that can be read: {error}") from error


def write_csv(path: Path, titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as CSV; numbers have six significant digits, and cells for NaN or infinity are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_whole(path, text.getvalue().encode())


def _log(value: Interval | Comparison | None) -> tuple[float, ...]:
    return (math.nan,) * len(_LOG) if value is None else (value.mean, value.low, value.high)


def _cells(pair: Difference) -> tuple[Any, ...]:
    over_log = math.nan if pair.log is None else pair.log.p
    return pair.first, pair.second, *pair.figure, *pair.value, pair.holm, *_log(pair.log), over_log, pair.log_holm


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return value


def _rows(evaluation: Evaluation) -> dict[str, list[Any]]:
    measures = sorted({name for curve in evaluation.curves.values() for name in curve.measures})
    columns: dict[str, list[Any]] = {name: [] for name in (*_KEYS, *measures)}
    for (entry, mode), curve in sorted(evaluation.curves.items(), key=lambda item: item[0]):
        count = len(curve.percentages)
        for name, value in zip(_KEYS, (*entry, mode), strict=False):
            columns[name] += [value] * count
        columns["percentage"] += curve.percentages.tolist()
        columns["share"] += curve.share.tolist()
        columns["draws"] += [curve.draws] * count
        for name in measures:
            columns[name] += curve.measures[name].tolist() if name in curve.measures else [None] * count
    return columns


def _scores(evaluation: Evaluation) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in (*Entry._fields, "score", "value")}
    for (entry, score), value in sorted(evaluation.scores.items(), key=lambda item: item[0]):
        for name, cell in zip(columns, (*entry, score, value), strict=True):
            columns[name].append(cell)
    return columns


def _curves_of(columns: dict[str, list[Any]]) -> dict[CurveKey, Curve]:
    measures = [name for name in columns if name not in _KEYS]
    places: dict[CurveKey, list[int]] = {}
    for place, cells in enumerate(zip(*(columns[name] for name in (*Entry._fields, "mode")), strict=True)):
        places.setdefault(CurveKey(Entry(*cells[:-1]), cells[-1]), []).append(place)

    def curve(rows: list[int]) -> Curve:
        def column(name: str) -> Any:
            return np.array([columns[name][row] for row in rows], dtype=np.float64)

        present = [name for name in measures if columns[name][rows[0]] is not None]
        shown = {name: column(name) for name in present}
        return Curve(column("percentage"), column("share"), shown, columns["draws"][rows[0]])

    return {key: curve(rows) for key, rows in places.items()}


def _scores_of(columns: dict[str, list[Any]]) -> dict[ScoreKey, float]:
    rows = zip(*(columns[name] for name in (*Entry._fields, "score", "value")), strict=True)
    return {ScoreKey(Entry(*cells[:-2]), cells[-2]): cells[-1] for cells in rows}


def _pyarrow() -> tuple[Any, Any]:
    return needed("pyarrow", "an evaluation on disk"), needed("pyarrow.parquet", "an evaluation on disk")

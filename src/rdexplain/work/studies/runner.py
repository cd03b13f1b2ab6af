"""Runs the units of recipes, resuming earlier runs, and writes the findings."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from rdexplain.errors import RDExplainError
from rdexplain.evaluation.files import write_csv
from rdexplain.models import Model
from rdexplain.render import save_figure
from rdexplain.results.loading import load_explanation
from rdexplain.results.storage import whole_file, write_whole
from rdexplain.text.extras import needed
from rdexplain.work.engines import Engine, Local
from rdexplain.work.studies.carried import Batch, Done, UnitWorker
from rdexplain.work.studies.plan import Plan
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Row, Unit, explanation_file
from rdexplain.work.studies.schedule import Schedule, units_of
from rdexplain.work.studies.verdict import Verdict

UNITS, VERDICTS, TABLE, TABLES = "units", "verdicts.json", "verdicts.md", (".csv", ".parquet")


class Watch(Protocol):
    """Observes a run: called before each batch of units that this process computes, and after each unit, with the
    reason if it failed."""

    def begin(self, units: Batch) -> None: ...
    def done(self, unit: Unit, reason: str | None) -> None: ...


def finished(folder: Path) -> list[str]:
    """Names of the units that have a result.

    Failed and damaged ones are left out, so that they are computed again; a warning counts the damaged ones.
    """
    records = [file for file in (folder / UNITS).glob("*.json") if "." not in file.stem]  # no explanation records
    found = {file: _read(file) for file in records}
    damaged = [file for file, record in found.items() if not record or not _has_explanation(file, record)]
    if damaged:
        one = len(damaged) == 1
        what = f"{len(damaged)} result{' is' if one else 's are'} damaged"
        warnings.warn(f"{folder}: {what}, and made again", RuntimeWarning, stacklevel=2)
    return [file.stem for file, record in found.items() if "rows" in record and file not in damaged]


def _has_explanation(file: Path, record: Row) -> bool:
    """Whether the explanation that belongs to a record, if one does, can be read."""
    try:
        if record.get("explained"):
            load_explanation(explanation_file(file.parent, file.stem))
    except RDExplainError:
        return False
    return True


def reproduce(
    recipes: Sequence[Recipe],
    plan: Plan,
    load: Callable[[str], Model],
    folder: Path,
    watch: Watch | None = None,
    engine: Engine[Batch, list[Done]] | None = None,
    schedule: Schedule | None = None,
) -> tuple[dict[str, list[Verdict]], int]:
    """Reproduce figures and tables.

    Each unit's result is written as soon as it is done; existing results are not computed again. Then each recipe's
    figures (PNG), numbers (Parquet and CSV) and all verdicts (JSON and Markdown) are written.

    Args:
        recipes: what to make.
        plan: the same in each run for a folder.
        load: maps a network's name to the model.
        folder: for the results; it must exist.
        watch: is told of the progress.
        engine: carries units to workers that load networks themselves; None for this process.
        schedule: of the same recipes and plan, where a budget scales them; None for the plan as it is.

    Returns:
        the verdicts by recipe, and how many units failed.

    Raises:
        OSError: the folder cannot be written to.
    """
    needed("pyarrow", "reproduce")
    place = folder / UNITS
    place.mkdir(exist_ok=True)
    if schedule is None:
        schedule = Schedule(recipes, plan, finished(folder))
    if engine is None:
        engine = Local(UnitWorker(plan, load) if watch is None else UnitWorker(plan, load, watch.begin))
    with contextlib.closing(engine.results(schedule)) as all_done:
        for done in chain.from_iterable(all_done):
            _keep(done, place)
            schedule.done(done.unit, done.seconds, done.result)
            if watch is not None:
                watch.done(done.unit, done.result.get("failed"))
    plan = schedule.plan
    units = units_of(recipes, plan)
    results = Results(place, {unit.name: _read(place / f"{unit.name}.json") for unit in units})
    verdicts = {}
    for recipe in recipes:
        findings = recipe.conclude(plan, results)
        _write(recipe.name, findings, folder)
        verdicts[recipe.name] = findings.verdicts
    _write_verdicts(recipes, verdicts, plan, folder)
    schedule.finish()
    return verdicts, sum(results.failed(unit) for unit in units)


def _keep(done: Done, place: Path) -> None:
    """Write a unit's files, and its record last, since that marks the unit as complete."""
    for name, content in done.files.items():
        write_whole(place / name, content)
    unit = done.unit
    record = {"photo": unit.photo.source, "model": unit.model, "method": unit.method, "explained": bool(done.files)}
    record |= done.result
    write_whole(place / f"{unit.name}.json", (json.dumps(record) + "\n").encode())


def _read(file: Path) -> Row:
    """A unit's record; an empty one where there is none yet, or one that is damaged."""
    try:
        found: Row = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(name: str, findings: Findings, folder: Path) -> None:
    for suffix, figure in findings.figures.items():
        save_figure(figure, folder / f"{name}{suffix}.png")
    if not findings.rows:  # such as where weights are missing, which the verdicts say
        return
    columns = list({column: None for row in findings.rows for column in row})
    write_csv(folder / f"{name}.csv", columns, [[row.get(column) for column in columns] for row in findings.rows])
    arrow, parquet = needed("pyarrow", "reproduce"), needed("pyarrow.parquet", "reproduce")
    table = arrow.table({column: [row.get(column) for row in findings.rows] for column in columns})
    with whole_file(folder / f"{name}.parquet") as temporary:
        parquet.write_table(table, temporary)


def _write_verdicts(recipes: Sequence[Recipe], verdicts: dict[str, list[Verdict]], plan: Plan, folder: Path) -> None:
    record = {
        "protocol": plan.protocol,
        "model": plan.model,
        "recipes": {name: [_record(one) for one in found] for name, found in verdicts.items()},
    }
    write_whole(folder / VERDICTS, (json.dumps(record, indent=2) + "\n").encode())
    lines = [f"# Verdicts: {plan.protocol} protocol, {plan.model}", ""]
    for recipe in recipes:
        lines += [f"## {recipe.name}: {recipe.title}", "", f"The claim: {recipe.claim}", ""]
        lines += ["| claim | published | ours | verdict | why | after Holm | scaled |", "|---|---|---|---|---|---|---|"]
        for one in verdicts[recipe.name]:
            cells = (one.claim, one.published, one.ours, one.outcome, one.why, _corrected(one), ", ".join(one.scaled))
            lines.append("| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |")
        lines.append("")
    write_whole(folder / TABLE, "\n".join(lines).encode())


def _corrected(verdict: Verdict) -> str:
    """A verdict after the correction for the number of comparisons, in words."""
    return "" if verdict.holm is None else f"{verdict.after_holm}: p {verdict.holm:.2g} of {verdict.family}"


def _record(verdict: Verdict) -> dict[str, Any]:
    """A verdict, ready for JSON; NaN becomes null."""
    record = {name: getattr(verdict, name) for name in ("claim", "published", "ours", "outcome", "why")}
    found = verdict.interval
    numbers = None if found is None else {k: None if v != v else v for k, v in found._asdict().items()}
    corrected = {"holm": verdict.holm, "family": verdict.family, "after_holm": verdict.after_holm}
    return record | {"interval": numbers, **corrected, "scaled": list(verdict.scaled)}


def clean(folder: Path, names: Sequence[str]) -> None:
    """Delete the results of units and the files of the recipes `names` from earlier runs, but no other files."""
    written = [file for name in names for file in folder.glob(f"{name}.*") if file.suffix in (".png", *TABLES)]
    units = [file for file in (folder / UNITS).glob("*") if file.suffix in (".json", ".safetensors")]
    for file in (*units, *written, folder / VERDICTS, folder / TABLE):
        file.unlink(missing_ok=True)

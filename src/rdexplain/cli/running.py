"""From the arguments of ``rdexplain run`` to a run that is finished, or as far as it could get."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdexplain.cli.bar import Bar
from rdexplain.cli.crew import Crew, find_crew
from rdexplain.cli.explaining import photo_fit, photo_size, portable_model
from rdexplain.cli.guard import ERROR, FINE, SOME_FAILED
from rdexplain.cli.options import method_options
from rdexplain.cli.run_config import gather, plain
from rdexplain.cli.run_report import RunReport
from rdexplain.cli.sizes import check_size
from rdexplain.errors import ModelError, OptionError
from rdexplain.methods.registry import METHODS
from rdexplain.models import load_model
from rdexplain.runs.entries import Entry, Listing
from rdexplain.runs.execute import Execution, Progress
from rdexplain.runs.folder import (
    CONFIG,
    LEDGER,
    LOCK,
    RunError,
    check_same,
    fingerprint,
    read_config,
    without_how,
    write_config,
)
from rdexplain.runs.ledger import Ledger
from rdexplain.runs.lock import locked
from rdexplain.runs.sources import list_photos
from rdexplain.runs.trial import trial
from rdexplain.runs.work import AUTO, LABEL, Recipe, Worker
from rdexplain.text.extras import RUNS, needed


@dataclass(frozen=True)
class Plan:
    """A run before it begins.

    Attributes:
        options: all of them.
        entries: the photos, those of the part that was asked for.
        recipe: what workers do; the device is left to them where Ray has them.
        worker: the one of this process.
        crew: who does the work.
        resolved: what determines the results.
        per_batch: photos that are explained together.
    """

    options: argparse.Namespace
    listing: Listing
    entries: Sequence[Entry]
    recipe: Recipe
    worker: Worker
    crew: Crew
    resolved: dict[str, Any]
    per_batch: int


def run(arguments: argparse.Namespace, bar: Bar) -> int:
    """Begin a run or go on with it; see `rdexplain.cli.main` for the exit status.

    All that can be found out before the first photo is explained is found out here.
    """
    options = gather(arguments)
    if options.quiet:
        warnings.simplefilter("ignore")
    for module in ("yaml", "pyarrow"):
        needed(module, "run", RUNS)
    plan = _plan(options, bar)
    if getattr(arguments, "dry_run", False):
        bar.stage("timing one batch")
        cost = trial(plan.worker, plan.entries, plan.per_batch, options.out)
        with bar.paused():
            print("\n".join(cost.lines(plan.crew.faster)))
        return FINE
    with _terminable(), _opened(plan) as ledger:
        if getattr(arguments, "retry_failed", False):
            ledger.retry()
        report = RunReport(bar, options.quiet)
        execution = Execution(options.out, ledger, report.progress, report.failed)
        try:
            engine = plan.crew.engine(plan.recipe, plan.worker, bar)
            end = execution.over(engine, list(plan.recipe.methods), plan.per_batch)
        except BaseException as error:
            counts = ledger.counts()
            error.add_note(
                f"{counts['done']} of {sum(counts.values())} are done; go on with: rdexplain run {options.out}"
            )
            raise
    report.summary(end, options.out)
    return _status(end)


def _plan(options: argparse.Namespace, bar: Bar) -> Plan:
    if options.target and options.top_k is not None:
        raise OptionError("give either target or top_k, not both")
    crew = find_crew(options)
    given = {name: method_options(options, name, options.method) for name in options.method}
    check_size(options.size, given)
    bar.stage("listing photos")
    listing = list_photos(options.photos, options.layout)
    entries = listing.entries
    if options.part is not None:
        number, count = options.part
        entries = entries[number - 1 :: count]
    targets = tuple(options.target or (AUTO,))
    asked = LABEL in (text.strip().lower() for text in targets) and options.top_k is None
    if asked and not any(entry.label or entry.target for entry in entries):
        raise OptionError(f"--target label: no photo in {options.photos} has a label ({listing.layout})")
    bar.stage(f"loading {options.model}")
    wanted = portable_model(options)
    model = load_model(**wanted, device=crew.device)
    if model.task != "classification":
        raise ModelError(f"run explains class labels only: {model.name} is for {model.task}, see rdexplain explain")
    recipe = Recipe(
        model=wanted,
        methods={
            name: (METHODS[name].home, {key: _plain(value) for key, value in own.items()})
            for name, own in given.items()
        },
        size=photo_size(options.size, model),
        fit=photo_fit(options.fit, model),
        targets=targets,
        top_k=options.top_k,
        masks=options.masks,
        root=listing.root,
    )
    worker = Worker(recipe, model)
    per_batch = crew.per_batch(options.photos_per_batch)
    return Plan(options, listing, entries, recipe, worker, crew, _resolved(recipe, worker), per_batch)


def _plain(value: Any) -> Any:
    return str(value.absolute()) if isinstance(value, Path) else value


def _resolved(recipe: Recipe, worker: Worker) -> dict[str, Any]:
    methods = {name: without_how(method.record()) for name, method in worker.methods.items()}
    for name, (_, options) in recipe.methods.items():
        methods[name]["seed"] = options.get("seed", 0)
    return {
        "model": worker.model.name,
        "weights": fingerprint(worker.model),
        "size": recipe.size,
        "fit": recipe.fit,
        "targets": None if recipe.top_k is not None else list(recipe.targets),
        "top_k": recipe.top_k,
        "masks": recipe.masks,
        "methods": methods,
    }


@contextlib.contextmanager
def _opened(plan: Plan) -> Iterator[Ledger]:
    """The run's ledger, with all photos in it, while no other process works on the run."""
    folder: Path = plan.options.out
    there = list(folder.iterdir()) if folder.exists() and not (folder / CONFIG).exists() else []
    # A kill may have come before the configuration had its name.
    if any(one.name != LOCK and not one.name.startswith(f".{CONFIG}.") for one in there):
        raise RunError(f"{folder} is no run, and not empty: choose another --out")
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK):
        begun = False
        try:
            for unfinished in folder.glob(f".{CONFIG}.*"):
                unfinished.unlink()
            if (folder / CONFIG).exists():
                check_same(folder, read_config(folder)["resolved"], plan.resolved)
            plan.options.photos_per_batch = plan.per_batch
            write_config(folder, plain(plan.options) | {"root": plan.listing.root}, plan.resolved)
            with Ledger(folder / LEDGER) as ledger:
                ledger.add(plan.entries, list(plan.recipe.methods))
                begun = True
                yield ledger
        finally:
            if is_new and not begun:  # a disk too full for the list of photos: there is nothing to go on with
                shutil.rmtree(folder, ignore_errors=True)


def _status(end: Progress) -> int:
    if not end.failed:
        return FINE
    return SOME_FAILED if end.done else ERROR


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: what is finished is written, and a line says how to go on."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: signals are another's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

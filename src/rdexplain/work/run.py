"""Explains a whole data set; a run can be stopped or killed at any time, and continued."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdexplain.errors import ModelError, OptionError
from rdexplain.methods.registry import METHODS
from rdexplain.models import load_model
from rdexplain.models.fingerprint import fingerprint
from rdexplain.text.extras import RUNS, needed
from rdexplain.work.choosing import find_meaning, method_options, photo_fit, photo_size, portable_model, reading
from rdexplain.work.crew import Crew, find_crew
from rdexplain.work.job import job
from rdexplain.work.lock import locked
from rdexplain.work.progress import Progress
from rdexplain.work.requests import Run as RunOptions
from rdexplain.work.run_config import gather, plain
from rdexplain.work.runs.entries import Entry, Listing
from rdexplain.work.runs.execute import Execution
from rdexplain.work.runs.execute import Progress as Reached
from rdexplain.work.runs.folder import (
    CONFIG,
    LEDGER,
    LOCK,
    RunError,
    check_same,
    read_config,
    without_how,
    write_config,
)
from rdexplain.work.runs.ledger import Ledger
from rdexplain.work.runs.sources import list_photos
from rdexplain.work.runs.trial import Cost, trial
from rdexplain.work.runs.view import Run, open_run
from rdexplain.work.runs.work import AUTO, LABEL, Recipe, Worker
from rdexplain.work.sizes import check_size


@dataclass(frozen=True)
class RunEnd:
    """The end of a run.

    Attributes:
        folder: the run's.
        reached: how many units are done, and how many have failed.
        note: a message on how the network's output was interpreted, where the options do not say; None elsewhere.
    """

    folder: Path
    reached: Reached
    note: str | None = None

    def open(self) -> Run:
        """The run's explanations."""
        return open_run(self.folder)


@dataclass(frozen=True)
class _Plan:
    """A run before it begins: everything that follows from its options.

    Attributes:
        options: all of them.
        entries: the photos, or the part of them that was asked for.
        recipe: makes workers, each for its own device.
        worker: that of this process.
        crew: the workers that the options ask for.
        resolved: everything that determines the results, for the configuration file.
    """

    options: RunOptions
    listing: Listing
    entries: Sequence[Entry]
    recipe: Recipe
    worker: Worker
    crew: Crew
    resolved: dict[str, Any]


@job(RunOptions)
def run(options: RunOptions, progress: Progress) -> RunEnd | Cost:
    """Begin or continue a run, until every photo is explained or has failed. A dry run returns the estimated cost.

    A run can be stopped at any time, and continued. All errors that can be found before the first photo is
    explained are raised then.

    Raises:
        RDExplainError: an option, the photos, the network or the folder is invalid.
    """
    options = gather(options)
    for module in ("yaml", "pyarrow"):
        needed(module, "run", RUNS)
    plan = _planned(options, progress)
    per_batch = plan.crew.per_batch(options.photos_per_batch)
    if options.dry_run:
        progress.stage("timing one batch")
        return replace(trial(plan.worker, plan.entries, per_batch, options.out), workers=plan.crew.faster)
    with _opened(plan, per_batch) as ledger:
        if options.retry_failed:
            ledger.retry()

        def reached(now: Reached) -> None:
            count = now.done + now.failed
            progress.advance(count, now.total, f"done with {count} of {now.total}", now.pace, now.left)

        execution = Execution(options.out, ledger, reached, progress.failed)
        try:
            engine = plan.crew.engine(plan.recipe, plan.worker, progress)
            end = execution.over(engine, list(plan.recipe.methods), per_batch)
        except BaseException as error:
            counts = ledger.counts()
            error.add_note(
                f"{counts['done']} of {sum(counts.values())} are done; go on with: rdexplain run {options.out}"
            )
            raise
    return RunEnd(options.out, end, reading(plan.worker.model) if end.here else None)


def _planned(options: RunOptions, progress: Progress) -> _Plan:
    if options.target and options.top_k is not None:
        raise OptionError("give either target or top_k, not both")
    crew = find_crew(options)
    given = {name: method_options(options, name, options.method) for name in options.method}
    check_size(options.size, given)
    wanted = portable_model(options)
    progress.stage("listing photos")
    listing = list_photos(str(options.photos), options.layout)
    entries = listing.entries
    if options.part is not None:
        number, count = options.part
        entries = entries[number - 1 :: count]
    targets = tuple(options.target or (AUTO,))
    asked = LABEL in (text.strip().lower() for text in targets) and options.top_k is None
    if asked and not any(entry.label or entry.target for entry in entries):
        raise OptionError(f"`target` label: no photo in {options.photos} has a label ({listing.layout})")
    progress.stage(f"loading {options.model}")
    model = load_model(**wanted, device=crew.device)
    if model.task != "classification":
        raise ModelError(f"run explains class labels only: {model.name} is for {model.task}, see rdexplain explain")
    size = photo_size(options.size, model)
    find_meaning(model, size)
    recipe = Recipe(
        model=wanted,
        methods={
            name: (METHODS[name].home, {key: _portable(value) for key, value in own.items()})
            for name, own in given.items()
        },
        size=size,
        fit=photo_fit(options.fit, model),
        targets=targets,
        top_k=options.top_k,
        masks=options.masks,
        root=listing.root,
    )
    worker = Worker(recipe, model)
    return _Plan(options, listing, entries, recipe, worker, crew, _resolved(recipe, worker))


def _portable(value: Any) -> Any:
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
def _opened(plan: _Plan, per_batch: int) -> Iterator[Ledger]:
    """The run's ledger, with all photos in it, while no other process works on the run."""
    folder = plan.options.out
    there = list(folder.iterdir()) if folder.exists() and not (folder / CONFIG).exists() else []
    # A kill may have come before the configuration had its name.
    if any(one.name != LOCK and not one.name.startswith(f".{CONFIG}.") for one in there):
        raise RunError(f"{folder} is no run, and not empty: choose another `out`")
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK):
        begun = False
        try:
            for unfinished in folder.glob(f".{CONFIG}.*"):
                unfinished.unlink()
            if (folder / CONFIG).exists():
                check_same(folder, read_config(folder)["resolved"], plan.resolved)
            options = replace(plan.options, photos_per_batch=per_batch)
            write_config(folder, plain(options) | {"root": plan.listing.root}, plan.resolved)
            with Ledger(folder / LEDGER) as ledger:
                ledger.add(plan.entries, list(plan.recipe.methods))
                begun = True
                yield ledger
        finally:
            if is_new and not begun:  # a disk too full for the list of photos: there is nothing to go on with
                shutil.rmtree(folder, ignore_errors=True)

"""Runs that were made apart, such as parts of a data set on several machines, become one."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from rdexplain.errors import OptionError
from rdexplain.photos.images import SAMPLE
from rdexplain.work.lock import locked
from rdexplain.work.runs import shards
from rdexplain.work.runs.entries import Entry
from rdexplain.work.runs.folder import LEDGER, LOCK, SHARDS, RunError, check_alike, is_run, read_config, write_config
from rdexplain.work.runs.ledger import Done, Failed, Ledger


def merge_runs(folders: Sequence[str | Path], out: str | Path) -> Path:
    """Copy runs of the same configuration into a new one. The originals are not changed.

    A photo that several have is taken from the first that has a result for it; one without a result in any of them
    keeps its error, or is pending: `rdexplain run` finishes the new run as any other. Parts of one data set that are
    merged in one call have the order of the whole, whatever the order of the folders.

    Args:
        folders: the runs.
        out: the new run's folder, which must not be there yet.

    Returns:
        `out`.

    Raises:
        RunError: their configurations differ, or `out` is there.
        LockedError: a process works on one of them.
        OSError: the disk is full.
    """
    if not folders:
        raise OptionError("give at least one run to merge")
    target = Path(out)
    if target.exists():
        raise RunError(f"{target} exists already: a merged run needs a new folder")
    configs = []
    for folder in map(Path, folders):
        if not is_run(folder):
            raise RunError(f"{folder} is no run: it has no ledger")
        configs.append(read_config(folder))
        check_alike(Path(folders[0]), folder)
    # Made beside its place and renamed: a merge that is cut short leaves nothing that looks like a run.
    staging = target.with_name(f".{target.name}.merging")
    shutil.rmtree(staging, ignore_errors=True)
    (staging / SHARDS).mkdir(parents=True)
    try:
        methods = list(configs[0]["resolved"]["methods"])
        with Ledger(staging / LEDGER) as ledger:
            ledger.add(_in_order(folders, configs), methods)
            following = 0
            for folder in map(Path, folders):
                with locked(folder / LOCK):
                    following = _take(folder, ledger, methods, staging / SHARDS, following)
        kept = {name: value for name, value in configs[0].items() if name not in ("part", "identity", "resolved")}
        write_config(staging, kept, configs[0]["resolved"])
        shards.flush_folder(staging)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    shards.flush_folder(target.absolute().parent)
    return target


def _in_order(folders: Sequence[str | Path], configs: Sequence[dict[str, Any]]) -> list[Entry]:
    """The photos of all runs, each once, in the order of the whole data set: part k of n has every n-th of it."""
    found: dict[str, tuple[int, Entry]] = {}
    for folder, config in zip(map(Path, folders), configs, strict=True):
        first, _, step = str(config.get("part", "1/1")).partition("/")
        with Ledger(folder / LEDGER, read_only=True) as source:
            for number, entry in source.entries().items():
                # Runs made apart may have their photos in different folders.
                file = _absolute(str(config["root"]), entry.place["file"])
                moved = dataclasses.replace(entry, place=entry.place | {"file": file})
                found.setdefault(entry.photo, (int(first) - 1 + number * int(step), moved))
    return [entry for _, entry in sorted(found.values(), key=lambda one: (one[0], one[1].photo))]


def _take(folder: Path, ledger: Ledger, methods: list[str], target: Path, following: int) -> int:
    """Copy a run's results that the new one lacks; returns the number of the next shard."""
    with Ledger(folder / LEDGER, read_only=True) as source:
        entries, finished, failures = source.entries(), source.finished(), source.failed()
        used = source.shards()
    numbers = {entry.photo: number for number, entry in ledger.entries().items()}
    here = {number: numbers[entry.photo] for number, entry in entries.items()}
    shard_numbers = {old: following + place for place, old in enumerate(sorted(used))}
    for old, new in shard_numbers.items():
        for source_path, path in zip(shards.paths(folder / SHARDS, old), shards.paths(target, new), strict=True):
            shutil.copyfile(source_path, path)
            with path.open("rb") as written:
                os.fsync(written.fileno())
    shards.flush_folder(target)
    ledger.retry([(here[one.number], one.method) for one in finished])
    open_here = {method: {unit.number for unit in ledger.pending(method)} for method in methods}
    done = [
        dataclasses.replace(one, number=here[one.number], shard=shard_numbers[one.shard])
        for one in finished
        if here[one.number] in open_here[one.method]
    ]
    failed = [
        Failed(here[one.number], one.method, one.error) for one in failures if here[one.number] in open_here[one.method]
    ]
    for method in methods:
        ledger.start(
            [one.number for one in cast("list[Done | Failed]", [*done, *failed]) if one.method == method], method
        )
    ledger.commit(done, failed)
    return following + len(used)


def _absolute(root: str, file: str) -> str:
    return file if file.startswith(SAMPLE) else os.path.join(root, file)

"""``rdexplain status``: how far a run is, from another terminal."""

from __future__ import annotations

import argparse
from pathlib import Path

from rdexplain.cli.command import Command, Parser
from rdexplain.cli.options import Group, Option, add

RUN = Option("run", "the folder of a run", Path, "RUN")


def _declare(parser: Parser) -> None:
    add(parser, (Group("run", (RUN, Option("--failures", "all errors, not the first ones alone"))),))


def _run(arguments: argparse.Namespace) -> int:
    from rdexplain.runs.folder import LEDGER, LOCK, RunError, is_run, read_config
    from rdexplain.runs.ledger import Ledger
    from rdexplain.runs.lock import holder
    from rdexplain.text.times import span

    folder = arguments.run
    if not is_run(folder):
        raise RunError(f"{folder} is no run: it has no ledger")
    config = read_config(folder)
    with Ledger(folder / LEDGER, read_only=True) as ledger:
        counts, failures, seconds = ledger.counts(), ledger.failures(), ledger.seconds()
    worker = holder(folder / LOCK)
    total = sum(counts.values())
    ended = "finished" if counts["done"] + counts["failed"] == total else f"stopped: go on with rdexplain run {folder}"
    print(f"{folder}: {'worked on by ' + worker if worker else ended}")
    print(f"{', '.join(config['resolved']['methods'])} of {config['resolved']['model']}, identity {config['identity']}")
    begun = f", {counts['running']} begun" if counts["running"] else ""
    print(f"{counts['done']} of {total} done, {counts['failed']} failed{begun}")
    if counts["done"]:
        each = seconds / counts["done"]
        left = counts["pending"] + counts["running"]
        rest = f", {span(each * left)} of work left" if left else ""
        print(f"{each:.3g} s of work each{rest}")
    shown = failures if arguments.failures else failures[:5]
    for photo, method, error, attempts in shown:
        print(f"failed: {method}, attempt {attempts}: {error if photo in error else f'{photo}: {error}'}")
    if len(failures) > len(shown):
        print(f"and {len(failures) - len(shown)} more: --failures shows all")
    return 0


COMMAND = Command("status", "Show how far a run is", "RUN", _declare, _run, "  rdexplain status run")

"""``rdexplain reproduce``: makes the figures and tables of the reproduction study again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rdexplain.cli.command import LIST, QUIET, Command
from rdexplain.cli.guard import FINE, SOME_FAILED
from rdexplain.cli.report import Report
from rdexplain.cli.tables import Column, print_table
from rdexplain.text.bar import Bar
from rdexplain.text.say import say
from rdexplain.text.times import span
from rdexplain.work.requests import Reproduce

if TYPE_CHECKING:
    from rdexplain.work.studies import Verdict

_EXAMPLES = """\
  rdexplain reproduce --list --model efficientnet_lite0
  rdexplain reproduce figure-5 accuracy --photos photos/ --out repro --budget 60
  rdexplain reproduce all --photos photos/ --protocol published --limit 20
  rdexplain reproduce figure-8 figure-9 --photos photos/ --detector-weights y.pt"""


def _run(options: Reproduce, bar: Bar, extras: dict[str, bool]) -> int:
    report = Report(COMMAND, bar, extras["quiet"])
    if extras["list"]:
        return _list(options, report)
    from rdexplain.work.reproduce import reproduce
    from rdexplain.work.studies.runner import VERDICTS

    found = reproduce.of(options, report)
    if not report.quiet:
        with bar.paused():
            _print(found.verdicts)
            print(f"figures, numbers and {VERDICTS} are in {found.folder}", flush=True)
    return SOME_FAILED if found.failed or found.failures else FINE


def _print(verdicts: Mapping[str, Sequence[Verdict]]) -> None:
    # The longest column is the last one, so that the others stay narrow off a terminal.
    columns = (
        Column("target", "bold"),
        Column("verdict"),
        Column("Holm's p", numbers=True),
        Column("claim"),
        Column("found"),
    )
    rows = [
        (
            name,
            one.outcome,
            "-" if one.holm is None else f"{one.holm:.2g}",
            one.claim,
            COMMAND.named("; ".join(filter(None, (one.ours, one.why)))),
        )
        for name, found in verdicts.items()
        for one in found
    ]
    print_table(columns, rows)
    alike: dict[str, list[str]] = {}
    for name, found in verdicts.items():
        if scaled := sorted({text for one in found for text in one.scaled}):
            alike.setdefault(", ".join(scaled), []).append(name)
    print()
    for short, targets in alike.items():
        print(f"{', '.join(targets)}: scaled, {short}")


def _list(options: Reproduce, report: Report) -> int:
    """Print what each target shows, and how long it would take on this device."""
    from rdexplain.work.reproduce import estimate

    if not report.quiet:
        say("timing the networks on this device: about a minute")
    found = estimate.of(options, report)
    rows = [(one.name, one.title, str(one.photos), span(one.seconds) if one.seconds else "-") for one in found]
    with report.bar.paused():
        print_table(
            (Column("target", "bold"), Column("what"), Column("photos", numbers=True), Column("here", numbers=True)),
            rows,
        )
        print(f"\n{options.protocol} protocol, {found[0].model}; --budget MINUTES scales it down", flush=True)
    return FINE


_EXTRAS = {"list": ("what is made again", LIST), "quiet": ("results", QUIET)}
COMMAND = Command("reproduce", Reproduce, _run, _EXTRAS, _EXAMPLES)

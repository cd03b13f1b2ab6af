"""``rdexplain export``: a run's explanations as pictures or arrays."""

from __future__ import annotations

import argparse
from pathlib import Path

from rdexplain.cli.command import Command, Parser
from rdexplain.cli.options import Group, Option, add
from rdexplain.cli.status import RUN
from rdexplain.cli.values import one_of

# Repeated here because their module imports PyTorch; a test compares them.
FORMATS = ("pictures", "panels", "numpy", "quantus")

_EXAMPLES = """\
  rdexplain export run --to pictures --out pictures
  rdexplain export run --to quantus --out arrays"""


def _declare(parser: Parser) -> None:
    options = (
        RUN,
        Option(
            "--to",
            "pictures: a PNG for each explanation; panels: with photo and figures, as explain draws them; numpy: "
            "masks, pictures and figures; quantus: x, y and a batches (default pictures)",
            one_of("format", FORMATS),
            "{" + ",".join(FORMATS) + "}",
            "pictures",
        ),
        Option("--out", "a new folder (default RUN/export-FORMAT)", Path, "DIR"),
        Option("--photos", "where the photos are now, if they have moved", Path, "DIR"),
    )
    add(parser, (Group("run", options),))


def _run(arguments: argparse.Namespace) -> int:
    from rdexplain.runs import open_run
    from rdexplain.runs.export import export

    run = open_run(arguments.run, arguments.photos)
    folder = arguments.out or arguments.run / f"export-{arguments.to}"
    count = export(run, arguments.to, folder)
    print(f"{count} explanations in {folder}")
    return 0


COMMAND = Command("export", "Write a run's explanations as pictures or arrays", "RUN", _declare, _run, _EXAMPLES)

"""The command line: parsing, printing and exit statuses. Nothing here imports PyTorch before a command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rdexplain.cli import (
    app,
    compare,
    detect,
    evaluate,
    explain,
    export,
    gallery,
    methods,
    models,
    reproduce,
    run,
    status,
    train_explainer,
)
from rdexplain.cli.command import DESCRIPTION, Command, UsageError, main_of
from rdexplain.cli.completion import COMMAND as COMPLETION
from rdexplain.cli.completion import COMPLETE, complete
from rdexplain.cli.guard import guarded
from rdexplain.errors import unknown
from rdexplain.text.versions import __version__
from rdexplain.work.heap import keep_freed_memory

COMMANDS: tuple[Command, ...] = (
    explain.COMMAND,
    detect.COMMAND,
    compare.COMMAND,
    evaluate.COMMAND,
    run.COMMAND,
    status.COMMAND,
    export.COMMAND,
    gallery.COMMAND,
    reproduce.COMMAND,
    train_explainer.COMMAND,
    app.COMMAND,
    models.COMMAND,
    methods.COMMAND,
    COMPLETION,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 fine, 1 some photos failed, 2 an error, 130 interrupted."""
    if argv is None and COMPLETE in os.environ:
        return complete(COMMANDS, os.environ[COMPLETE])
    if argv is None:  # the process is the command's own
        keep_freed_memory()
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((one for one in COMMANDS if arguments[:1] == [one.name]), None)
    named = str if command is None else command.named
    return guarded(lambda: _run(command, arguments), "--debug" in arguments, named)


def _run(command: Command | None, arguments: list[str]) -> int:
    if command is not None:
        return main_of(command, arguments[1:])
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        print(f"rdexplain {__version__}")
        return 0
    kind = "option" if arguments[0].startswith("-") else "command"
    known = ["--help", "--version"] if kind == "option" else [one.name for one in COMMANDS]
    raise UsageError(unknown(kind, arguments[0], known))


def _help() -> str:
    width = max(len(one.name) for one in COMMANDS) + 4
    listed = "\n".join(f"  {one.name:<{width}}{one.summary}" for one in COMMANDS)
    return (
        f"usage: rdexplain COMMAND ...\n\n{DESCRIPTION}\n\n"
        "options:\n  -h, --help   show this help\n  --version    show the version\n\n"
        f"commands:\n{listed}\n\n"
        "`rdexplain COMMAND --help` explains a command. To begin with: rdexplain explain sample:cat"
    )

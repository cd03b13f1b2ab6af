"""The command line. Nothing here imports PyTorch before a command runs: `--help` has to be quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rdexplain.cli import compare, detect, evaluate, explain, export, methods, models, reproduce, run, status
from rdexplain.cli.command import Command, parser_of, tool_parser
from rdexplain.cli.guard import guarded
from rdexplain.errors import unknown

COMMANDS: tuple[Command, ...] = (
    explain.COMMAND,
    detect.COMMAND,
    compare.COMMAND,
    evaluate.COMMAND,
    run.COMMAND,
    status.COMMAND,
    export.COMMAND,
    reproduce.COMMAND,
    models.COMMAND,
    methods.COMMAND,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 fine, 1 some photos failed, 2 an error, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _run(arguments), debug="--debug" in arguments)


def _run(arguments: list[str]) -> int:
    tool = tool_parser(COMMANDS)
    if not arguments or arguments == ["help"]:
        tool.print_help()
        return 0
    name, *rest = arguments
    if name.startswith("-"):
        tool.parse_args([name])  # --help and --version end here, anything else is an error
        return 0
    command = next((command for command in COMMANDS if command.name == name), None)
    if command is None:
        tool.error(unknown("command", name, [command.name for command in COMMANDS]))
    return command.run(parser_of(command).parse_known(rest))

"""What a command is, and an argument parser whose errors are one line."""

from __future__ import annotations

import argparse
import importlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from rdexplain._version import __version__
from rdexplain.cli.bar import Bar
from rdexplain.errors import RDExplainError, unknown

DESCRIPTION = "Rate-distortion explanations for vision models: the few coefficients of a photo that a model needs."


_ELSEWHERE = {
    "batch-size": "internal-batch-size",
    "class": "target",
    "cuda": "device",
    "epochs": "steps",
    "force": "overwrite",
    "gpu": "device",
    "image-size": "size",
    "iterations": "steps",
    "labels": "classes",
    "lambda": "sparsity",
    "lr": "step-size",
    "learning-rate": "step-size",
    "model-name": "model",
    "n-steps": "steps",
    "network": "model",
    "num-samples": "n-samples",
    "output": "out",
    "output-dir": "out",
    "topk": "top-k",
}
"""What other tools call our options."""


class UsageError(RDExplainError):
    """A command line that cannot be understood."""


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse prints its usage and exits; options may follow and precede photos."""

    def __init__(self, **options: Any) -> None:
        width = min(shutil.get_terminal_size().columns - 2, 110)
        super().__init__(
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=width),
            allow_abbrev=False,  # an option that is added later must not change what an abbreviation means
            **options,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))

    def _check_empty(self, arguments: Sequence[str]) -> None:
        """An empty text is no value of any option: a folder "" would be the current one."""
        for place, text in enumerate(arguments):
            name, equals, value = text.partition("=")
            if text.startswith("--") and equals and not value:
                self.error(f"{name} is empty: is a shell variable not set?")
            if not text:
                before = arguments[place - 1] if place else ""
                what = before if before.startswith("--") and "=" not in before else "an argument"
                self.error(f"{what} is empty: is a shell variable not set?")

    def parse_known(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The arguments, or an error with the nearest option."""
        self._check_empty(arguments)
        namespace, rest = self.parse_known_intermixed_args(list(arguments))
        if rest:
            option = next((text for text in rest if text.startswith("-")), None)
            if option is None:
                self.error(f"{rest[0]!r} is one argument too many")
            name = option.partition("=")[0]
            self.error(_unknown_option(name, self._option_string_actions))
        return namespace


def _unknown_option(name: str, known: Iterable[str]) -> str:
    """What is said of an option that there is not; other tools' names for what there is are known."""
    plain = name.lstrip("-").replace("_", "-").lower()
    meant = f"--{_ELSEWHERE.get(plain, plain)}"
    if meant in known:
        return f"unknown option {name!r}: did you mean {meant}?"
    return unknown("option", name, known, "--help lists what there is")


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        arguments: what its usage line shows.
        declare: adds the command's arguments to its parser; imports nothing heavy.
        run: does the work, and returns the exit status.
        examples: shown at the end of its help.
    """

    name: str
    summary: str
    arguments: str
    declare: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]
    examples: str = ""


def tool_parser(commands: Sequence[Command]) -> Parser:
    """The parser of `rdexplain` itself: for its help, its version and its errors."""
    width = max(len(command.name) for command in commands) + 4
    listed = "\n".join(f"  {command.name:<{width}}{command.summary}" for command in commands)
    parser = Parser(
        prog="rdexplain",
        usage="rdexplain COMMAND ...",
        description=DESCRIPTION,
        epilog=f"commands:\n{listed}\n\n"
        "`rdexplain COMMAND --help` explains a command. To begin with: rdexplain explain sample:cat",
    )
    parser.add_argument("--version", action="version", version=f"rdexplain {__version__}")
    return parser


def parser_of(command: Command) -> Parser:
    """A command's own parser."""
    epilog = f"examples:\n{command.examples}" if command.examples else None
    usage = f"rdexplain {command.name} {command.arguments} [options]".replace("  ", " ")
    parser = Parser(usage=usage, description=f"{command.summary}.", epilog=epilog)
    command.declare(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def under_a_bar(module: str) -> Callable[[argparse.Namespace], int]:
    """What runs ``run(arguments, bar)`` of a module that imports PyTorch. That takes seconds: the bar says so."""

    def run(arguments: argparse.Namespace) -> int:
        with Bar(shown=not getattr(arguments, "quiet", False)) as bar:
            bar.stage("loading PyTorch")
            return importlib.import_module(module).run(arguments, bar)

    return run

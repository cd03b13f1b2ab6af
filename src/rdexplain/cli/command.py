"""A command of the command line, and its parser (click), made from the options' declarations. Errors are one line."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from rdexplain.errors import RDExplainError, unknown
from rdexplain.photos.sample_files import SAMPLE, sample_names
from rdexplain.text.bar import Bar
from rdexplain.work.options import Option, Options

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
"""Our names for options that other tools call otherwise."""
QUIET = Option("print nothing but errors")
DEBUG = Option("show the traceback of an error")
LIST = Option("explain each target, with its estimated cost on this device")
FAILURES = Option("all errors, not the first ones alone")
_FILES = ("FILE", "DIR", "RUN", "CONFIG", "PHOTO", "SOURCE")
_POSITIONAL = {
    "photos": "PHOTO ...",
    "targets": "TARGET ...",
    "config": "[CONFIG]",
    "run": "RUN",
    "folder": "FOLDER",
    "pattern": "[PATTERN]",
    "shell": "{bash,zsh,fish}",
}
"""Positional arguments in the usage line."""


class UsageError(RDExplainError):
    """A command line that cannot be understood."""


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        options: the class of its options.
        run: does the work under a bar, and returns the exit status. It gets the options, the bar and `extras`' values.
        extras: further switches, of the command line alone, each with its heading in the help.
        examples: shown at the end of its help.
        loads: whether it imports PyTorch, which takes seconds; the bar then says so.
    """

    name: str
    options: type[Options]
    run: Callable[[Any, Bar, dict[str, bool]], int]
    extras: Mapping[str, tuple[str, Option]]
    examples: str = ""
    loads: bool = True

    @property
    def summary(self) -> str:
        """The first line of its help."""
        return (self.options.__doc__ or "").removesuffix(".")

    @property
    def flags(self) -> dict[str, str]:
        """The first flag of each option, by the option's name."""
        return {name: _flags(name, option)[0] for name, option in self.options.declared().items()}

    def named(self, text: str) -> str:
        """A message with options replaced by their flags: `top_k` becomes --top-k."""
        text = _with_flags(text, self.flags)
        return re.sub(r"^(\w+: )?(\w+) must ", lambda found: f"{found[1] or ''}{self._flag(found[2])} must ", text)

    def _flag(self, name: str) -> str:
        return self.flags.get(name, name)

    def parsed(self, arguments: Sequence[str]) -> tuple[Options, dict[str, bool]]:
        """The options and extras that a command line gives.

        Raises:
            UsageError: an unknown option, or an argument too many.
            OptionError: an invalid value.
        """
        _check_empty(arguments)
        try:
            context = parser_of(self).make_context(f"rdexplain {self.name}", list(arguments))
        except click.exceptions.Exit:  # its help was shown
            raise SystemExit(0) from None
        except click.exceptions.NoSuchOption as error:
            raise UsageError(_unknown_option(error.option_name, self)) from None
        except click.exceptions.BadOptionUsage as error:
            raise UsageError(f"{error.option_name}: expected {_expected(error)}") from None
        except click.UsageError as error:
            if (extra := re.match(r"Got unexpected extra argument[s]? \((\S+?)[ )]", error.message)) is not None:
                raise UsageError(f"{extra[1]!r} is one argument too many") from None
            raise UsageError(error.message) from None
        given = {name: value for name, value in context.params.items() if value not in (None, ())}
        extras = {name: bool(given.pop(name, False)) for name in (*self.extras, "debug")}
        return self.options.made(given), extras


def main_of(command: Command, arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status."""
    options, extras = command.parsed(arguments)
    if extras.get("quiet", False):
        warnings.simplefilter("ignore")
    with Bar(shown=not extras.get("quiet", False)) as bar:
        if command.loads:
            bar.stage("loading PyTorch")
        return command.run(options, bar, extras)


def parser_of(command: Command) -> click.Command:
    """A command's own parser."""
    sections: dict[str, list[click.Parameter]] = {}
    declared = command.options.declared()
    for title, names in command.options.groups().items():
        sections[title] = [_parameter(name, declared[name], command.flags) for name in names]
    for name, (title, option) in (*command.extras.items(), ("debug", ("other", DEBUG))):
        sections.setdefault(title, []).append(_parameter(name, option, {}))
    return _Parser(command, sections)


class _Parser(click.Command):
    """Options under headings; lines as wide as the terminal, up to 110 columns."""

    def __init__(self, command: Command, sections: Mapping[str, list[click.Parameter]]) -> None:
        width = min(shutil.get_terminal_size().columns - 2, 110)
        super().__init__(
            command.name,
            params=[one for section in sections.values() for one in section],
            help=f"{command.summary}.",
            context_settings={"help_option_names": ["-h", "--help"], "terminal_width": width},
        )
        self._command, self._sections = command, sections

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown = [one.metavar or "" for one in self.params if isinstance(one, _Argument)]
        formatter.write(f"usage: rdexplain {' '.join((self._command.name, *shown))} [options]\n")

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        for title, parameters in self._sections.items():
            rows = [row for one in parameters if (row := _row(one, ctx)) is not None]
            if title == "other":
                rows.append(("-h, --help", "show this help"))
            with formatter.section(title):
                formatter.write_dl(rows, col_max=28)
        if self._command.examples:
            formatter.write(f"\nexamples:\n{self._command.examples}\n")


def _row(parameter: click.Parameter, ctx: click.Context) -> Any:
    if isinstance(parameter, _Argument):
        return str(parameter.metavar), parameter.help
    return parameter.get_help_record(ctx)


class _Argument(click.Argument):
    """A positional argument with a help of its own."""

    def __init__(self, name: str, option: Option) -> None:
        names = _Name(option.choices) if option.choices else _Path()
        count = -1 if option.many else 1
        super().__init__([name], nargs=count, required=False, metavar=_POSITIONAL[name], type=names)
        self.help = option.help


class _Path(click.ParamType):
    """Any text; a shell completes files and samples."""

    name = "path"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if incomplete and SAMPLE.startswith(incomplete[: len(SAMPLE)]):
            names = [f"{SAMPLE}{name}" for name in sample_names()]
            return [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return [CompletionItem(incomplete, type="file")]


class _Name(click.ParamType):
    """Any text; a shell completes names, the last one of several with commas between them."""

    name = "name"

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{name}") for name in self._names if name.startswith(last)]


def _parameter(name: str, option: Option, shown: Mapping[str, str]) -> click.Parameter:
    """An option for click; `shown` are the flags by which its help names others."""
    if option.positional:
        return _Argument(name, option)
    flags = [*_flags(name, option), name]
    help = (option.flag_help or option.help) + ("; may be repeated" if option.many else "")
    help = _with_flags(help, shown)
    if option.kind is None:
        return click.Option(flags, is_flag=True, flag_value=option.gives, default=None, help=help, type=click.BOOL)
    text: click.ParamType = click.STRING
    if option.choices:
        text = _Name(option.choices)
    elif option.metavar in _FILES:
        text = _Path()
    return click.Option(flags, metavar=option.metavar, multiple=option.many, default=None, help=help, type=text)


def _with_flags(text: str, flags: Mapping[str, str]) -> str:
    """A text in which the names of options between backticks are replaced by flags."""
    return re.sub(r"`(\w+)`", lambda found: flags.get(found[1], found[0]), text)


def _flags(name: str, option: Option) -> tuple[str, ...]:
    return option.flags or (f"--{name.replace('_', '-')}",)


def _check_empty(arguments: Sequence[str]) -> None:
    """Refuse empty arguments: as a folder, "" would be the current one."""
    for place, text in enumerate(arguments):
        name, equals, value = text.partition("=")
        if text.startswith("--") and equals and not value:
            raise UsageError(f"{name} is empty: is a shell variable not set?")
        if not text:
            before = arguments[place - 1] if place else ""
            what = before if before.startswith("--") and "=" not in before else "an argument"
            raise UsageError(f"{what} is empty: is a shell variable not set?")


def _expected(error: click.exceptions.BadOptionUsage) -> str:
    return "no value" if "does not take a value" in error.message else "one argument"


def _unknown_option(name: str, command: Command) -> str:
    """The message for an unknown option; names that other tools use lead to ours."""
    known: Iterable[str] = [flag for one in parser_of(command).params for flag in one.opts if flag.startswith("--")]
    plain = name.lstrip("-").replace("_", "-").lower()
    meant = f"--{_ELSEWHERE.get(plain, plain)}"
    if meant in known:
        return f"unknown option {name!r}: did you mean {meant}?"
    return unknown("option", name, known, "--help lists what there is")

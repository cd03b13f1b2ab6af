"""``rdexplain completion``: prints the script by which a shell completes commands, options and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import get_completion_class, shell_complete

from rdexplain.cli.command import Command, parser_of
from rdexplain.errors import OptionError
from rdexplain.text.bar import Bar
from rdexplain.work.options import Options, option
from rdexplain.work.settings import braced
from rdexplain.work.values import one_of

SHELLS = ("bash", "zsh", "fish")
COMPLETE = "_RDEXPLAIN_COMPLETE"
"""The environment variable by which a shell asks for completions."""
_EXAMPLES = """\
  eval "$(rdexplain completion bash)"   in ~/.bashrc
  eval "$(rdexplain completion zsh)"    in ~/.zshrc
  rdexplain completion fish > ~/.config/fish/completions/rdexplain.fish"""


@dataclass(frozen=True, kw_only=True)
class _Completion(Options, title="shell"):
    """Print what completes commands and options in a shell."""

    shell: str | None = option("the shell", one_of("shell", SHELLS), braced(SHELLS), positional=True, choices=SHELLS)


def _run(options: Any, bar: Bar, extras: dict[str, bool]) -> int:
    if options.shell is None:
        raise OptionError(f"which shell? choose from {', '.join(SHELLS)}")
    kind = get_completion_class(options.shell)
    assert kind is not None
    print(kind(click.Group(), {}, "rdexplain", COMPLETE).source())
    return 0


def complete(commands: Sequence[Command], instruction: str) -> int:
    """Answer a shell; the exit status."""
    tool = click.Group("rdexplain", commands={one.name: parser_of(one) for one in commands})
    return shell_complete(tool, {}, "rdexplain", COMPLETE, instruction)


COMMAND = Command("completion", _Completion, _run, {}, _EXAMPLES, loads=False)

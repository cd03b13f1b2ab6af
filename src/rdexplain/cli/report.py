"""Prints the messages of commands: results on stdout, warnings and errors on stderr."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdexplain.cli.command import Command
from rdexplain.cli.guard import ERROR, FINE, SOME_FAILED
from rdexplain.text.bar import Bar
from rdexplain.text.names import printable
from rdexplain.text.say import say
from rdexplain.text.times import span
from rdexplain.work.progress import Progress

if TYPE_CHECKING:
    from rdexplain.work.photos import Written

_Pieces = tuple[tuple[tuple[str, str], ...], ...]
"""The pieces of a line; each consists of texts with their styles."""
_WIDEST_NAME, _WIDEST_LABEL = 40, 24


class Report(Progress):
    """Shows the progress of a job in a bar, and what went wrong in lines.

    Args:
        quiet: whether only errors are printed.
        most: the largest number of errors of single photos that are printed; None for all.
    """

    def __init__(self, command: Command, bar: Bar, quiet: bool = False, most: int | None = None) -> None:
        self.quiet, self.bar = quiet, bar
        self.stage, self.advance = bar.stage, bar.advance  # type: ignore[method-assign]
        self._command, self._most = command, most
        self._failures = 0

    def failed(self, text: str) -> None:
        """A photo that is left out."""
        self._failures += 1
        if self._most is None or self._failures <= self._most:
            say(f"error: {self._command.named(text)}")
        elif self._failures == self._most + 1:
            say("more errors are in the run's log.txt")

    def warning(self, text: str) -> None:
        """Something that the user should know."""
        if not self.quiet:
            say(f"warning: {self._command.named(text)}")

    def note(self, text: str | None) -> None:
        """A note on how the network's output was interpreted, if there is one."""
        if text is not None and not self.quiet:
            say(f"note: {self._command.named(text)}")

    def wrote(self, count: int, failed: int, where: Path) -> int:
        """A line that says where explanations are; the exit status."""
        self.line(f"{count} explanation{'' if count == 1 else 's'} in {where}")
        return SOME_FAILED if failed else FINE

    def line(self, text: str) -> None:
        """A line on stdout."""
        if not self.quiet:
            with self.bar.paused():
                print(text, flush=True)


class Explained(Report):
    """Prints a line for each explanation.

    Attributes:
        of: what tells the lines of a photo apart beside the class: ``method``, ``model``, both or nothing.
    """

    of: tuple[str, ...] = ()

    def done(self, result: Written) -> None:
        """A line for an explanation of one row."""
        if self.quiet:
            return
        one, (names, labels) = result.explanation, result.widths
        label = _fitted(one.labels[0], min(labels, _WIDEST_LABEL)) if labels else one.labels[0]
        pieces: _Pieces = (
            ((_fitted(result.name, min(names, _WIDEST_NAME)), "bold"), (" -> ", "dim"), (label, "bold green")),
            *(((printable(getattr(one, name)), ""),) for name in self.of),
            ((f"{float(one.probability[0]):6.1%}", ""),),
            *_quality(one),
            ((f"{one.seconds:5.1f} s", "dim"),),
            ((printable(str(result.picture)), "cyan"),),
        )
        with self.bar.paused():
            _print(pieces)

    def compared(self, paths: list[Path], seconds: float) -> None:
        """Print the paths of the comparison's panel."""
        if self.quiet:
            return
        shown: _Pieces = tuple(((str(path), "cyan"),) for path in paths)
        with self.bar.paused():
            _print(((("compared", "bold"), (f" in {span(seconds)}", "dim")), *shown))


def ended(done: int, failed: int) -> int:
    """The exit status of a job over photos."""
    if not failed:
        return FINE
    return SOME_FAILED if done else ERROR


def _quality(explanation: Any) -> _Pieces:
    """The distortion and non-sparsity of a mask; nothing for a heatmap."""
    if not hasattr(explanation, "distortion"):
        return ()
    agreement: _Pieces = ()
    if explanation.agreement is not None:
        share = float(explanation.agreement[0])
        agreement = ((("agreement ", "dim"), ("undefined" if math.isnan(share) else f"{share:.2f}", "")),)
    return (
        (("distortion ", "dim"), (f"{float(explanation.distortion[0]):.4f}", "")),
        (("non-sparsity ", "dim"), (f"{float(explanation.non_sparsity[0]):.4f}", "")),
        *agreement,
    )


def _print(pieces: _Pieces) -> None:
    """One line; on a terminal in colours, and on indented lines where it is too long for one."""
    if not sys.stdout.isatty():
        print("  ".join("".join(text for text, _ in piece) for piece in pieces), flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    line = Text()
    for piece in (Text.assemble(*piece) for piece in pieces):
        if line and line.cell_len + 2 + piece.cell_len > console.width:
            console.print(line)
            line = Text("   ")
        line = Text("  ").join((line, piece)) if line else piece
    console.print(line)


def _fitted(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"

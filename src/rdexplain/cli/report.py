"""What a run says: a line for each explanation on stdout, warnings and errors on stderr."""

from __future__ import annotations

import sys
from pathlib import Path

from rdexplain.cli.bar import Bar
from rdexplain.cli.guard import say
from rdexplain.explanation import Explanation

_WIDEST_NAME, _WIDEST_LABEL = 32, 24


class Report:
    """Says what became of each photo.

    Args:
        names: all the names of photos that there will be, for the columns' width.
        labels: all the labels, where they are known.
        quiet: whether only errors are said.
    """

    def __init__(self, bar: Bar, names: list[str], labels: list[str] | None, quiet: bool) -> None:
        self._bar = bar
        self._quiet = quiet
        self._name_width = min(max(map(len, names), default=0), _WIDEST_NAME)
        longest = max(map(len, labels)) if labels else 0 if len(names) == 1 else _WIDEST_LABEL
        self._label_width = min(longest, _WIDEST_LABEL)

    def explained(self, name: str, explanation: Explanation, picture: Path) -> None:
        """A line for an explanation of one row, and a warning if it came to nothing."""
        if self._quiet:
            return
        label = explanation.labels[0]
        parts = (
            (_fitted(name, self._name_width), "bold"),
            (" -> ", "dim"),
            (_fitted(label, self._label_width) if self._label_width else label, "bold green"),
            (f"  {float(explanation.probability[0]):6.1%}", ""),
            ("   distortion ", "dim"),
            (f"{float(explanation.distortion[0]):.4f}", ""),
            ("   non-sparsity ", "dim"),
            (f"{float(explanation.non_sparsity[0]):.4f}", ""),
            (f"   {explanation.seconds:5.1f} s   ", "dim"),
            (str(picture), "cyan"),
        )
        with self._bar.paused():
            _print(parts)
        if bool(explanation.collapsed[0]):
            say(
                f"warning: {name}: the mask for {label!r} keeps nothing that the model uses: "
                "try a lower --sparsity, or more --draws"
            )

    def failed(self, text: str) -> None:
        """A photo that is left out."""
        say(f"error: {text}")

    def summary(self, photos: int, failed: int, seconds: float) -> None:
        """The last line of a run over several photos."""
        if photos == 1:
            return
        if failed:
            done = photos - failed
            say(f"explained {done or 'none'} of {photos} photos, {failed} failed")
        elif not self._quiet:
            with self._bar.paused():
                _print(((f"explained {photos} photos in {_time(seconds)}", ""),))


def _print(parts: tuple[tuple[str, str], ...]) -> None:
    if not sys.stdout.isatty():
        print("".join(text for text, _ in parts), flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False, soft_wrap=True).print(Text.assemble(*parts))


def _fitted(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"

"""What a run says: a line for each explanation on stdout, warnings and errors on stderr."""

from __future__ import annotations

import math
import sys
from pathlib import Path

from rdexplain.cli.bar import Bar
from rdexplain.cli.guard import say
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap

_Pieces = tuple[tuple[tuple[str, str], ...], ...]
"""Pieces of a line, each of texts with their styles."""
_WIDEST_NAME, _WIDEST_LABEL = 40, 24
UNLIKELY = 0.3
"""A class of less probability is called unlikely."""
ROUNDING = 1e-12
"""Where the empty mask distorts no more than this, the model's answer is the same up to rounding."""
NEARLY_IMPOSSIBLE = 1e-3
"""The empty mask costs p² at most: of a class of less probability that is no sign that nothing changes it."""
_AIMS_ELSEWHERE = ("maximise_label",)
"""Distortions that compare with something else than the clean image's answer."""


class Report:
    """Says what became of each photo.

    Args:
        names: all the names of photos that there will be, for the columns' width.
        labels: all the labels that there may be; none if nothing has to be aligned.
        quiet: whether only errors are said.
        of: what is said after each photo's name, such as the network where there are several.
        failures: those that were said, which several reports may share.
    """

    def __init__(
        self, bar: Bar, names: list[str], labels: list[str], quiet: bool, of: str = "", failures: set[str] | None = None
    ) -> None:
        self._bar = bar
        self._quiet = quiet
        self._of = of
        self._failures: set[str] = set() if failures is None else failures
        self._name_width = min(max(map(len, names), default=0), _WIDEST_NAME)
        self._label_width = min(max(map(len, labels), default=0), _WIDEST_LABEL)

    def explained(self, name: str, explanation: Explanation | Heatmap, picture: Path) -> None:
        """A line for an explanation of one row, and a warning if it came to nothing."""
        if self._quiet:
            return
        label, name = explanation.labels[0], f"{name}{self._of}"
        fitted = _fitted(label, self._label_width) if self._label_width else label
        pieces: _Pieces = (
            ((_fitted(name, self._name_width), "bold"), (" -> ", "dim"), (fitted, "bold green")),
            ((f"{float(explanation.probability[0]):6.1%}", ""),),
            *_quality(explanation),
            ((f"{explanation.seconds:5.1f} s", "dim"),),
            ((str(picture), "cyan"),),
        )
        with self._bar.paused():
            _print(pieces)
        if isinstance(explanation, Explanation) and bool(explanation.collapsed[0]):
            say(f"warning: {name}: the mask for {label!r} keeps nothing that the model uses: {_advice(explanation)}")
        elif notice := _nothing_in(explanation):
            say(f"warning: {name}: {notice}")
        elif isinstance(explanation, Explanation) and (missed := _missed(explanation)):
            say(f"warning: {name}: no mask for {label!r} was found {missed}: this one comes nearest")
        elif isinstance(explanation, Explanation) and _worse_than_nothing(explanation):
            say(
                f"warning: {name}: the mask for {label!r} costs more than it explains, keeping nothing has the lower "
                f"objective: {_advice(explanation)}"
            )

    def compared(self, paths: list[Path], seconds: float) -> None:
        """Where the panel of a comparison is."""
        if self._quiet:
            return
        shown: _Pieces = tuple(((str(path), "cyan"),) for path in paths)
        with self._bar.paused():
            _print(((("compared", "bold"), (f" in {_time(seconds)}", "dim")), *shown))

    def failed(self, text: str) -> None:
        """A photo that is left out; said once, though several methods and networks meet it."""
        if text not in self._failures:
            self._failures.add(text)
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
                print(f"explained {photos} photos in {_time(seconds)}", flush=True)


def _quality(explanation: Explanation | Heatmap) -> _Pieces:
    """What a mask keeps and what that costs; a heatmap says neither."""
    if isinstance(explanation, Heatmap):
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


def _worse_than_nothing(explanation: Explanation) -> bool:
    """Whether the empty mask, whose objective is its distortion, has a lower one. A bound is no such choice."""
    searched = any(explanation.options.get(name) is not None for name in ("max_distortion", "rate"))
    return not searched and bool(explanation.worse_than_empty[0])


def _missed(explanation: Explanation) -> str | None:
    """The bound that a mask was searched within, if it is not."""
    most, rate = explanation.options.get("max_distortion"), explanation.options.get("rate")
    if most is not None and float(explanation.distortion[0]) > most:
        return f"within a distortion of {most:g}"
    if rate is not None and float(explanation.non_sparsity[0]) > rate:
        return f"within a rate of {rate:g}"
    return None


def _advice(explanation: Explanation) -> str:
    """What to try. For an unlikely class the empty mask costs little, p² at most, and λk has to be small too."""
    options = explanation.options
    if options.get("max_distortion") is not None or options.get("rate") is not None:
        return "try more --steps, --preset best, or another bound"
    lower = 2 * float(explanation.sparsity[0]) * float(explanation.empty_distortion[0])
    is_class = explanation.target_kind == "label" and options["distortion"] == "label"
    if is_class and float(explanation.probability[0]) < UNLIKELY and lower <= 10:
        return f"the class is unlikely, try --sparsity {lower:.1g}"
    return "try more --steps, --preset best, or a lower --sparsity"


def _nothing_in(explanation: Explanation | Heatmap) -> str | None:
    """Why an explanation says nothing, if it does not: there is nothing to explain, or nothing was found."""
    if (
        isinstance(explanation, Explanation)
        and explanation.options["distortion"] not in _AIMS_ELSEWHERE
        and float(explanation.empty_distortion[0]) <= ROUNDING
        and float(explanation.probability[0]) > NEARLY_IMPOSSIBLE
    ):
        label = explanation.labels[0]
        return f"the model's answer for {label!r} does not depend on what is shown: there is nothing to explain"
    if not any(bool(band.any()) for band in explanation.scores):
        return "every score is zero: the method finds nothing that matters"
    return None


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


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"

"""Reports the progress of the optimisation: a bar on a terminal or in a notebook, nothing elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rdexplain.text.bar import Bar, can_draw

Progress = Callable[[int, float], None]
"""Called after each step with its number (from 1) and the mean loss, NaN where there is none. Where rows are solved one
after the other, it is the mean over all rows of the steps done so far, rounded up."""


def shared(progress: Progress | None, parts: int, steps: int) -> Sequence[Progress | None]:
    """A progress for each of `parts` equal parts of the work; they report to `progress` as `steps` steps in all."""
    if progress is None:
        return [None] * parts
    return [partial(_part, progress, number, parts, steps) for number in range(parts)]


def _part(progress: Progress, number: int, parts: int, steps: int, step: int, loss: float) -> None:
    progress(math.ceil((number * steps + step) / parts), loss)


@contextmanager
def progress_bar(steps: int, title: str) -> Iterator[Progress | None]:
    """A bar with steps, loss and time left; None where it would not be seen."""
    if not can_draw():
        yield None
        return
    started = time.monotonic()
    with Bar() as bar:

        def report(step: int, loss: float) -> None:
            figures = f"{step}/{steps}" + ("" if math.isnan(loss) else f"  loss {loss:.4f}")
            bar.advance(step, steps, title, figures, (time.monotonic() - started) * (steps - step) / step)

        yield report

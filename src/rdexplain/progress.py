"""How far the optimisation is: a bar on stderr, on a terminal alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isnan

Progress = Callable[[int, float], None]
"""Called after each step with its number (from 1) and the mean loss, NaN where there is none."""


@contextmanager
def progress_bar(steps: int, title: str) -> Iterator[Progress | None]:
    """A bar with steps, loss and time left; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=steps, figures="")
        yield lambda step, loss: bar.update(task, completed=step, figures="" if isnan(loss) else f"loss {loss:.4f}")

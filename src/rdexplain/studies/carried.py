"""Units through an engine: what a worker does with one, and what it sends to the one that writes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rdexplain.models import Model
from rdexplain.studies.plan import Plan
from rdexplain.studies.recipe import Row, Unit
from rdexplain.studies.work import Context


@dataclass
class Done:
    """What became of a unit.

    Attributes:
        unit: which.
        result: its rows, or why there are none; see `Context.run`.
        files: what belongs beside the result, such as its explanation, by name.
        seconds: that its worker took.
    """

    unit: Unit
    result: Row
    files: dict[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0


class UnitWorker:
    """A worker of `engines` for units.

    Args:
        plan, load: as `Context` takes them.
        begin: is told of each unit before it is worked on.
    """

    def __init__(
        self, plan: Plan, load: Callable[[str], Model], begin: Callable[[Unit], None] = lambda unit: None
    ) -> None:
        self._plan, self._load, self._begin = plan, load, begin

    def load(self, task: Unit) -> Unit:
        """There is nothing to do beforehand: a photo is decoded quickly."""
        return task

    def work(self, loaded: Unit) -> Done:
        """Run a unit. Nothing is written but in a temporary folder: the worker may be on another machine."""
        self._begin(loaded)
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="rdexplain-") as folder:
            result = Context(self._plan, self._load, Path(folder)).run(loaded)
            files = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        return Done(loaded, result, files, time.perf_counter() - started)

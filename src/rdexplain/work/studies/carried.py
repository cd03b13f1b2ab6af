"""Units in an engine: how a worker computes one, and what it sends back to be written."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from rdexplain.models import Model
from rdexplain.work.progress import Silent
from rdexplain.work.requests import Reproduce
from rdexplain.work.studies.loaded import Networks
from rdexplain.work.studies.plan import Plan
from rdexplain.work.studies.recipe import Row, Unit
from rdexplain.work.studies.work import Context

Batch = tuple[Unit, ...]
"""Units that are `alike`, and computed together."""


@dataclass
class Done:
    """The outcome of a unit.

    Attributes:
        unit: the unit itself.
        result: its rows, or why there are none; see `Context.run`.
        files: what belongs beside the result, such as its explanation, by name.
        seconds: the time that its worker took; of a batch an equal share.
    """

    unit: Unit
    result: Row
    files: dict[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0


class UnitWorker:
    """A worker of `engines` for units.

    Args:
        plan, load: as `Context` takes them.
        begin: called with the units of a batch before they are computed.
    """

    def __init__(
        self, plan: Plan, load: Callable[[str], Model], begin: Callable[[Batch], None] = lambda units: None
    ) -> None:
        self._plan, self._load, self._begin = plan, load, begin

    def load(self, task: Batch) -> Batch:
        """Nothing is prepared beforehand: a photo is decoded quickly."""
        return task

    def work(self, loaded: Batch) -> list[Done]:
        """Run units. Nothing is written but in a temporary folder: the worker may be on another machine."""
        self._begin(loaded)
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="rdexplain-") as name:
            folder = Path(name)
            results = Context(self._plan, self._load, folder).run(loaded)
            seconds = (time.perf_counter() - started) / len(loaded)
            return [
                Done(unit, result, {file.name: file.read_bytes() for file in folder.glob(f"{unit.name}.*")}, seconds)
                for unit, result in zip(loaded, results, strict=True)
            ]


@dataclass(frozen=True)
class StudyRecipe:
    """What a worker is made from in another process; see `engines.Recipe`.

    Attributes:
        plan: what is run.
        options: of the reproduction.
    """

    plan: Plan
    options: Reproduce

    def make(self, device: str) -> UnitWorker:
        """A worker that loads the networks it needs, each once."""
        return UnitWorker(self.plan, Networks(replace(self.options, device=device), Silent()).load)

    def parts(self, task: Batch) -> list[Batch]:
        """Each unit by itself."""
        return [(unit,) for unit in task]

    def given_up(self, task: Batch, reason: str) -> list[Done]:
        """The result of a unit on which workers crash."""
        return [Done(unit, {"failed": f"{unit.photo.source}, {unit.method}: {reason}"}) for unit in task]

"""What a worker of `rdexplain reproduce` is made from in another process."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from rdexplain.cli.bar import Bar
from rdexplain.cli.study_networks import Networks
from rdexplain.studies import Plan, Unit
from rdexplain.studies.carried import Done, UnitWorker


@dataclass(frozen=True)
class StudyRecipe:
    """See `engines.Recipe`.

    Attributes:
        plan: what is run.
        options: of the command, by name.
    """

    plan: Plan
    options: dict[str, Any]

    def make(self, device: str) -> UnitWorker:
        """A worker that loads the networks it needs, each once."""
        arguments = argparse.Namespace(**self.options | {"device": device})
        return UnitWorker(self.plan, Networks(arguments, Bar(shown=False)).load)

    def parts(self, task: Unit) -> list[Unit]:
        """A unit is not cut."""
        return [task]

    def given_up(self, task: Unit, reason: str) -> Done:
        """The result of a unit that workers die with."""
        return Done(task, {"failed": f"{task.photo.source}, {task.method}: {reason}"})

"""Engines: what carries tasks to workers. All give the same results, in another order."""

from rdexplain.runs.engines.engine import Engine, Recipe, Worker
from rdexplain.runs.engines.local import Local
from rdexplain.runs.engines.processes import Processes

__all__ = ["Engine", "Local", "Processes", "Recipe", "Worker"]

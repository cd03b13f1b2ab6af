"""Engines, which distribute tasks to workers. All give the same results, but not in the same order."""

from rdexplain.work.engines.engine import Engine, Recipe, Worker
from rdexplain.work.engines.local import Local
from rdexplain.work.engines.processes import Processes

__all__ = ["Engine", "Local", "Processes", "Recipe", "Worker"]

"""Engines: what carries batches to workers. All give the same outcomes, in another order."""

from rdexplain.runs.engines.engine import Engine
from rdexplain.runs.engines.local import Local

__all__ = ["Engine", "Local"]

"""Whole data sets: runs that can be killed, continued, spread over machines, and used afterwards."""

from rdexplain.work.runs.merging import merge_runs
from rdexplain.work.runs.view import Run, open_run

__all__ = ["Run", "merge_runs", "open_run"]

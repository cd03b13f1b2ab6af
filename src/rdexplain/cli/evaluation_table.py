"""The table that ``rdexplain evaluate`` prints, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

from rdexplain.cli.tables import Column, print_table
from rdexplain.evaluation import Evaluation
from rdexplain.evaluation.results import Over
from rdexplain.evaluation.tables import LEGEND, table

_ACROSS = 5
"""Number of methods that fit side by side."""


def print_evaluation(
    evaluation: Evaluation, methods: Sequence[str], distortion: str, over: Over = "share", seed: int = 0
) -> None:
    """Print the areas under the curves of a distortion in each domain, and the scores."""
    found = table(evaluation, methods, distortion, over, seed)
    if len(methods) <= _ACROSS:
        columns = [Column("", "bold"), *(Column(method, numbers=True) for method in methods)]
        print_table(columns, list(zip(found.titles, *found.cells.values(), strict=True)))
    else:
        linear, log = found.areas
        for part in (slice(0, linear), slice(linear, linear + log), slice(linear + log, None)):
            if not found.titles[part]:
                continue
            columns = [Column("method", "bold"), *(Column(title, numbers=True) for title in found.titles[part])]
            print_table(columns, [(method, *row[part]) for method, row in found.cells.items()])
            print()
    print(";\n".join(LEGEND))

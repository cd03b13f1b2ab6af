"""What is evaluated, and what a score is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from rdexplain.evaluation.cascade import Cascade
from rdexplain.evaluation.curves import Curves
from rdexplain.evaluation.domains import Explained
from rdexplain.evaluation.localisation import Box
from rdexplain.evaluation.subject import Subject


@dataclass(frozen=True)
class Candidate:
    """An explanation to evaluate, with further data that some scores need.

    Attributes:
        result: the explanation of the subject's rows.
        method: the method itself, for the scores that explain again.
        networks: copies of the network with random parameters, for ``randomisation`` and ``cascade``.
        boxes: for each row the boxes of its object, empty where there is none, for ``localisation``.
        order: a name of `orders.ORDERS`, for the scores that rank pixels; `evaluate` takes that of its settings.
        made: explanations that several scores need, each made once.
    """

    result: Explained
    method: Any = None
    networks: Cascade | None = None
    boxes: Sequence[Sequence[Box]] | None = None
    order: str = "kept"
    made: dict[str, Explained] = field(default_factory=dict, init=False, repr=False, compare=False)


Values = dict[tuple[str, str], Tensor | Curves]
"""Values (n,) by a score's column and domain; of a whole curve, the column is its mode."""


@dataclass(frozen=True)
class Score:
    """A named score, which gives one or several columns.

    Attributes:
        columns: their names, with what is better: ``higher``, ``lower``, or ``zero`` for what has a sign and should be
            near 0.
        measure: maps the subject, the candidate and a seed to the values.
        again: whether it explains again, so that it needs the method and not a stored explanation alone.
    """

    name: str
    summary: str
    columns: dict[str, str]
    measure: Callable[[Subject, Candidate, int], Values]
    again: bool = False

"""Recipes: the units of work that a figure or table needs, and the findings from their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from rdexplain.results.explanation import Explanation
from rdexplain.results.loading import load_explanation
from rdexplain.work.studies.plan import Known, Plan
from rdexplain.work.studies.verdict import Verdict

Row = dict[str, Any]


@dataclass(frozen=True)
class Unit:
    """One photo by one method: the smallest piece of work.

    Attributes:
        kind: a name of `work.KINDS`.
        photo: what is explained.
        model: the network's name.
        method: a name of `methods.registry.METHODS`.
        options: of the method, ready for JSON.
        measured: what is measured, ready for JSON.
        forwards, backwards: estimated images through the network forward only, and forward and backward.
    """

    kind: str
    photo: Known
    model: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    forwards: int = 0
    backwards: int = 0

    def alike(self, other: Unit) -> bool:
        """Whether two units differ in the photo alone, so that they can be computed together."""
        return replace(self, photo=other.photo) == other

    @cached_property
    def name(self) -> str:
        """A hash of all that the result depends on, except size, seed, protocol and order, which the plan fixes."""
        key = [self.kind, self.photo.source, self.photo.key, self.model, self.method, self.options, self.measured]
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]


def explanation_file(folder: Path, name: str) -> Path:
    """Where the explanation of a unit of that name is, in the folder of results."""
    return folder / f"{name}.explanation"


def explained_row(found: Explanation, row: int = 0) -> Row:
    """The figures of an explanation's row, ready for JSON and for a column each in a table."""
    return {
        "photo": found.photos[row],
        "label": found.labels[row],
        "probability": float(found.probability[row]),
        "kept_probability": float(found.kept_probability[row]),
        "distortion": float(found.distortion[row]),
        "empty_distortion": float(found.empty_distortion[row]),
        "non_sparsity": float(found.non_sparsity[row]),
        "collapsed": bool(found.collapsed[row]),
    }


@dataclass
class Findings:
    """The findings of a recipe: figures by the suffix of their file, rows of numbers, and verdicts."""

    figures: dict[str, Figure] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


class Results:
    """The results of finished units, and their files."""

    def __init__(self, folder: Path, found: dict[str, Row]) -> None:
        self.folder, self._found = folder, found

    def of(self, unit: Unit) -> Row | None:
        """A unit's result; None where it failed or the method is not applicable."""
        result = self._found.get(unit.name)
        return None if result is None or "failed" in result or "not_applicable" in result else result

    def reason(self, unit: Unit) -> str:
        """Why a unit has no result."""
        result = self._found.get(unit.name, {})
        return str(result.get("failed") or result.get("not_applicable") or "it was not run")

    def not_applicable(self, unit: Unit) -> bool:
        """Whether the method cannot be applied to the network."""
        return "not_applicable" in self._found.get(unit.name, {})

    def failed(self, unit: Unit) -> bool:
        """Whether a unit failed, because of its photo or its worker."""
        return "failed" in self._found.get(unit.name, {})

    def explanation(self, unit: Unit) -> Explanation:
        """A unit's explanation.

        Raises:
            RDExplainError: its files are damaged or gone.
        """
        return load_explanation(explanation_file(self.folder, unit.name))


@dataclass(frozen=True)
class Recipe:
    """How a figure or table of the study is reproduced.

    Attributes:
        name: such as ``figure-5``.
        title: what it shows.
        claim: what the study concludes from it.
        photos_wanted: number of photos in the protocol.
        units_of, findings_of: give the units of work for a plan at this recipe's scale, and the findings from their
            results.
        group: recipes of a group share units, and so are scaled down together; a name of `budget.GROUPS`.
    """

    name: str
    title: str
    claim: str
    photos_wanted: int
    units_of: Callable[[Plan], Sequence[Unit]]
    findings_of: Callable[[Plan, Results], Findings]
    group: str = "pictures"

    def units(self, plan: Plan) -> Sequence[Unit]:
        """The units of work for a plan."""
        return self.units_of(plan.of(self.group))

    def conclude(self, plan: Plan, results: Results) -> Findings:
        """The findings from the results."""
        return self.findings_of(plan.of(self.group), results)

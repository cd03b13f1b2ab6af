"""Figures as text for an audience."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import TypeVar

from rdexplain.errors import OptionError
from rdexplain.methods.registry import METHODS
from rdexplain.render.layout import FIGURES, TITLE, wrapped
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap

_PERCENT = "\N{NO-BREAK SPACE}%"
DOT = "\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}\N{MIDDLE DOT}\N{NO-BREAK SPACE} "


def percent(share: float) -> str:
    """A share in [0, 1] in words: ``99 %``, ``1.3 %``, ``< 0.1 %``. ``0 %`` and ``100 %`` are exact."""
    value = 100 * share
    if not math.isfinite(value):
        return "unknown"
    if value == 0 or value == 100:
        return f"{value:.0f}{_PERCENT}"
    if value < 0.05:
        return f"<\N{NO-BREAK SPACE}0.1{_PERCENT}"
    if value > 99.95:
        return f">\N{NO-BREAK SPACE}99.9{_PERCENT}"
    digits = 1 if value < 9.95 or value > 99.5 else 0
    return f"{value:.{digits}f}{_PERCENT}"


def method_title(name: str) -> str:
    """A method's name as papers write it."""
    return METHODS[name].title if name in METHODS else name


Result = TypeVar("Result", Explanation, Heatmap)


def one_row(explanation: Result, row: int) -> Result:
    """One row, as a result of length 1, or OptionError."""
    if not -len(explanation) <= row < len(explanation):
        raise OptionError(f"there is no row {row}: the explanation has {len(explanation)}")
    return explanation[row]


def amount(explanation: Explanation | Heatmap, number: float) -> str:
    """The model's score for the target as text: a probability, or a user-defined value."""
    return f"{number:.3g}" if explanation.target_kind == "value" else percent(number)


def decision(explanation: Explanation | Heatmap) -> tuple[str, str]:
    """The explained target and its score, such as ``Egyptian cat`` and ``, 99 %``."""
    return explanation.labels[0], f", {amount(explanation, float(explanation.probability[0]))}"


def headings(explanation: Explanation | Heatmap, title: str | None, content: float) -> tuple[list[str], list[str]]:
    """The lines of the headline, and the line with the target below it where the user gives a headline."""
    label, chance = decision(explanation)
    if title:
        return wrapped(title, TITLE, content, 2), wrapped(label, FIGURES, content, 1, chance)
    return wrapped(label, TITLE, content, 2, chance), []


def figures(explanation: Explanation) -> str:
    """The share that is kept, the model's score for it alone, and the distortion, in one line."""
    kept = percent(float(explanation.non_sparsity[0]))
    alone = amount(explanation, float(explanation.kept_probability[0]))
    distortion = float(explanation.distortion[0])
    said = (
        f"keeps {kept} of the {things(explanation)}",
        f"{alone} with the kept part alone",
        f"distortion {distortion:.4f}" if distortion >= 5e-5 or distortion == 0 else "distortion < 0.0001",
    )
    # Lines break between these, not within.
    return DOT.join(one.replace(" ", "\N{NO-BREAK SPACE}") for one in said)


def provenance(explanation: Explanation | Heatmap) -> str:
    """Method, model and photo, in one line."""
    method = method_title(explanation.method)
    photo = explanation.photos[0]
    return DOT.join((f"{method} of {explanation.model}", *([PurePath(photo).name] if photo else [])))


def things(explanation: Explanation | Heatmap) -> str:
    """The entries of a mask: "pixels" or "coefficients"."""
    return "pixels" if is_pixel(explanation) else "coefficients"


def is_pixel(explanation: Explanation | Heatmap) -> bool:
    """Whether the mask or the scores are those of pixels."""
    return explanation.options.get("representation") == "pixel"

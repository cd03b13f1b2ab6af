"""Formulas of the site: a ```math fence, which code hosts draw, as MathML, which browsers draw."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert


def mathml(source: str, *_: Any, **__: Any) -> str:
    """A fence's LaTeX as MathML. `aligned`, as code hosts want it, is `align*` to the converter."""
    return f'<div class="formula">{convert(source.replace("{aligned}", "{align*}"), display="block")}</div>'

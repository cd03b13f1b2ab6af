"""The reference of jobs such as `rdexplain.explain`: their options are declared as fields, and their docstrings and
signatures are made when they are imported, so that there is nothing for griffe to read in the source."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import griffe


class Jobs(griffe.Extension):
    """Gives each function below ``@job(...)`` the docstring and the parameters that a user sees."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Ask the job itself."""
        if not any(str(one.value).startswith("job(") for one in func.decorators):
            return
        made = getattr(importlib.import_module(func.module.path), func.name)
        func.docstring = griffe.Docstring(inspect.getdoc(made) or "", parent=func, parser="google")
        func.parameters = griffe.Parameters(*(_parameter(one) for one in inspect.signature(made).parameters.values()))


_KINDS = {
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
}


def _parameter(one: inspect.Parameter) -> griffe.Parameter:
    default = None if one.default is inspect.Parameter.empty else re.sub(r"\w+(?=Path\()", "", repr(one.default))
    return griffe.Parameter(one.name, annotation=str(one.annotation), kind=_KINDS[one.kind], default=default)

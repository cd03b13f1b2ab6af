"""The packages of the extras `runs` and `ray`, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from rdexplain.errors import OptionError
from rdexplain.extras import how_to_install


def needed(module: str, what: str, extra: str = "runs") -> Any:
    """A module of a package that an extra brings.

    Raises:
        OptionError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        name = {"yaml": "PyYAML"}.get(error.name, error.name)
        raise OptionError(f"{what} needs {name}: {how_to_install(extra)}") from error

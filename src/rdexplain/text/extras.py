"""The packages of the extras, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from rdexplain.errors import OptionError

_PACKAGES = {"skimage": "scikit-image", "yaml": "PyYAML"}
RUNS, RAY = "runs", "ray"


def needed(module: str, what: str, extra: str = "evaluation") -> Any:
    """A module of a package that an extra brings.

    Raises:
        OptionError: it is not installed; `what` needs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:  # it is there, but broken: that is not for us to explain
            raise
        raise OptionError(f"{what} needs {_PACKAGES.get(package, package)}: {how_to_install(extra)}") from error


def how_to_install(extra: str) -> str:
    """What to do where an extra's package is missing."""
    return f'install the extra `{extra}`: pip install ".[{extra}]" in the project\'s folder'

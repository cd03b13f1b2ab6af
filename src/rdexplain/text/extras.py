"""Imports the packages of the optional extras when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from rdexplain.errors import OptionError

_PACKAGES = {"skimage": "scikit-image", "yaml": "PyYAML"}
RUNS, RAY = "runs", "ray"


def needed(module: str, what: str, extra: str = "evaluation") -> Any:
    """Import a module of a package that belongs to an extra.

    Raises:
        OptionError: it is not installed; the message says that `what` needs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:  # installed, but broken: its own error says more
            raise
        raise OptionError(f"{what} needs {_PACKAGES.get(package, package)}: {how_to_install(extra)}") from error


def how_to_install(extra: str) -> str:
    """How to install an extra whose package is missing."""
    return f'install the extra `{extra}`: pip install ".[{extra}]" in the project\'s folder'

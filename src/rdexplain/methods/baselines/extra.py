"""The packages that only baselines and their evaluation need, imported when they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from rdexplain.errors import OptionError


def needed(module: str, method: str) -> ModuleType:
    """A module of the `evaluation` extra, or an OptionError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = {"skimage": "scikit-image"}.get(module.partition(".")[0], module.partition(".")[0])
        raise OptionError(f"{method} needs {package}: pip install 'rdexplain[evaluation]'") from error

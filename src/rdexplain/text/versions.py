"""The versions that a result depends on."""

from __future__ import annotations

import functools
import platform
from importlib.metadata import PackageNotFoundError, version

from rdexplain._version import __version__

_PACKAGES = ("torch", "torchvision", "numpy", "PyWavelets")


@functools.cache
def _installed(packages: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    found = []
    for package in packages:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def versions(*more: str) -> dict[str, str]:
    """Versions of this package, of Python and of the packages that make the numbers; of `more` that are installed."""
    installed = dict(_installed((*_PACKAGES, *more)))
    return {"rdexplain": __version__, "python": platform.python_version(), **installed}

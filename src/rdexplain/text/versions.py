"""The version of the package, and those that a result depends on."""

from __future__ import annotations

import functools

__version__ = "0.1.0"

_PACKAGES = ("torch", "torchvision", "numpy", "PyWavelets")


@functools.cache
def _installed(packages: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    from importlib.metadata import PackageNotFoundError, version  # takes a while, and `--help` has to be quick

    found = []
    for package in packages:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def versions(*more: str) -> dict[str, str]:
    """Versions of this package, Python, the packages that results depend on, and those of `more` that are installed."""
    import platform

    installed = dict(_installed((*_PACKAGES, *more)))
    return {"rdexplain": __version__, "python": platform.python_version(), **installed}

"""The photos that come with rdexplain. Nothing here imports PyTorch: a shell completes their names."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

SAMPLE = "sample:"


def sample_names() -> tuple[str, ...]:
    """The photos that come with rdexplain, for `sample:NAME`, in alphabetical order."""
    return tuple(sorted(one.name[:-4] for one in _folder().iterdir() if one.name.endswith(".jpg")))


def sample_file(name: str) -> Traversable:
    """The file of a sample."""
    return _folder() / f"{name}.jpg"


def _folder() -> Traversable:
    return resources.files("rdexplain.photos") / "samples"

"""Defaults of the presets for other tasks than classification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PER_TASK: dict[tuple[str, str], dict[str, Any]] = {
    # Taslimi et al., ReScience C 2023, figures 8 and 9.
    ("paper", "segmentation"): {"steps": 1000, "draws": 4, "step_size": 0.01, "sparsity": 2.0},
    ("paper", "detection"): {"steps": 200, "draws": 32, "step_size": 0.01, "sparsity": 20.0},
}
_STUDIED = ("cartoonx", "pixel_rde")
_OTHERS = {"distortion": "label"}
"""Defaults for methods with no published settings for these tasks: the distortions of their presets are defined for
classes alone."""


def for_task(given: Mapping[str, Any], method: str, task: str, sparsity: float) -> tuple[dict[str, Any], float]:
    """A method's options and its λk, with those of the task for its preset where the user gives none.

    λk is returned by itself: in the options it would count as given by the user, and exclude a bound.
    """
    options, own = dict(given), dict(_PER_TASK.get((given.get("preset", "fast"), task), {}))
    if own and method not in _STUDIED:
        own = dict(_OTHERS)
    sparsity = own.pop("sparsity", sparsity)
    for name, value in own.items():
        if options.get(name) is None:
            options[name] = value
    return options, sparsity

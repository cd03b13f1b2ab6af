"""The folder of a run: its configuration, and the identity that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdexplain.errors import RDExplainError, one_line
from rdexplain.results.storage import write_whole
from rdexplain.text.extras import RUNS, needed

CONFIG, LEDGER, SHARDS, LOG, LOCK = "config.yaml", "ledger.sqlite", "shards", "log.txt", "lock"
HOW = ("internal_batch_size", "batch_invariant", "accelerate", "weights")
"""Entries of a method's record that change results by rounding at most, and the path of a file of weights, whose
content `fingerprint` identifies."""


class RunError(RDExplainError):
    """A folder that is no run, or is another run than expected."""


def is_run(folder: str | Path) -> bool:
    """Whether a folder is that of a run."""
    return (Path(folder) / CONFIG).is_file() and (Path(folder) / LEDGER).is_file()


def read_config(folder: Path) -> dict[str, Any]:
    """A run's `config.yaml`.

    Raises:
        RunError: there is none, or it is damaged.
    """
    yaml = needed("yaml", "a run", RUNS)
    try:
        found = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{folder} is no run: it has no {CONFIG}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RunError(f"{folder / CONFIG} cannot be read: {one_line(error)}") from error
    if not isinstance(found, dict) or "resolved" not in found:
        raise RunError(f"{folder / CONFIG} is not what a run writes: it has no section `resolved`")
    return found


def write_config(folder: Path, config: Mapping[str, Any], resolved: Mapping[str, Any]) -> None:
    """Write `config.yaml`: the configuration, and under `resolved` what determines the results."""
    yaml = needed("yaml", "a run", RUNS)
    whole = {**config, "identity": identity(resolved), "resolved": dict(resolved)}
    text = "# The configuration of this run. `identity` is the hash of `resolved`, which determines the results.\n"
    text += yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)
    write_whole(folder / CONFIG, text.encode())


def identity(resolved: Mapping[str, Any]) -> str:
    """The hash of what determines a run's results."""
    return hashlib.sha256(json.dumps(resolved, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], first: str = "there", second: str = "here"
) -> list[str]:
    """The differences of two sections `resolved`, entry by entry: `steps: 40 there, 20 here`.

    Old runs did not record the resolved activation: their "auto" matches any.
    """
    old, new = _flat(there), _flat(here)
    return [
        f"{name}: {_shown(old, name)} {first}, {_shown(new, name)} {second}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name) and not (name.endswith(".activation") and old.get(name) == "auto")
    ]


def check_same(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Check that a run is continued with its own configuration.

    Raises:
        RunError: it is not; the text shows the difference.
    """
    if changes := _listed(there, here):
        raise RunError(
            f"{folder} was begun with another configuration: {changes}: go on with the old one, or choose another `out`"
        )


def check_alike(first: Path, second: Path) -> None:
    """Check that two runs may be merged.

    Raises:
        RunError: they may not; the text shows the difference.
    """
    if changes := _listed(
        read_config(first)["resolved"], read_config(second)["resolved"], f"in {first}", f"in {second}"
    ):
        raise RunError(f"{first} and {second} have different configurations and cannot be merged: {changes}")


def without_how(record: Mapping[str, Any]) -> dict[str, Any]:
    """A method's record without `HOW`, after a round trip through JSON."""
    kept = {name: value for name, value in record.items() if name not in HOW}
    return dict(json.loads(json.dumps(kept)))


def _listed(there: Mapping[str, Any], here: Mapping[str, Any], first: str = "there", second: str = "here") -> str:
    changes = differences(there, here, first, second)
    more = f" (and {len(changes) - 6} more)" if len(changes) > 6 else ""
    return "; ".join(changes[:6]) + more


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _shown(flat: Mapping[str, Any], name: str) -> str:
    return json.dumps(flat[name], ensure_ascii=False) if name in flat else "nothing"

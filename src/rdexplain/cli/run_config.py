"""The configuration of a run: a YAML file and options, which have the same names and the same checks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdexplain.cli.command import UsageError
from rdexplain.cli.run import NOT_KEYS, keys
from rdexplain.errors import OptionError, unknown
from rdexplain.photos.images import SAMPLE
from rdexplain.runs.folder import CONFIG, is_run, read_config
from rdexplain.text.extras import RUNS, needed

_OF_A_RUN = ("identity", "resolved", "root")
"""Keys that a run adds to its own `config.yaml`."""
_LISTS = ("target", "method", "mean", "std", "device")
"""Keys that may have several values."""
_ON = ("accelerate", "batch_invariant")
"""Switches that can only be turned off."""
_FILES = ("photos", "weights", "classes", "init")


def gather(arguments: argparse.Namespace) -> argparse.Namespace:
    """All options: what is given, else what the file says, else what the run in `out` was begun with (of options that
    change no results), else the default.

    Raises:
        OptionError: the file cannot be read, or has a key or a value that there is not.
        UsageError: no photos are named.
    """
    given = {name: value for name, value in vars(arguments).items() if name in keys()}
    file: Path | None = getattr(arguments, "config", None)
    if file is not None and file.name == CONFIG and is_run(file.parent):
        file = file.parent
    if file is not None and file.is_dir():
        if given.get("out", file) != file:
            raise UsageError(f"{file} is a run, and goes on where it is: leave out --out")
        read_config(file)  # says why it is no run
        given["out"] = file
    else:
        given = _read(file) | given if file is not None else given
    out = Path(given.get("out", keys()["out"].default))
    old = of_run(out) if (out / CONFIG).is_file() else {}
    if file is not None and file.is_dir():
        given = old | given
    else:
        given = {name: old[name] for name in ("photos_per_batch",) if name in old} | given
    if given.get("photos") is None:
        raise UsageError("name the photos: --photos, or the key photos of a configuration")
    defaults = {name: False if option.kind is None else option.default for name, option in keys().items()}
    defaults |= dict.fromkeys(_ON)
    return argparse.Namespace(**{**defaults, **given, "config": file, "quiet": getattr(arguments, "quiet", False)})


def of_run(folder: Path) -> dict[str, Any]:
    """The options that a run was begun with, those that were given.

    Raises:
        RunError: it is no run, or its configuration is damaged.
    """
    return _checked(_without(read_config(folder)), folder / CONFIG)


def plain(options: argparse.Namespace) -> dict[str, Any]:
    """The options as a run's `config.yaml` has them: ready for YAML, files with their whole path."""
    values = {name: getattr(options, name) for name in keys() if name != "out"}
    said = {name: value for name, value in values.items() if value not in (None, False)}
    said |= {name: False for name in _ON if values[name] is False}
    return {name: _plain(name, value) for name, value in said.items()}


def _plain(name: str, value: Any) -> Any:
    if name == "part":
        return "/".join(map(str, value))
    if isinstance(value, tuple | list):
        return list(value)
    if name in _FILES and not str(value).startswith(SAMPLE) and (Path(value).exists() or name == "photos"):
        return str(Path(value).absolute())
    return str(value) if isinstance(value, Path) else value


def _read(file: Path) -> dict[str, Any]:
    yaml = needed("yaml", "a configuration file", RUNS)
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise OptionError(f"{file} is no YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise OptionError(f"{file} has no keys: it is a list of `option: value`, such as `method: cartoonx`")
    return _checked(_without(found), file)


def _without(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in _OF_A_RUN}


def _checked(found: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The values of a file, each read as its option reads its text."""
    known = keys()
    checked: dict[str, Any] = {}
    for name, value in found.items():
        if name in NOT_KEYS:
            raise OptionError(f"{file}: {name} is for the command line alone, not for a configuration")
        if name not in known:
            raise OptionError(f"{file}: {unknown('key', str(name), known)}")
        option = known[name]
        if value is None:
            continue
        if value == "":
            raise OptionError(f"{file}: {name} is empty")
        if isinstance(value, list) and name not in _LISTS:
            raise OptionError(f"{file}: {name} takes one value, not a list")
        try:
            if option.kind is None:
                if not isinstance(value, bool):
                    raise argparse.ArgumentTypeError(f"must be true or false, not {value!r}")
                # `accelerate: true` is what there is without the option.
                checked[name] = None if name in _ON and value else value
            elif option.extra.get("action") == "append":
                checked[name] = [option.kind(str(one)) for one in (value if isinstance(value, list) else [value])]
            else:
                text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
                checked[name] = option.kind(text)
        except UsageError as error:  # says what the value should be: unknown method ...
            raise OptionError(f"{file}: {error}") from error
        except (argparse.ArgumentTypeError, ValueError) as error:
            raise OptionError(f"{file}: {name} {error}") from error
    return checked

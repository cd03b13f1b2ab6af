"""The configuration of a run, from a YAML file and from options, which have the same names and checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdexplain.errors import OptionError, one_line, unknown
from rdexplain.photos.images import SAMPLE
from rdexplain.text.extras import RUNS, needed
from rdexplain.work import requests
from rdexplain.work.options import Option
from rdexplain.work.requests import Run
from rdexplain.work.runs.folder import CONFIG, is_run, read_config

_OF_A_RUN = ("identity", "resolved", "root")
"""Keys that a run adds to its own `config.yaml`."""
_OFF = ("accelerate", "batch_invariant")
"""Switches that are on by default."""
_FILES = ("photos", "weights", "classes", "init")


def keys() -> dict[str, Option]:
    """The options that a configuration may have, by name, in the order of the help."""
    declared = Run.declared()
    return {name: declared[name] for names in Run.groups().values() for name in names if declared[name].key}


def gather(options: Run) -> Run:
    """All options: those given, else those of the file, else (if they do not change results) those of the run in `out`,
    else the defaults.

    Raises:
        OptionError: the file cannot be read, or has an unknown key or an invalid value; or no photos are named.
    """
    given = {name: getattr(options, name) for name in options.given if name in keys()}
    file = options.config
    if file is not None and file.name == CONFIG and is_run(file.parent):
        file = file.parent
    goes_on = file is not None and file.is_dir()
    if file is not None and goes_on:
        if not (file / CONFIG).is_file():
            raise OptionError(f"{file} is no run that could go on; photos in it are named with `photos`")
        if given.get("out", file) != file:
            raise OptionError(f"{file} is a run, and goes on where it is: leave out `out`")
        read_config(file)  # says what is wrong with a damaged one
        given["out"] = file
    elif file is not None:
        given = _read(file) | given
    out = Path(given.get("out", options.out))
    old = of_run(out) if (out / CONFIG).is_file() else {}
    given = (old if goes_on else {name: old[name] for name in ("photos_per_batch",) if name in old}) | given
    if given.get("photos") is None:
        raise OptionError("name the photos: `photos`, or the key photos of a configuration")
    doing = {name: getattr(options, name) for name in ("dry_run", "retry_failed")}
    return Run.made({**given, **doing, "config": file})


def of_run(folder: Path) -> dict[str, Any]:
    """The options that were given when a run was begun.

    Raises:
        RunError: it is no run, or its configuration is damaged.
    """
    return _checked(_without(read_config(folder)), folder / CONFIG)


def plain(options: Run) -> dict[str, Any]:
    """The options as in a run's `config.yaml`: ready for YAML, files with absolute paths."""
    values = {name: getattr(options, name) for name in keys() if name != "out"}
    said = {name: value for name, value in values.items() if value is not None and value is not False}
    said |= {name: False for name in _OFF if values[name] is False}
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

    class Strict(yaml.SafeLoader):  # type: ignore[name-defined,misc]
        """YAML takes the last of two equal keys: here that is an error."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [key.value for key, _ in node.value]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise OptionError(f"{file}: the key {twice[0]} is there twice")
            return super().construct_mapping(node, deep)

    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Strict)
    except OSError as error:
        raise OptionError(f"cannot read {file}: {error.strerror or error}") from error
    except OptionError:
        raise
    except (ValueError, yaml.YAMLError) as error:
        raise OptionError(f"{file} is no YAML file: {one_line(error)}") from error
    if not isinstance(found, dict):
        raise OptionError(f"{file} has no keys: it is a list of `option: value`, such as `method: cartoonx`")
    return _checked(_without(found), file)


def _without(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in _OF_A_RUN}


def _checked(found: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The values of a file, each checked and converted by its option."""
    known, checked = keys(), {}
    for name, value in found.items():
        if name not in known:
            raise OptionError(f"{file}: {_no_key(str(name), known)}")
        if value is None:
            continue
        if value == "":
            raise OptionError(f"{file}: {name} is empty")
        try:
            one = str(value) if known[name].objects and not isinstance(value, list) else value
            checked[name] = replace(known[name], objects=False).value(name, one)
        except OptionError as error:  # names are keys here
            raise OptionError(f"{file}: {str(error).replace('`', '')}") from error
    return checked


def _no_key(name: str, known: Mapping[str, Option]) -> str:
    if name in Run.declared() or name in ("quiet", "debug"):
        return f"{name} is for the command line alone, not for a configuration"
    if name in requests.Explain.declared():
        return f"{name} is an option of explain, which a run has not"
    return unknown("key", name, known)

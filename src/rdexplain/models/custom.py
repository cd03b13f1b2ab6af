"""Networks of your own: ``package.module:factory``, and their weights from a file."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from torch import nn

from rdexplain.errors import ModelError, one_line, unknown
from rdexplain.models.checkpoint import is_random, load_state, own_random_state, read_state
from rdexplain.models.classes import ClassName
from rdexplain.models.model import Model, as_model


def matches(name: str) -> bool:
    """Whether the name has the form ``module:factory``."""
    return ":" in name


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The network that ``factory()`` returns, without normalisation unless it returns a `Model` with one.

    The module is imported as ``python -m`` would: the current folder first. The factory may be a function, an
    ``nn.Module`` class, or an existing network. It runs under a fixed seed, so that randomly initialised weights are
    the same in every process.

    Args:
        name: ``package.module:factory``.
        weights: a safetensors or PyTorch file with a state dict; None or "random" leaves the network as made.
        classes: the class names.

    Raises:
        ModelError: no such module or factory, it returns no network, or the weights do not fit.
    """
    module, _, factory = name.partition(":")
    with _current_folder_importable():
        with own_random_state():
            found = _found(module, factory, name)
        # Seeded again, because importing the module may draw random numbers, but only the first time.
        with own_random_state():
            made = _made(found, name)
    model = as_model(made) if isinstance(made, Model) else Model(made, name=name)
    if isinstance(model.network, nn.Module):
        model.network.eval()
    if weights is not None and not is_random(weights):
        if not isinstance(model.network, nn.Module):
            raise ModelError(f"{name} is no nn.Module, so that weights cannot be loaded into it")
        load_state(model.network, read_state(weights), str(weights), name)
        model = model.with_options(weights=str(weights))
    return model if classes is None else model.with_options(classes=classes)


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)


def _found(module: str, factory: str, name: str) -> Any:
    if not module or not factory or module.startswith("."):
        raise ModelError(f"{name!r} is not of the form package.module:factory")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if module.endswith(".py") or "/" in module:
            hint = f"{PurePath(module).stem}:{factory}"
            raise ModelError(f"{name!r} is a path: run in its folder, or install it, and say {hint}") from error
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise ModelError(f"no module {module} for the model {name}, in {os.getcwd()} or installed") from error
        raise ModelError(f"{module} needs {error.name}, which is not installed") from error
    for part in factory.split("."):
        if not hasattr(found, part):
            public = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
            raise ModelError(unknown(f"factory of {module}", part, public))
        found = getattr(found, part)
    return found


def _made(factory: Any, name: str) -> Model | Callable[..., Any]:
    if isinstance(factory, (nn.Module, Model)):
        return factory
    if not callable(factory):
        raise ModelError(f"{name} is no function that makes a network but a {type(factory).__name__}")
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise ModelError(f"{name} must work without arguments: {error}") from error
    except ValueError:
        pass  # some builtins have no signature to look at
    try:
        made = factory()
    except Exception as error:  # the user's code may fail in any way
        raise ModelError(f"{name} failed: {type(error).__name__}: {one_line(error)}") from error
    if not callable(made):
        raise ModelError(f"{name} returned {type(made).__name__}, not a network")
    return made

"""Checks existing explanations: whether there are any, and of which network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdexplain.errors import OptionError, PhotoError, RDExplainError
from rdexplain.work.requests import Evaluate
from rdexplain.work.run_config import of_run
from rdexplain.work.runs.folder import is_run
from rdexplain.work.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    from rdexplain.work.evaluating.explanations import ExplanationsWorker

SETTINGS = ("weights", "classes", "mean", "std", "no_normalise", "precision", "activation")
"""The options of a model besides its name."""
_TRIED = 3
"""Number of explanations whose probabilities are compared with the model's, if it has another name."""


def check_folder(folder: Path) -> None:
    """Check that there are explanations, before a network is loaded.

    Raises:
        OptionError: there are none.
    """
    if not folder.is_dir():
        raise OptionError(f"no such folder: {folder}")
    if not is_run(folder) and not any(folder.glob("*.safetensors")):
        raise OptionError(f"no explanations (*.safetensors) in {folder}")


def choose_model(options: Evaluate) -> Evaluate:
    """The options, with missing ones of the model taken from the evaluated run, if there is one, or the defaults.

    A run's settings are not taken where another model is given.
    """
    folder = options.explanations
    old: dict[str, Any] = of_run(folder) if folder is not None and is_run(folder) else {}
    model = old.get("model", DEFAULT_MODEL) if options.model is None else options.model
    if model != old.get("model", DEFAULT_MODEL):
        return replace(options, model=model)
    given = {name for name in SETTINGS if getattr(options, name) not in (None, False)}
    if "no_normalise" in given:
        given |= {"mean", "std"}  # these exclude each other
    elif given & {"mean", "std"}:
        given.add("no_normalise")
    return replace(options, model=model, **{name: old[name] for name in SETTINGS if name in old and name not in given})


def check_model(worker: ExplanationsWorker) -> None:
    """Check that explanations are of the loaded network: by its name, or by the probabilities that it gives.

    Raises:
        OptionError: they are of another one.
    """
    names, folder = worker.models, worker.recipe.folder
    if not names or worker.model.name in names:
        return
    tried = 0
    for read in worker.results.values():
        try:
            result = read()
        except (PhotoError, OSError, RDExplainError):
            continue  # reported when its turn comes
        tried += 1
        if not worker.agrees(result):
            name, random, _ = names[0].partition(" (random)")
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise OptionError(
                f"the explanations in {folder} are of {names[0]}{others}, not of {worker.model.name}: "
                f"give `model` {name}{' and `weights` random' if random else ''}"
            )
        if tried == _TRIED:
            break

"""A worker of `evaluate` that measures explanations on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from rdexplain.errors import OptionError, RDExplainError, SolverError, describe
from rdexplain.evaluation import Candidate, Evaluation, Subject, evaluate, subject
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model, load_model
from rdexplain.models.decisions import check_label
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap
from rdexplain.results.loading import load_result
from rdexplain.work.evaluating.pieces import Found, Measuring, Piece
from rdexplain.work.progress import Count, Silent
from rdexplain.work.runs import open_run
from rdexplain.work.runs.folder import is_run


@dataclass(frozen=True)
class MeasuringExplanations(Measuring):
    """Evaluates what `explain` or `run` wrote.

    Attributes:
        folder: where the explanations are.
    """

    folder: Path

    def make(self, device: str) -> ExplanationsWorker:
        return ExplanationsWorker(self, load_model(**self.model, device=device))


class ExplanationsWorker:
    """Holds the model, and the list of explanations.

    Attributes:
        results: functions that read the explanations by the chosen methods, by display name.
        methods: the methods of these, by the same names; None where a file does not say.
        others: number of explanations by other methods.
        models: the names of the networks of all explanations, as far as they are known, in the order of the files.
    """

    def __init__(self, recipe: MeasuringExplanations, model: Model, count: Count | None = None) -> None:
        self.recipe, self.model, self._count = recipe, model, count or Count(Silent())
        every = _results(recipe.folder)
        self.models = list(dict.fromkeys(one.model for one in every.values() if one.model is not None))
        chosen = {name: one for name, one in every.items() if one.method is None or one.method in recipe.methods}
        self.results = {name: one.read for name, one in chosen.items()}
        self.methods = {name: one.method for name, one in chosen.items()}
        self.others = len(every) - len(chosen)

    def load(self, task: Piece) -> tuple[Found, str, Explanation | Heatmap | None]:
        """Read an explanation, and its photo."""
        found, (name,) = Found(task.place), task.names
        try:
            return found, name, self.results[name]()
        except (RDExplainError, OSError) as error:
            found.failures[name] = _reason(name, error)
            return found, name, None

    def work(self, loaded: tuple[Found, str, Explanation | Heatmap | None]) -> Found:
        """Evaluate a loaded explanation."""
        found, name, result = loaded
        if result is None:
            self._count.finish(1, failed=True)
            return found
        self._count.stage(f"evaluating {name}")
        try:
            found.evaluation = self._evaluated(result, found)
        except (RDExplainError, OSError) as error:
            found.failures[name] = _reason(name, error)
            self._count.finish(1, failed=True)
            return found
        found.done = 1
        self._count.finish(1)
        return found

    def agrees(self, result: Explanation | Heatmap) -> bool:
        """Whether the model gives the probabilities in an explanation; True if it does not explain class labels."""
        if result.target_kind != "label":
            return True
        targets = [_target(one) for one in result.target.tolist()]
        try:
            with subject(self.model, result.images, targets, **self.recipe.batches) as rows:
                return _same(_probabilities(rows), result)
        except RDExplainError:  # such as a class that the model does not have
            return False

    def _evaluated(self, result: Explanation | Heatmap, found: Found) -> Evaluation:
        check_label(result.target_kind, "the evaluation", "measures")
        targets = [_target(one) for one in result.target.tolist()]
        with subject(self.model, result.images, targets, **self.recipe.batches) as rows:
            here = _probabilities(rows)
            if not _same(here, result):
                raise OptionError(
                    f"{result.model} was explained, and gave the class {float(result.probability[0]):.1%} where this "
                    f"model gives {float(here[0]):.1%}: choose the same `model`, weights and normalisation"
                )
            found.options[result.method] = result.options
            return evaluate(rows, Candidate(result), self.recipe.settings)


def _probabilities(rows: Subject) -> torch.Tensor:
    """The probability of each row's label on the clean photo, (r,)."""
    return rows.label().read(rows.clean, torch.arange(len(rows), device=rows.clean.device)).squeeze(1).cpu()


def _same(here: torch.Tensor, result: Explanation | Heatmap) -> bool:
    """Whether probabilities are those of an explanation, up to rounding and differences of devices."""
    return bool((here - result.probability).abs().max() < 0.02)


def _reason(name: str, error: Exception) -> str:
    if isinstance(error, OSError):
        return describe(error)
    # Its cause has the same text without the photo's place in the batch, which is 0.
    blamed = isinstance(error, SolverError) and error.photos
    return f"{name}: {(blamed and error.__cause__) or error}"


class _Saved(NamedTuple):
    """An explanation on disk: what reads it, and its method and network where these are known without reading it."""

    read: Callable[[], Explanation | Heatmap]
    method: str | None
    model: str | None


def _results(folder: Path) -> dict[str, _Saved]:
    if not is_run(folder):
        files = sorted(folder.glob("*.safetensors"))
        return {file.name: _Saved(partial(load_result, file), *_stated_in(file)) for file in files}
    run = open_run(folder)
    model = run.config["resolved"].get("model")
    names = run.table().select(["photo", "label", "method"]).to_pylist()
    return {
        f"{row['photo']}, {row['label']}, {row['method']}": _Saved(
            partial(run.__getitem__, place), row["method"], model
        )
        for place, row in enumerate(names)
    }


def _stated_in(file: Path) -> tuple[str | None, str | None]:
    """The method and the network that a file states; if it is damaged, the method that its name ends in."""
    try:
        with safe_open(file, framework="pt") as content:
            header = json.loads(content.metadata()["rdexplain"])
            return str(header["method"]), str(header["model"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        name = file.stem.rpartition(".")[2]
        return (name if name in METHODS else None), None


def _target(target: Any) -> Any:
    return tuple(target) if isinstance(target, list) else target

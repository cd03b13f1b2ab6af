"""The networks that a reproduction needs: each loaded once, with its own weights, and timed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rdexplain.errors import ModelError
from rdexplain.models import Model, load_model
from rdexplain.work.choosing import DEFAULT_SIZE, find_device
from rdexplain.work.progress import Progress
from rdexplain.work.requests import DETECTOR, SEGMENTER, STUDY_MODEL, Reproduce
from rdexplain.work.studies import budget
from rdexplain.work.studies.plan import DETECTOR as STUDYS_DETECTOR
from rdexplain.work.studies.plan import SEGMENTER as STUDYS_SEGMENTER
from rdexplain.work.studies.plan import Plan, TaskNetwork
from rdexplain.work.studies.recipe import Unit
from rdexplain.work.studies.scenes import TASK
from rdexplain.work.studies.work import side

_DEFAULTS = {"segmenter": SEGMENTER, "detector": DETECTOR}


class Networks:
    """The networks by name. One that cannot be loaded raises the same error each time.

    Args:
        options: of the reproduction.
        progress: told what is loaded and timed.
        trained: whether to load their weights, which are not needed for timing.

    Attributes:
        speeds: of those that were timed, by name and size.
    """

    def __init__(self, options: Reproduce, progress: Progress, trained: bool = True) -> None:
        self._options, self._progress, self._trained = options, progress, trained
        self._found: dict[str, Model | ModelError] = {}
        self.speeds: dict[str, budget.Speed] = {}

    def main(self) -> Model:
        """The classifier.

        Raises:
            ModelError: it cannot be loaded.
        """
        options = self._options
        try:
            return self.load(options.model)
        except ModelError as error:
            if options.model != STUDY_MODEL or options.weights is not None:
                raise
            raise ModelError(f"{error}; or choose `model` efficientnet_lite0, whose weights come along") from error

    def check_tasks(self) -> None:
        """Raises ModelError where the user's network for figure 8 or 9 cannot be loaded; defaults are not checked."""
        for role, default in _DEFAULTS.items():
            name = getattr(self._options, role)
            if name != default or self._weights_of(role) is not None:
                self.load(name)

    def plan(self, size: int) -> Plan:
        """The plan that the options ask for, as yet without photos."""
        wanted = self._options
        return Plan(
            wanted.protocol,
            wanted.model,
            wanted.models,
            size,
            wanted.seed,
            (),
            segmenter=self._task_network("segmenter", STUDYS_SEGMENTER),
            detector=self._task_network("detector", STUDYS_DETECTOR),
            order=wanted.order,
        )

    def load(self, name: str) -> Model:
        """The network of that name.

        Raises:
            ModelError: it cannot be loaded.
        """
        if name not in self._found:
            self._progress.stage(f"loading {name}")
            try:
                self._found[name] = self._loaded(name)
            except ModelError as error:
                self._found[name] = error
        found = self._found[name]
        if isinstance(found, ModelError):
            raise found
        return found

    def seconds(self, unit: Unit) -> float:
        """Estimated seconds for a unit; 0 where the network cannot be loaded."""
        try:
            model = self.load(unit.model)
        except ModelError:
            return 0.0
        wanted = unit.measured.get("size") or self._options.size or DEFAULT_SIZE
        key = f"{unit.model} at {side(wanted, model)} pixels"
        if key not in self.speeds:
            self._progress.stage(f"timing {model.name}")
            batch = 2 if unit.kind == TASK or not self._trained else budget.BATCH
            seconds = budget.SECONDS if self._trained else 0.0  # a list of estimates shall not take minutes
            self.speeds[key] = budget.measure(model, side(wanted, model), seconds, batch)
        return self.speeds[key].of(unit)

    def _loaded(self, name: str) -> Model:
        """A network with the normalisation that the protocol uses."""
        wanted, role = self._options, self._role(name)
        given = None if role is None else self._weights_of(role)
        options: dict[str, Any] = {
            "classes": wanted.classes if role == "model" else None,
            "normalise": wanted.protocol == "corrected",
            "device": find_device(wanted.device),
        }
        if not self._trained:
            try:
                return load_model(name, weights="random", **options)
            except ModelError:  # a file holds its weights itself
                return load_model(name, **options)
        try:
            return load_model(name, weights=given, **options)
        except ModelError as error:
            if role in _DEFAULTS:
                raise ModelError(str(error).replace("`weights`", f"`{role}_weights`")) from error
            raise

    def _role(self, name: str) -> str | None:
        roles = ("model", *_DEFAULTS)
        return next((role for role in roles if getattr(self._options, role) == name), None)

    def _weights_of(self, role: str) -> str | None:
        weights: str | None = getattr(self._options, "weights" if role == "model" else f"{role}_weights")
        return weights

    def _task_network(self, role: str, study: TaskNetwork) -> TaskNetwork:
        wanted = self._options
        return replace(
            study, name=getattr(wanted, role), weights=self._weights_of(role), size=wanted.size or study.size
        )

"""Several methods or networks side by side, in one panel."""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rdexplain.errors import ModelError, OptionError, OutputError, RDExplainError, SolverError, TargetError
from rdexplain.models.registry import find_source
from rdexplain.photos.images import find_photos
from rdexplain.render.words import method_title
from rdexplain.work.choosing import (
    find_model,
    make_method,
    method_options,
    photo_fit,
    photo_size,
    photos_per_batch,
    provenance,
)
from rdexplain.work.explain import check_photos, nothing_of
from rdexplain.work.job import job
from rdexplain.work.outputs import Outputs, check_free, stems
from rdexplain.work.panel import FILES, Panel
from rdexplain.work.photos import Explaining, Settings
from rdexplain.work.progress import Progress
from rdexplain.work.requests import TOGETHER, Compare
from rdexplain.work.settings import DEFAULT_MODEL
from rdexplain.work.sizes import check_size
from rdexplain.work.targets import Targets

_ITS_OWN = (ModelError, OptionError, SolverError, TargetError)
"""Errors that concern one network of several; the others are compared nevertheless."""


@dataclass(frozen=True)
class Comparison:
    """What `compare` wrote.

    Attributes:
        files: of the panel; empty where nothing could be explained.
        failures: why photos are left out, by their sources.
        seconds: wall time.
    """

    files: Sequence[Path]
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def nothing(self) -> str | None:
        """Why nothing could be compared; None where something could."""
        return nothing_of(len(self.files), self.failures)


class _Once(Progress):
    """Tells a progress of each failure once, though several methods and networks meet it."""

    def __init__(self, progress: Progress) -> None:
        self._told: set[str] = set()
        self._progress = progress
        for name in ("stage", "advance", "done", "warning", "preview"):
            setattr(self, name, getattr(progress, name))

    def failed(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._progress.failed(text)


@job(Compare)
def compare(options: Compare, progress: Progress) -> Comparison:
    """Explain photos by several methods, network by network, and draw it all side by side: comparison.png and .pdf.

    A network that cannot be loaded or explained stays in the panel, with its reason, and so does a method that cannot
    explain a network; unless nothing is left. `progress.done` gets a `work.photos.Written` for each explanation.

    Raises:
        RDExplainError: an option, a photo's name or the folder is invalid; or no method can explain any network.
    """
    check_photos(options.photos)
    if options.models and options.model != DEFAULT_MODEL:
        raise OptionError("give either `model` or `models`, not both")
    methods: tuple[str, ...] = options.methods or (TOGETHER[:1] if options.models else TOGETHER)
    given = {name: method_options(options, name, methods) for name in methods}
    check_size(options.size, given)
    names = stems(find_photos(options.photos))
    check_free(options.out, FILES, options.overwrite)
    wanted = options.models or (options.model if isinstance(options.model, str) else "the network",)
    for name in wanted if options.models else ():
        find_source(name)  # a typo is found before the other networks are loaded
    panel, started = Panel(names, wanted, methods), time.monotonic()
    own = _ITS_OWN if len(wanted) > 1 else (ModelError,)
    failures: dict[str, str] = {}
    once = _Once(progress)
    runs: list[tuple[str, str, Explaining]] = []
    for name, prefix in zip(wanted, _prefixes(wanted), strict=True):
        try:
            found = _explaining(options, once, name, prefix, given, names, panel)
        except OutputError:
            raise
        except RDExplainError as error:
            _refuse(panel, progress, name, methods, error, name)
            continue
        runs += [(name, method, one) for method, one in found.items()]
    together = Outputs(options.out, "comparison")
    with contextlib.ExitStack() as stack:
        for outputs in (together, *(one.outputs for _, _, one in runs)):
            stack.enter_context(outputs.open())
        for name, method, one in runs:
            try:
                failures |= one.over(names).failures
            except own as error:
                title = method_title(method)
                _refuse(panel, progress, name, [method], error, title if len(wanted) == 1 else f"{title} of {name}")
        if panel.is_empty:
            return Comparison((), failures, time.monotonic() - started)
        progress.stage("drawing the comparison")
        files = panel.save(together)
    return Comparison(files, failures, time.monotonic() - started)


def _explaining(
    options: Compare,
    progress: Progress,
    name: str,
    prefix: str,
    given: dict[str, dict[str, Any]],
    names: dict[str, str],
    panel: Panel,
) -> dict[str, Explaining]:
    """An `Explaining` for each method, of the network `name`. The names of its files begin with `prefix`.

    All errors that can be found before the first photo is explained are raised here.
    """
    model = find_model(options, progress, name if options.models else None)
    targets = Targets(model, options)
    # Of several networks, `size` is for those that take any size.
    size = photo_size(None if prefix and model.fixed_size else options.size, model)
    made = {method: make_method(method, model, its, size) for method, its in given.items()}
    outputs = {method: Outputs(options.out, f"{prefix}{method}", names=names.values()) for method in given}
    for place in outputs.values():
        place.check(names, targets, options.overwrite)
    per_batch = photos_per_batch(options.photos_per_batch, model.device)
    settings = Settings(size, photo_fit(options.fit, model), per_batch, samples=0, original_size=False)
    return {
        method: Explaining(
            made[method],
            targets,
            outputs[method],
            progress,
            settings,
            provenance(given[method]),
            f", {name}" if prefix else "",
            keep=partial(panel.add, name, method),
            missed=partial(panel.miss, name, method),
        )
        for method in given
    }


def _refuse(
    panel: Panel, progress: Progress, name: str, methods: Sequence[str], error: RDExplainError, what: str
) -> None:
    """Note that methods cannot explain the network `name`, and warn; `what` names them in the warning.

    Raises:
        RDExplainError: the given error, if no method and network is left.
    """
    for method in methods:
        panel.refuse(name, method, str(error))
    if panel.all_refused:
        raise error
    progress.warning(f"{what} is not applicable: {error}")


def _prefixes(networks: Sequence[str]) -> list[str]:
    """Prefixes of the networks' files: their names, with "-" for unusual characters; "" for a single network."""
    if len(networks) == 1:
        return [""]
    plain = [re.sub(r"[^\w@-]+", "-", name).strip("-") for name in networks]
    count = Counter(text.casefold() for text in plain)
    return [
        f"{text}-{number}." if count[text.casefold()] > 1 else f"{text}." for number, text in enumerate(plain, start=1)
    ]

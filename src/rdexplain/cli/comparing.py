"""From the arguments of ``rdexplain compare`` to a run for each network and method, and the panel of them all."""

from __future__ import annotations

import argparse
import re
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rdexplain.cli.bar import Bar
from rdexplain.cli.command import UsageError
from rdexplain.cli.compared import FILES, Panel
from rdexplain.cli.explaining import (
    find_model,
    labels_of,
    make_method,
    photo_fit,
    photo_size,
    photos_per_batch,
    provenance,
)
from rdexplain.cli.guard import ERROR, FINE, SOME_FAILED, say
from rdexplain.cli.options import DEFAULT_MODEL, TOGETHER, method_options
from rdexplain.cli.outputs import OutputError, Outputs, stems
from rdexplain.cli.photos import Run, Settings
from rdexplain.cli.report import Report
from rdexplain.cli.sizes import check_size
from rdexplain.cli.targets import Slugs, Targets, Wanted
from rdexplain.errors import ModelError, OptionError, RDExplainError, SolverError, TargetError
from rdexplain.models.registry import find_source
from rdexplain.photos.images import find_photos
from rdexplain.render.words import method_title

_ITS_OWN = (ModelError, OptionError, SolverError, TargetError)
"""What may be wrong with one network of several, and leaves the others to be compared."""


def run(arguments: argparse.Namespace, bar: Bar) -> int:
    """Explain the photos by each method, network by network, and draw it all side by side; see `rdexplain.cli.main`
    for the exit status.

    A network that cannot be loaded or explained stays in the panel, with its reason, and so does a method that cannot
    explain a network; unless nothing is left.
    """
    if arguments.quiet:
        warnings.simplefilter("ignore")
    if arguments.models and arguments.model != DEFAULT_MODEL:
        raise UsageError("give either --model or --models, not both")
    methods: tuple[str, ...] = arguments.methods or (TOGETHER[:1] if arguments.models else TOGETHER)
    options = {name: method_options(arguments, name, methods) for name in methods}
    check_size(arguments.size, options)
    names = stems(find_photos(arguments.photos))
    _check_free(arguments.out, arguments.overwrite)
    wanted: tuple[str, ...] = arguments.models or (arguments.model,)
    for name in wanted:
        find_source(name)  # a typo is found before the other networks are loaded
    panel, started = Panel(names, wanted, methods), time.monotonic()
    own = _ITS_OWN if len(wanted) > 1 else (ModelError,)
    failed = False
    runs: list[tuple[str, str, Run]] = []
    failures: set[str] = set()
    for name, prefix in zip(wanted, _prefixes(wanted), strict=True):
        try:
            found = _runs(arguments, bar, name, prefix, options, names, panel, failures)
        except OutputError:
            raise
        except RDExplainError as error:
            _refuse(panel, name, methods, error, name)
            continue
        runs += [(name, method, one) for method, one in found.items()]
    together = Outputs(arguments.out, "comparison")
    with together.open():
        for name, method, one in runs:
            try:
                failed |= one.over(names).failed > 0
            except own as error:
                title = method_title(method)
                _refuse(panel, name, [method], error, title if len(wanted) == 1 else f"{title} of {name}")
        if panel.is_empty:
            return ERROR
        bar.stage("drawing the comparison")
        paths = panel.save(together)
    Report(bar, [], [], arguments.quiet).compared(paths, time.monotonic() - started)
    return SOME_FAILED if failed else FINE


def _runs(
    arguments: argparse.Namespace,
    bar: Bar,
    name: str,
    prefix: str,
    options: dict[str, dict[str, Any]],
    names: dict[str, str],
    panel: Panel,
    failures: set[str],
) -> dict[str, Run]:
    """A run over the photos for each method, for a network; what can go wrong before the first photo goes wrong here.

    Its files' names have the prefix; `failures` are the photos' errors that other networks have said.
    """
    model = find_model(arguments, bar, name)
    targets, slugs = Targets(model, Wanted.of(arguments)), Slugs(model)
    # Of several networks each has a size: --size is for those that leave the choice.
    size = photo_size(None if prefix and model.fixed_size else arguments.size, model)
    made = {method: make_method(method, model, given, size) for method, given in options.items()}
    outputs = {method: Outputs(arguments.out, f"{prefix}{method}") for method in options}
    for place in outputs.values():
        place.check(names, targets.slugs(slugs), slugs, arguments.overwrite)
    others = arguments.models if prefix else ()
    shown = [f"{stem}, {other}" for stem in names.values() for other in others] or list(names.values())
    of = f", {name}" if prefix else ""
    report = Report(bar, shown, labels_of(model, targets, len(names)), arguments.quiet, of, failures)
    per_batch = photos_per_batch(arguments.photos_per_batch, model.device)
    settings = Settings(size, photo_fit(arguments.fit, model), per_batch, samples=0, original_size=False)
    return {
        method: Run(
            made[method],
            targets,
            slugs,
            outputs[method],
            report,
            bar,
            settings,
            provenance(options[method]),
            keep=partial(panel.add, name, method),
            missed=partial(panel.miss, name, method),
        )
        for method in options
    }


def _refuse(panel: Panel, name: str, methods: Sequence[str], error: RDExplainError, what: str) -> None:
    """Leave out methods for a network, called `what`; the error itself where nothing is left."""
    for method in methods:
        panel.refuse(name, method, str(error))
    if panel.all_refused:
        raise error
    say(f"warning: {what} is not applicable: {error}")


def _prefixes(networks: Sequence[str]) -> list[str]:
    """What tells the networks' files apart: their names without what file names do not hold; nothing for one alone."""
    if len(networks) == 1:
        return [""]
    plain = [re.sub(r"[^\w@-]+", "-", name).strip("-") for name in networks]
    count = Counter(text.casefold() for text in plain)
    return [
        f"{text}-{number}." if count[text.casefold()] > 1 else f"{text}." for number, text in enumerate(plain, start=1)
    ]


def _check_free(folder: Path, overwrite: bool) -> None:
    taken = [folder / name for name in FILES if (folder / name).exists()]
    if taken and not overwrite:
        raise OutputError(f"{taken[0]} exists already: replace with --overwrite, or choose another --out")

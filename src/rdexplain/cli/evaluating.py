"""From the arguments of ``rdexplain evaluate`` to a run over photos, or over explanations that are there."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rdexplain.cli.bar import Bar
from rdexplain.cli.command import UsageError
from rdexplain.cli.crew import Crew, find_crew
from rdexplain.cli.evaluation_run import Evaluator, none_applicable, over_explanations, over_photos
from rdexplain.cli.evaluation_source import check_folder, choose_model
from rdexplain.cli.evaluation_table import print_evaluation
from rdexplain.cli.explaining import portable_model
from rdexplain.cli.guard import ERROR, FINE, SOME_FAILED
from rdexplain.cli.outputs import OutputError, Outputs
from rdexplain.cli.sizes import check_size
from rdexplain.errors import ModelError
from rdexplain.evaluation import PERCENTAGES, Evaluation, Settings, save_evaluation
from rdexplain.evaluation.files import DIFFERENCES, RECORD, ROWS, SUMMARY
from rdexplain.evaluation.files import SCORES as SCORE_ROWS
from rdexplain.evaluation.results import Over
from rdexplain.models import Model, load_model
from rdexplain.photos.images import find_photos
from rdexplain.runs.lock import locked
from rdexplain.text.extras import needed
from rdexplain.text.versions import versions

LOCK = "evaluation.lock"  # the folder may be that of a run, which has a lock of its own
CURVES, OWN, AGREEMENT = "curves.png", "curves.own.png", "agreement.png"
FILES = (ROWS, SCORE_ROWS, SUMMARY, DIFFERENCES, RECORD, CURVES, OWN, AGREEMENT)


def run(arguments: argparse.Namespace, bar: Bar) -> int:
    """Evaluate; see `rdexplain.cli.main` for the exit status.

    All that can be found out before the first photo is explained is found out here.
    """
    if arguments.quiet:
        warnings.simplefilter("ignore")
    settings = _settings(arguments)
    needed("pyarrow", "evaluate")
    if arguments.explanations is not None:
        check_folder(arguments.explanations)
    else:
        common = [settings.wavelet] if "wavelet" in settings.domains else []
        check_size(arguments.size, {name: {} for name in arguments.methods}, common, settings.scores)
    choose_model(arguments)
    outputs = Outputs(arguments.out, "evaluation")
    # From here on, since whoever has the folder may be about to write what is looked for.
    with outputs.open(), locked(arguments.out / LOCK, keep=False):
        check_files(arguments.out, arguments.overwrite)
        work = _work(arguments, bar, settings)
        try:
            work.run()
        except BaseException as error:
            if work.done:  # what is finished stays
                _write(outputs, work, arguments, settings, finished=False)
                error.add_note(f"{work.done} of {work.expected} are evaluated, in {arguments.out}")
            raise
        if work.done:
            _check_found(work)
            bar.stage("drawing")
            _write(outputs, work, arguments, settings, finished=True)
    if work.done and not arguments.quiet:
        with bar.paused():
            order = _order(arguments, work.evaluation)
            print_evaluation(work.evaluation, order, settings.distortions[0], _over(settings), settings.seed)
            print(f"\n{work.done} of {work.expected} evaluated, in {arguments.out}")
    if not work.failures:
        return FINE
    return SOME_FAILED if work.done else ERROR


def _settings(arguments: argparse.Namespace) -> Settings:
    scores = list(arguments.scores)
    if "localisation" in scores and arguments.boxes is None:
        raise UsageError("localisation needs the boxes of the objects: give --boxes, or leave it out of --scores")
    if arguments.boxes is not None and "localisation" not in scores:
        scores.append("localisation")
    if arguments.boxes is not None and (arguments.fit not in (None, "squash") or arguments.explanations is not None):
        raise UsageError("--boxes is for photos that are squashed to the square, not --explanations or another --fit")
    again = [name for name in ("max_sensitivity", "randomisation") if name in scores]
    if again and arguments.explanations is not None:
        raise UsageError(f"{' and '.join(again)} explain again, which --explanations does not")
    return Settings(
        percentages=arguments.percentages or PERCENTAGES,
        draws=arguments.draws,
        distortions=arguments.distortions,
        domains=arguments.domains,
        scores=scores,
        protocol=arguments.protocol,
        seed=arguments.seed or 0,
    )


def check_files(folder: Path, overwrite: bool) -> None:
    """See that no results are in the way."""
    there = [name for name in FILES if (folder / name).exists()]
    if there and not overwrite:
        raise OutputError(f"{folder / there[0]} exists already: replace with --overwrite, or choose another --out")


def _work(arguments: argparse.Namespace, bar: Bar, settings: Settings) -> Evaluator:
    crew = find_crew(arguments)
    if arguments.explanations is not None:
        return over_explanations(arguments, bar, settings, crew, _classifier(arguments, bar, crew))
    sources = find_photos(arguments.photos)
    return over_photos(arguments, bar, settings, crew, _classifier(arguments, bar, crew), sources)


def _classifier(arguments: argparse.Namespace, bar: Bar, crew: Crew) -> Model:
    """The model, if it is one that can be evaluated."""
    bar.stage(f"loading {arguments.model}")
    model = load_model(**portable_model(arguments), device=crew.device)
    if model.task != "classification":
        raise ModelError(f"the evaluation measures class labels only: {model.name} is for {model.task}")
    return model


def _write(
    outputs: Outputs, work: Evaluator, arguments: argparse.Namespace, settings: Settings, finished: bool
) -> None:
    """All the results, or none of them; what an earlier call left and this one has not is taken away."""
    from rdexplain.evaluation.plots import curves_figure
    from rdexplain.render import save_figure

    evaluation, order, over = work.evaluation, _order(arguments, work.evaluation), _over(settings)
    note = f"{work.model.name}  ·  {settings.draws} draws  ·  {settings.protocol} protocol"

    def figure(measure: str, view: Any) -> Callable[[Path], object]:
        return lambda path: save_figure(
            curves_figure(evaluation, measure, view=view, over=over, methods=order, note=note, seed=settings.seed),
            path,
        )

    writers: dict[str, Callable[[Path], object]] = {
        "": lambda folder: save_evaluation(
            evaluation, folder, record=_record(work, settings, finished), over=over, seed=settings.seed
        ),
        CURVES: figure(settings.distortions[0], "common"),
        AGREEMENT: figure("agreement", "common"),
    }
    if "own" in settings.domains:
        writers[OWN] = figure(settings.distortions[0], "own")
    outputs.write("", writers, FILES)


def _check_found(work: Evaluator) -> None:
    """See that there is something to show."""
    found = work.evaluation
    if found.curves or found.scores:
        return
    if found.not_applicable:
        raise none_applicable(found.not_applicable)


def _over(settings: Settings) -> Over:
    """What areas are taken over: the study's percentages are not the shares that were kept."""
    return "percentage" if settings.protocol == "published" else "share"


def _order(arguments: argparse.Namespace, evaluation: Evaluation) -> list[str]:
    """The methods in the order in which they were asked for."""
    return [name for name in arguments.methods if name in evaluation.methods] + [
        name for name in evaluation.methods if name not in arguments.methods
    ]


def _record(work: Evaluator, settings: Settings, finished: bool) -> dict[str, Any]:
    """Provenance, ready for JSON."""
    return {
        "finished": finished,
        "model": work.model.name,
        "weights": work.model.weights,
        "device": str(work.model.device),
        "failed": work.failures,
        "percentages": list(settings.percentages),
        "draws": settings.draws,
        "distortions": list(settings.distortions),
        "domains": list(settings.domains),
        "scores": list(settings.scores),
        "wavelet": settings.wavelet.options(),
        "protocol": settings.protocol,
        "seed": settings.seed,
        "methods": work.options,
        "versions": versions(),
    }

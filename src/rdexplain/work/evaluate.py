"""Evaluates methods on photos, or explanations that were saved."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rdexplain.errors import ModelError, OptionError
from rdexplain.evaluation import PERCENTAGES, Evaluation, Settings, save_evaluation
from rdexplain.evaluation.files import DIFFERENCES, RECORD, ROWS, SUMMARY
from rdexplain.evaluation.files import SCORES as SCORE_ROWS
from rdexplain.evaluation.results import Over
from rdexplain.evaluation.scores import find_score
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model, load_model
from rdexplain.photos.images import find_photos
from rdexplain.text.extras import needed
from rdexplain.text.versions import versions
from rdexplain.work.choosing import find_meaning, photo_size, portable_model, reading
from rdexplain.work.crew import find_crew
from rdexplain.work.evaluating.evaluator import Evaluator, none_applicable, over_explanations, over_photos
from rdexplain.work.evaluating.source import check_folder, choose_model
from rdexplain.work.explain import nothing_of
from rdexplain.work.job import job
from rdexplain.work.outputs import Outputs, check_free
from rdexplain.work.progress import Count, Progress
from rdexplain.work.requests import STUDIED, Evaluate
from rdexplain.work.runs.folder import LEDGER
from rdexplain.work.sizes import check_size

CURVES, OWN, AGREEMENT, CASCADE = "curves.png", "curves.own.png", "agreement.png", "cascade.png"
LOG, OWN_LOG = "curves.log.png", "curves.own.log.png"
FILES = (ROWS, SCORE_ROWS, SUMMARY, DIFFERENCES, RECORD, CURVES, OWN, AGREEMENT, LOG, OWN_LOG, CASCADE)


@dataclass(frozen=True)
class Evaluated:
    """What `evaluate` found and wrote.

    Attributes:
        folder: where curves, scores and figures are.
        evaluation: all of it.
        methods: in the order in which they were asked for.
        distortion: the first of those asked for.
        over: the axis of the areas under curves, share or percentage of the components.
        seed: of the intervals.
        expected, done: number of photos or explanations, and how many of them are evaluated.
        failures: why the others are not, by name.
        note: a message on how the network's output was interpreted, where the options do not say; None elsewhere.
    """

    folder: Path
    evaluation: Evaluation = field(repr=False)
    methods: Sequence[str]
    distortion: str
    over: Over
    seed: int
    expected: int
    done: int
    failures: dict[str, str] = field(default_factory=dict)
    note: str | None = None

    @property
    def nothing(self) -> str | None:
        """Why nothing was evaluated; None where something was."""
        return nothing_of(self.done, self.failures)

    def _repr_html_(self) -> str:
        """The scores with their intervals, and the curves, for notebooks."""
        from rdexplain.evaluation.tables import as_html  # brings matplotlib

        found = as_html(self.evaluation, self.methods, self.distortion, self.over, self.seed)
        return f"<b>{html.escape(str(self.folder))}</b>: {self.done} of {self.expected} evaluated{found}"


@job(Evaluate)
def evaluate(options: Evaluate, progress: Progress) -> Evaluated:
    """Compare methods on photos: rate-distortion curves and scores, with intervals, as tables and figures.

    In place of photos it takes the folder of explanations that `explain` or `run` wrote. All errors that can
    be found before the first photo is explained are raised then.

    Raises:
        RDExplainError: an option, a photo's name, the network or the folder is invalid.
    """
    options = _source(options)
    if options.preset == "instant" and options.explanations is None:
        raise OptionError(
            "preset instant needs an explainer: explain the photos with it (rdexplain explain --preset instant --init "
            "FILE), and give that folder as `explanations`"
        )
    settings = _settings(options)
    needed("pyarrow", "evaluate")
    if options.explanations is not None:
        check_folder(options.explanations)
    else:
        common = [settings.wavelet] if "wavelet" in settings.domains else []
        check_size(options.size, dict.fromkeys(options.methods), common, settings.scores)
    options = choose_model(options)
    outputs = Outputs(options.out, "evaluation")
    # Under the lock: another process that holds it may be about to write these files.
    with outputs.open():
        check_free(options.out, FILES, options.overwrite)
        work = _evaluator(options, Count(progress), settings)
        try:
            work.run()
        except BaseException as error:
            if work.done:  # finished results are kept
                _write(outputs, work, options, settings, finished=False)
                error.add_note(f"{work.done} of {work.expected} are evaluated, in {options.out}")
            raise
        if work.done:
            _check_found(work)
            progress.stage("drawing")
            _write(outputs, work, options, settings, finished=True)
    return Evaluated(
        options.out,
        work.evaluation,
        _order(options, work.evaluation),
        settings.distortions[0],
        _over(settings),
        settings.seed,
        work.expected,
        work.done,
        work.failures,
        reading(work.model) if work.done else None,
    )


def _source(options: Evaluate) -> Evaluate:
    """The options with methods; a single photo that is the folder of a run becomes `explanations`."""
    photos, folder = options.photos, options.explanations
    if len(photos) == 1 and folder is None and (Path(photos[0]) / LEDGER).is_file():
        photos, folder = (), Path(options.photos[0])
    if bool(photos) == (folder is not None):
        raise OptionError("give either photos or `explanations`")
    methods = options.methods or (STUDIED if folder is None else tuple(METHODS))
    return replace(options, photos=photos, explanations=folder, methods=methods)


def _settings(options: Evaluate) -> Settings:
    scores = list(options.scores)
    if "localisation" in scores and options.boxes is None:
        raise OptionError("localisation needs the boxes of the objects: give `boxes`, or leave it out of `scores`")
    if options.boxes is not None and "localisation" not in scores:
        scores.append("localisation")
    if options.boxes is not None and (options.fit not in (None, "squash") or options.explanations is not None):
        raise OptionError("`boxes` is for photos that are squashed to the square: give no explanations or other `fit`")
    again = [name for name in scores if find_score(name).again]
    if again and options.explanations is not None:
        explain = "explains" if len(again) == 1 else "explain"
        raise OptionError(
            f"{' and '.join(again)} {explain} photos again, not saved explanations: give photos, or other `scores`"
        )
    return Settings(
        percentages=options.percentages or PERCENTAGES,
        draws=options.draws,
        distortions=options.distortions,
        domains=options.domains,
        scores=scores,
        protocol=options.protocol,
        order=options.order,
        seed=options.seed or 0,
    )


def _evaluator(options: Evaluate, count: Count, settings: Settings) -> Evaluator:
    crew = find_crew(options)
    folder = options.explanations
    sources = [] if folder is not None else find_photos(options.photos)
    count.stage(f"loading {options.model}")
    model: Model = load_model(**portable_model(options), device=crew.device)
    if model.task != "classification":
        raise ModelError(f"the evaluation measures class labels only: {model.name} is for {model.task}")
    if folder is not None:
        return over_explanations(folder, options, count, settings, crew, model)
    find_meaning(model, photo_size(options.size, model))
    return over_photos(options, count, settings, crew, model, sources)


def _write(outputs: Outputs, work: Evaluator, options: Evaluate, settings: Settings, finished: bool) -> None:
    """Write all results or none. Files of an earlier call that this one does not write again are removed."""
    from rdexplain.evaluation.cascade_plot import cascade_figure
    from rdexplain.evaluation.plots import curves_figure
    from rdexplain.render import save_figure

    evaluation, order, over = work.evaluation, _order(options, work.evaluation), _over(settings)
    note = f"{work.model.name}  ·  {settings.draws} draws  ·  {settings.protocol} protocol"
    distortion = settings.distortions[0]

    def figure(measure: str, view: Any, axis: Any = "linear") -> Callable[[Path], object]:
        return lambda path: save_figure(
            curves_figure(
                evaluation, measure, view=view, over=over, axis=axis, methods=order, note=note, seed=settings.seed
            ),
            path,
        )

    writers: dict[str, Callable[[Path], object]] = {
        "": lambda folder: save_evaluation(
            evaluation, folder, record=_record(work, settings, finished), over=over, seed=settings.seed
        ),
        CURVES: figure(distortion, "common"),
        LOG: figure(distortion, "common", "log"),
        AGREEMENT: figure("agreement", "common"),
    }
    if "own" in settings.domains:
        writers |= {OWN: figure(distortion, "own"), OWN_LOG: figure(distortion, "own", "log")}
    if "cascade" in settings.scores:
        writers[CASCADE] = lambda path: save_figure(
            cascade_figure(evaluation, methods=order, note=work.model.name, seed=settings.seed), path
        )
    outputs.write("", writers, FILES)


def _check_found(work: Evaluator) -> None:
    """Raise an error if no method is applicable."""
    found = work.evaluation
    if not (found.curves or found.scores) and found.not_applicable:
        raise none_applicable(found.not_applicable)


def _over(settings: Settings) -> Over:
    """The axis of the areas: in the published protocol the percentages asked for, else the shares that were kept."""
    return "percentage" if settings.protocol == "published" else "share"


def _order(options: Evaluate, evaluation: Evaluation) -> list[str]:
    """The methods in the order in which they were asked for."""
    return [name for name in options.methods if name in evaluation.methods] + [
        name for name in evaluation.methods if name not in options.methods
    ]


def _record(work: Evaluator, settings: Settings, finished: bool) -> dict[str, Any]:
    """Provenance, ready for JSON."""
    return {
        "finished": finished,
        "model": work.model.name,
        **work.model.record(),
        "device": str(work.model.device),
        "failed": work.failures,
        "percentages": list(settings.percentages),
        "draws": settings.draws,
        "distortions": list(settings.distortions),
        "domains": list(settings.domains),
        "scores": list(settings.scores),
        "wavelet": settings.wavelet.options(),
        "protocol": settings.protocol,
        "order": settings.order,
        "seed": settings.seed,
        "methods": work.options,
        "versions": versions(),
    }

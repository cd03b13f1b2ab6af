"""Makes the figures and tables of the reproduction study again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from rdexplain.errors import OptionError, OutputError, PhotoError, RDExplainError
from rdexplain.models.registry import find_source
from rdexplain.photos.images import find_photos
from rdexplain.results.storage import write_whole
from rdexplain.text.extras import needed
from rdexplain.text.times import span
from rdexplain.text.versions import versions
from rdexplain.work.choosing import DEFAULT_SIZE, photo_size, photos_per_batch
from rdexplain.work.crew import find_crew
from rdexplain.work.job import job
from rdexplain.work.outputs import Outputs
from rdexplain.work.progress import Progress
from rdexplain.work.requests import NETWORKS, Reproduce
from rdexplain.work.sizes import check_size
from rdexplain.work.studies import RECIPES, Known, Plan, Recipe, Scale, Unit, Verdict, find_recipes
from rdexplain.work.studies import reproduce as run_recipes
from rdexplain.work.studies.budget import Speed
from rdexplain.work.studies.carried import Batch, StudyRecipe, UnitWorker
from rdexplain.work.studies.loaded import Networks
from rdexplain.work.studies.plan import find_difference
from rdexplain.work.studies.runner import clean, finished
from rdexplain.work.studies.schedule import Schedule, Spent, fitted, units_of
from rdexplain.work.studies.tasks import GROUP as TASKS
from rdexplain.work.studies.work import know

PLAN = "plan.json"


@dataclass(frozen=True)
class Reproduced:
    """What `reproduce` found.

    Attributes:
        folder: where figures, numbers and verdicts are.
        verdicts: of each figure or table, by its name.
        failures: why photos are left out.
        failed: number of units of work that failed.
    """

    folder: Path
    verdicts: Mapping[str, Sequence[Verdict]]
    failures: Sequence[str] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a figure or table on this device.

    Attributes:
        name, title: of the figure or table.
        photos: number of photos.
        seconds: of work.
        model: the network and its device, in words.
    """

    name: str
    title: str
    photos: int
    seconds: float
    model: str


@job(Reproduce)
def reproduce(options: Reproduce, progress: Progress) -> Reproduced:
    """Make figures and tables of the study again, with the numbers behind them and a verdict on each of its claims.

    Called again with the same options and `out`, it continues an interrupted run.

    Raises:
        RDExplainError: an option, the photos, a network or the folder is invalid.
    """
    recipes = find_recipes(list(options.targets))
    folder = _checked(options, recipes)
    check_size(options.size, {"cartoonx": None})
    needed("pyarrow", "reproduce")
    crew, asked = find_crew(options), options
    options = replace(options, device=crew.device)
    _check_networks(options, recipes)
    sources = [
        None if place is None else find_photos([place])[: options.limit] for place in (options.photos, options.scenes)
    ]
    networks = Networks(options, progress)
    # Figures 8 and 9 have networks of their own.
    others = [recipe for recipe in recipes if recipe.group == TASKS]
    model = networks.main() if len(others) < len(recipes) else None
    if others:
        networks.check_tasks()
    size = options.size or DEFAULT_SIZE if model is None else photo_size(options.size, model)
    progress.stage("looking at the photos")
    looked = [
        None if one is None else know(one, owner, size) for one, owner in zip(sources, (model, None), strict=True)
    ]
    failures = [reason for _, reasons in filter(None, looked) for reason in reasons.values()]
    photos, scenes = (None if one is None else tuple(one[0]) for one in looked)
    if photos == () or scenes == ():
        raise PhotoError(f"none of the photos can be read: {failures[0]}")
    for reason in failures:
        progress.failed(reason)
    whole = replace(networks.plan(size), photos=photos or (), scenes=scenes, scale=Scale(effort=options.effort or 1.0))
    if model is None:
        names = dict.fromkeys(unit.model for unit in units_of(recipes, whole))
        whole = replace(whole, model=", ".join(names))
    with Outputs(folder, "reproduction").open():
        schedule = _schedule(folder, options, whole, recipes, networks, _together(options))
        plan, watch = schedule.plan, _Watch(progress, schedule, crew.faster)
        worker = UnitWorker(plan, networks.load, watch.begin)
        try:
            engine = crew.engine(StudyRecipe(plan, asked), worker, progress, ahead=1)
            verdicts, failed = run_recipes(recipes, plan, networks.load, folder, watch, engine, schedule)
        except BaseException as error:
            if schedule.ready < schedule.count:
                error.add_note(f"{schedule.ready} of {schedule.count} parts are done: the same command goes on")
            raise
    if schedule.is_over:
        progress.warning(
            f"{span(schedule.spent.seconds)} of work where `budget` gave {options.budget:g} min: "
            f"parts took {schedule.spent.pace:.1f} times as long as was timed"
        )
    return Reproduced(folder, verdicts, failures, failed)


@job(Reproduce)
def estimate(options: Reproduce, progress: Progress) -> list[Estimate]:
    """The content of each figure or table, and how long it would take on this device.

    The networks are timed with random weights, since their speed does not depend on them.

    Raises:
        RDExplainError: an option or the network is invalid.
    """
    recipes = find_recipes(list(options.targets) or ["all", "shearletx"])
    check_size(options.size, {"cartoonx": None})
    options = replace(options, device=find_crew(options).device)
    networks = Networks(options, progress, trained=False)
    model = networks.main()
    most = min(options.limit or 10**6, max(recipe.photos_wanted for recipe in recipes))
    photos = tuple(Known(f"{number}", f"{number:016x}", 0, number % 2) for number in range(2 * most))
    whole = networks.plan(photo_size(options.size, model))
    plan = replace(whole, photos=photos, scale=Scale(photos=options.limit, effort=options.effort or 1.0))
    return [
        Estimate(
            recipe.name,
            recipe.title,
            min(recipe.photos_wanted, most),
            sum(networks.seconds(unit) for unit in recipe.units(plan)),
            f"{options.model} on {model.device}",
        )
        for recipe in recipes
    ]


def _checked(options: Reproduce, recipes: list[Recipe]) -> Path:
    """The folder for the results, after a check that targets, photos and folder are given."""
    if options.photos is None and (options.scenes is None or any(recipe.group != TASKS for recipe in recipes)):
        raise OptionError("`photos` DIR is missing")
    if options.out is None:
        raise OptionError("`out` DIR is missing")
    if options.effort is not None and options.budget is not None:
        raise OptionError("give `effort` or `budget`, not both: a budget finds the effort itself")
    if not options.targets:
        raise OptionError("which figures or tables? `rdexplain reproduce --list` explains them, all is the study")
    return options.out


def _check_networks(options: Reproduce, recipes: list[Recipe]) -> None:
    """Check the names of figure 10's networks, before other networks are loaded.

    Raises:
        OptionError: figure 10 is not made.
        ModelError: an unknown name.
    """
    if options.models == NETWORKS:
        return
    if not any(recipe.name == "figure-10" for recipe in recipes):
        raise OptionError("`models` is for figure-10, which is not among the targets")
    for name in options.models:
        find_source(name)


def _together(options: Reproduce) -> int:
    """How many photos a method explains together: on a CPU one, which is no slower and gives the same bits."""
    device = torch.device(options.device)
    alone = options.photos_per_batch is None and device.type == "cpu"
    return 1 if alone else photos_per_batch(options.photos_per_batch, device)


def _schedule(
    folder: Path, options: Reproduce, whole: Plan, recipes: list[Recipe], networks: Networks, together: int
) -> Schedule:
    """The schedule of the plan in the folder, or of a new plan that is written there.

    Raises:
        OutputError: the folder has another plan.
        OptionError: the budget is too little.
    """
    file = folder / PLAN
    seconds = None if options.budget is None else 60 * options.budget
    request = {
        **{key: value for key, value in whole.record().items() if key not in ("scale", "scales")},
        "targets": sorted(recipe.name for recipe in recipes),
        "weights": options.weights,
        "budget": options.budget,
        "effort": options.effort,
    }
    request = json.loads(json.dumps(request))

    def save(plan: Plan, spent: Spent) -> None:
        scales = {group: asdict(scale) for group, scale in plan.scales.items()}
        speeds = {name: asdict(speed) for name, speed in networks.speeds.items()}
        record = {
            "request": request,
            "scales": scales,
            "spent": asdict(spent),
            "speeds": speeds,
            "versions": versions(),
        }
        write_whole(file, (json.dumps(record, indent=2) + "\n").encode())

    scales: dict[str, Scale] = {}
    spent = Spent()
    if options.overwrite:
        clean(folder, list(RECIPES))
    if file.exists() and not options.overwrite:
        try:
            there = json.loads(file.read_text())
            scales = {group: Scale(**scale) for group, scale in there["scales"].items()}
            spent = Spent(**there.get("spent", {}))
            # The time spent so far is compared with these speeds; timing again would give others.
            networks.speeds |= {name: Speed(**speed) for name, speed in there.get("speeds", {}).items()}
            differs = find_difference(there["request"], request)
            if differs is None and seconds is not None and not {recipe.group for recipe in recipes} <= scales.keys():
                raise KeyError("scales")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RDExplainError(f"{file} is damaged: begin anew with `overwrite`, or choose another `out`") from error
        if differs is not None:
            raise OutputError(
                f"{folder} holds another plan: it differs in {differs}; choose another `out`, or `overwrite`"
            )
    elif seconds is not None:
        scales = fitted(recipes, whole, networks.seconds, seconds)
    plan = replace(whole, scales=scales)
    save(plan, spent)
    return Schedule(recipes, plan, finished(folder), networks.seconds, seconds, spent, save, together)


class _Watch:
    """Reports how many units are done, and the estimated time left.

    Args:
        progress: the listener.
        schedule: of the units.
        faster: speed of all workers over that of one.
    """

    def __init__(self, progress: Progress, schedule: Schedule, faster: int) -> None:
        self._progress, self._schedule, self._faster = progress, schedule, faster
        self._say()

    def begin(self, units: Batch) -> None:
        place = f"{self._schedule.ready + 1} of {self._schedule.count}"
        more = f" and {len(units) - 1} more" if len(units) > 1 else ""
        self._progress.stage(f"{place}: {units[0].method}, {Path(units[0].photo.source).name}{more}")

    def done(self, unit: Unit, reason: str | None) -> None:
        if reason is not None:
            self._progress.failed(reason)
        self._say()

    def _say(self) -> None:
        schedule = self._schedule
        ready, count = schedule.ready, schedule.count
        self._progress.advance(ready, count, f"{ready} of {count}", left=schedule.left / self._faster)

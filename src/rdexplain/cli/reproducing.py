"""From the arguments of ``rdexplain reproduce`` to figures, numbers and verdicts."""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import asdict, replace
from pathlib import Path

from rdexplain.cli.bar import Bar
from rdexplain.cli.command import UsageError
from rdexplain.cli.crew import find_crew
from rdexplain.cli.explaining import DEFAULT_SIZE, photo_size
from rdexplain.cli.guard import ERROR, FINE, SOME_FAILED, say
from rdexplain.cli.outputs import OutputError, Outputs
from rdexplain.cli.reproduce import NETWORKS
from rdexplain.cli.sizes import check_size
from rdexplain.cli.study_networks import Networks
from rdexplain.cli.study_workers import StudyRecipe
from rdexplain.cli.tables import Column, print_table
from rdexplain.errors import RDExplainError
from rdexplain.models.registry import find_source
from rdexplain.photos.images import find_photos
from rdexplain.results.storage import write_whole
from rdexplain.runs.folder import LOCK
from rdexplain.runs.lock import locked
from rdexplain.studies import RECIPES, Known, Plan, Recipe, Scale, Unit, Verdict, find_recipes, reproduce
from rdexplain.studies.budget import Speed
from rdexplain.studies.carried import UnitWorker
from rdexplain.studies.plan import find_difference
from rdexplain.studies.runner import VERDICTS, clean, finished
from rdexplain.studies.schedule import Schedule, Spent, fitted, units_of
from rdexplain.studies.tasks import GROUP as TASKS
from rdexplain.studies.work import know
from rdexplain.text.extras import needed
from rdexplain.text.times import span
from rdexplain.text.versions import versions

PLAN = "plan.json"


def run(arguments: argparse.Namespace, bar: Bar) -> int:
    """Reproduce, or list; see `rdexplain.cli.main` for the exit status."""
    if arguments.quiet:
        warnings.simplefilter("ignore")
    recipes = find_recipes(arguments.targets or ["all"])
    check_size(arguments.size, {"cartoonx": {}})
    if not arguments.list:
        needed("pyarrow", "reproduce")
    crew = find_crew(arguments)
    options = vars(arguments).copy()
    arguments.device = crew.device
    if arguments.list:
        return _list(arguments, bar, recipes)
    _check_networks(arguments, recipes)
    given = (arguments.photos, arguments.scenes)
    sources = [None if place is None else find_photos([place])[: arguments.limit] for place in given]
    networks = Networks(arguments, bar)
    # Figures 8 and 9 have networks of their own.
    others = [recipe for recipe in recipes if recipe.group == TASKS]
    model = networks.main() if len(others) < len(recipes) else None
    if others:
        networks.check_tasks()
    size = arguments.size or DEFAULT_SIZE if model is None else photo_size(arguments.size, model)
    bar.stage("looking at the photos")
    looked = [
        None if one is None else know(one, owner, size) for one, owner in zip(sources, (model, None), strict=True)
    ]
    failures = [reason for _, reasons in filter(None, looked) for reason in reasons.values()]
    for reason in failures:
        say(f"error: {reason}")
    photos, scenes = (None if one is None else tuple(one[0]) for one in looked)
    if photos == () or scenes == ():
        return ERROR
    whole = replace(networks.plan(size), photos=photos or (), scenes=scenes)
    if model is None:
        names = dict.fromkeys(unit.model for unit in units_of(recipes, whole))
        whole = replace(whole, model=", ".join(names))
    folder: Path = arguments.out
    with Outputs(folder, "").open(), locked(folder / LOCK, keep=False):
        schedule = _schedule(arguments, whole, recipes, networks)
        plan, watch = schedule.plan, _Watch(bar, schedule, crew.faster)
        worker = UnitWorker(plan, networks.load, watch.begin)
        try:
            engine = crew.engine(StudyRecipe(plan, options), worker, bar, ahead=1)
            verdicts, failed = reproduce(recipes, plan, networks.load, folder, watch, engine, schedule)
        except BaseException as error:
            if schedule.ready < schedule.count:
                error.add_note(f"{schedule.ready} of {schedule.count} parts are done: the same command goes on")
            raise
    if not arguments.quiet:
        if schedule.is_over:
            say(
                f"warning: {span(schedule.spent.seconds)} of work where --budget gave {arguments.budget:g} min: "
                f"parts took {schedule.spent.pace:.1f} times as long as was timed"
            )
        with bar.paused():
            _print(verdicts)
            print(f"figures, numbers and {VERDICTS} are in {folder}")
    return SOME_FAILED if failed or failures else FINE


def _check_networks(arguments: argparse.Namespace, recipes: list[Recipe]) -> None:
    """See that the networks of figure 10 that were asked for are known, before the others are loaded.

    Raises:
        UsageError: figure 10 is not made.
        ModelError: an unknown name.
    """
    if arguments.models == NETWORKS:
        return
    if not any(recipe.name == "figure-10" for recipe in recipes):
        raise UsageError("--models is for figure-10, which is not among the targets")
    for name in arguments.models:
        find_source(name)


def _schedule(arguments: argparse.Namespace, whole: Plan, recipes: list[Recipe], networks: Networks) -> Schedule:
    """What is to be done by the plan of the folder, or by a new one that is written there.

    Raises:
        OutputError: the folder has another plan.
        OptionError: the budget is too little.
    """
    file: Path = arguments.out / PLAN
    seconds = None if arguments.budget is None else 60 * arguments.budget
    request = {
        **{key: value for key, value in whole.record().items() if key not in ("scale", "scales")},
        "targets": sorted(recipe.name for recipe in recipes),
        "weights": arguments.weights,
        "budget": arguments.budget,
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
    if arguments.overwrite:
        clean(arguments.out, list(RECIPES))
    if file.exists() and not arguments.overwrite:
        try:
            there = json.loads(file.read_text())
            scales = {group: Scale(**scale) for group, scale in there["scales"].items()}
            spent = Spent(**there.get("spent", {}))
            # What was spent is compared with these; timed again, they would be others.
            networks.speeds |= {name: Speed(**speed) for name, speed in there.get("speeds", {}).items()}
            differs = find_difference(there["request"], request)
            if differs is None and seconds is not None and not {recipe.group for recipe in recipes} <= scales.keys():
                raise KeyError("scales")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RDExplainError(f"{file} is damaged: begin anew with --overwrite, or choose another --out") from error
        if differs is not None:
            raise OutputError(
                f"{arguments.out} holds another plan: it differs in {differs}; choose another --out, or --overwrite"
            )
    elif seconds is not None:
        scales = fitted(recipes, whole, networks.seconds, seconds)
    plan = replace(whole, scales=scales)
    save(plan, spent)
    return Schedule(recipes, plan, finished(arguments.out), networks.seconds, seconds, spent, save)


class _Watch:
    """Says how many parts are done, and about how long the rest takes.

    Args:
        bar: where it is said.
        schedule: what is done and what is left.
        faster: how many times as fast as one worker all of them are.
    """

    def __init__(self, bar: Bar, schedule: Schedule, faster: int) -> None:
        self._bar, self._schedule, self._faster = bar, schedule, faster
        self._say()

    def begin(self, unit: Unit) -> None:
        place = f"{self._schedule.ready + 1} of {self._schedule.count}"
        self._bar.stage(f"{place}: {unit.method}, {Path(unit.photo.source).name}")

    def done(self, unit: Unit, reason: str | None) -> None:
        if reason is not None:
            say(f"error: {reason}")
        self._say()

    def _say(self) -> None:
        schedule = self._schedule
        ready, count = schedule.ready, schedule.count
        self._bar.overall(count, ready, schedule.left / self._faster, f"{ready} of {count}", "")


def _print(verdicts: dict[str, list[Verdict]]) -> None:
    # What is long comes last: off a terminal the other columns stay narrow.
    columns = (Column("target", "bold"), Column("verdict"), Column("claim"), Column("found"))
    rows = [
        (name, one.outcome, one.claim, "; ".join(filter(None, (one.ours, one.why))))
        for name, found in verdicts.items()
        for one in found
    ]
    print_table(columns, rows)
    alike: dict[str, list[str]] = {}
    for name, found in verdicts.items():
        if scaled := sorted({text for one in found for text in one.scaled}):
            alike.setdefault(", ".join(scaled), []).append(name)
    print()
    for short, targets in alike.items():
        print(f"{', '.join(targets)}: scaled, {short}")


def _list(arguments: argparse.Namespace, bar: Bar, recipes: list[Recipe]) -> int:
    """What each target is, and how long it would take here; a network's speed does not depend on its weights."""
    if not arguments.quiet:
        say("timing the networks on this device: about a minute")
    networks = Networks(arguments, bar, trained=False)
    model = networks.main()
    most = min(arguments.limit or 10**6, max(recipe.photos_wanted for recipe in recipes))
    photos = tuple(Known(f"{number}", f"{number:016x}", 0, number % 2) for number in range(2 * most))
    whole = networks.plan(photo_size(arguments.size, model))
    plan = replace(whole, photos=photos, scale=Scale(photos=arguments.limit))
    rows = []
    for recipe in recipes:
        count = min(recipe.photos_wanted, most)
        seconds = sum(networks.seconds(unit) for unit in recipe.units(plan))
        rows.append((recipe.name, recipe.title, str(count), duration(seconds)))
    with bar.paused():
        print_table(
            (Column("target", "bold"), Column("what"), Column("photos", numbers=True), Column("here", numbers=True)),
            rows,
        )
        print(f"\n{arguments.protocol} protocol, {arguments.model} on {model.device}; --budget MINUTES scales it down")
    return FINE


def duration(seconds: float) -> str:
    """A time in words: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s" if seconds > 0 else "-"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

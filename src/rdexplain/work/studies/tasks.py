"""Figures 8 and 9: the regions of a segmentation and the objects of a detector, each explained by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdexplain.models.decisions.objects import ALL, ANCHORS
from rdexplain.render.words import method_title
from rdexplain.work.studies.curves import note_of, title_of
from rdexplain.work.studies.figures import stamp
from rdexplain.work.studies.panels import DEFAULTS
from rdexplain.work.studies.plan import Known, Plan, TaskNetwork
from rdexplain.work.studies.protocol import FRESH, backwards, mask_options
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Row, Unit
from rdexplain.work.studies.scene_claims import Claims
from rdexplain.work.studies.scene_panel import explained_rows, scene_panel
from rdexplain.work.studies.scenes import TASK
from rdexplain.work.studies.tradeoff import METHODS
from rdexplain.work.studies.verdict import untestable

GROUP = "tasks"
PHOTOS, SHOWN = 12, 4
"""Photos that are measured, and that are drawn. The study draws one or two."""
TYPICAL = 2
"""Assumed number of objects in a photo: the true one is known only after the network has run."""


@dataclass(frozen=True)
class _Task:
    """The differences between the two figures.

    Attributes:
        headline: the title of the picture.
        task: the networks' task.
        option: the command line's option that names the network.
        network: maps the plan to the network.
        claims: the claims to judge.
        corrected, published: what each protocol explains: "all" objects, all "anchors" together, or both.
        share, steps, draws: factor on the default λk, and the optimiser's steps and draws, in the published protocol.
    """

    name: str
    title: str
    headline: str
    claim: str
    task: str
    option: str
    network: Callable[[Plan], TaskNetwork]
    claims: Claims
    corrected: tuple[str, ...]
    published: tuple[str, ...]
    share: float
    steps: int
    draws: int

    def recipe(self) -> Recipe:
        return Recipe(self.name, self.title, self.claim, PHOTOS, self._units, self._conclude, GROUP)

    def _wanted(self, plan: Plan) -> tuple[str, ...]:
        return self.published if plan.published else self.corrected

    def _scenes(self, plan: Plan) -> tuple[Known, ...]:
        return plan.first(PHOTOS, plan.photos if plan.scenes is None else plan.scenes)

    def _unit(self, plan: Plan, photo: Known, which: str, method: str) -> Unit:
        network = self.network(plan)
        sparsity = DEFAULTS[method] * (self.share if plan.published else 1.0)
        options = mask_options(plan, sparsity, self.steps, self.draws)
        measured = {
            "task": self.task,
            "which": which,
            "study": plan.published,
            "size": network.size,
            # Detectors are trained on photos with bars around them; the study squashes every photo.
            "fit": "letterbox" if self.task == "detection" and not plan.published else "squash",
            "weights": network.weights,
        }
        rows = TYPICAL if which == ALL else 1
        return Unit(TASK, photo, network.name, method, options, measured, FRESH * rows, backwards(options) * rows)

    def _units(self, plan: Plan) -> list[Unit]:
        scenes, wanted = self._scenes(plan), self._wanted(plan)
        return [self._unit(plan, one, which, name) for one in scenes for which in wanted for name in METHODS]

    def _conclude(self, plan: Plan, results: Results) -> Findings:
        units, findings = self._units(plan), Findings()
        explained = {unit.name: explained_rows(results, unit) for unit in units}
        seen = list(dict.fromkeys(unit.photo.source for unit in units if explained[unit.name]))
        if not seen:
            return Findings(verdicts=[untestable(self.claim, "pictures", self._why_not(results, units))])
        for unit in units:
            key = {"which": unit.measured["which"], "method": unit.method}
            findings.rows += [key | {k: v for k, v in row.items() if k != "boxes"} for row in _rows(results, unit)]
        short = plan.scaled(len(seen), PHOTOS)
        wanted = self._wanted(plan)
        shown = [
            [self._unit(plan, one, which, name) for name in METHODS]
            for one in self._scenes(plan)
            if one.source in seen[:SHOWN]
            for which in wanted
        ]
        drawn = scene_panel(results, [method_title(name) for name in METHODS], shown)
        title = title_of(f"{self.name.capitalize().replace('-', ' ')}: {self.headline}", short)
        findings.figures[""] = stamp(drawn, title, note_of(plan, short, Path(self.network(plan).name).name))
        without = len({unit.photo.source for unit in units if any("left_out" in row for row in _rows(results, unit))})
        for which in wanted:
            for name in METHODS:
                mine = [u for u in units if u.method == name and u.measured["which"] == which and explained[u.name]]
                photos = [explained[unit.name] for unit in mine]
                findings.verdicts += self.claims.judged(name, which == ANCHORS, photos, short, without, plan.seed)
        return findings

    def _why_not(self, results: Results, units: Sequence[Unit]) -> str:
        if not units:
            return "there is no photo for it: give more photos, or name some with `scenes`"
        if results.not_applicable(units[0]):
            return f"{results.reason(units[0])}; {self.option} names another network"
        reasons = [row["left_out"] for unit in units for row in _rows(results, unit) if "left_out" in row]
        if not reasons:
            return results.reason(units[0])
        photos = len({unit.photo.source for unit in units})
        return f"{reasons[0]} in {'the photo' if photos == 1 else f'each of {photos} photos'}: `scenes` names others"


def _rows(results: Results, unit: Unit) -> list[Row]:
    result = results.of(unit)
    return [] if result is None else list(result["rows"])


FIGURE_8 = _Task(
    "figure-8",
    "the regions of a segmentation, each explained by itself (--segmenter, --scenes)",
    "each region of a segmentation",
    "CartoonX is task-agnostic: for the cow it keeps the cow and blurs the cars, and the other way round.",
    "segmentation",
    "--segmenter",
    lambda plan: plan.segmenter,
    Claims("the region", "the other regions", "no photo has two regions"),
    corrected=(ALL,),
    published=(ALL,),
    share=0.1,
    steps=1000,
    draws=4,
).recipe()
FIGURE_9 = _Task(
    "figure-9",
    "a detector's objects, before non-maximum suppression (--detector, --scenes)",
    "each object of a detector",
    "CartoonX is task-agnostic: it keeps the detected object and blurs the background.",
    "detection",
    "--detector",
    lambda plan: plan.detector,
    Claims("the object's box", "the other objects' boxes", "no photo has two objects"),
    corrected=(ALL, ANCHORS),
    published=(ANCHORS,),
    share=1.0,
    steps=200,
    draws=32,
).recipe()

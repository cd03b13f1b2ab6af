"""A unit's work: from a photo to rows of numbers, and back from rows to an evaluation."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.noise import Noise
from rdexplain.errors import ModelError, PhotoError, SolverError
from rdexplain.evaluation import Candidate, Curve, CurveKey, Entry, Evaluation, Settings, evaluate, subject
from rdexplain.methods.outcome import FRESH_DRAWS
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model, frozen
from rdexplain.photos.images import Photo, load_photo
from rdexplain.results.explanation import Explanation
from rdexplain.work.studies.plan import Known, Plan
from rdexplain.work.studies.published import PlainGradient, first_noisy_class
from rdexplain.work.studies.recipe import Results, Row, Unit, explained_row, explanation_file
from rdexplain.work.studies.scenes import TASK, explain_scene
from rdexplain.work.studies.scored import SCORED, explain_and_score

_WNID = re.compile(r"n\d{8}")


class Context:
    """What units need to run: networks by name, and the folder of results.

    Args:
        plan: what is run.
        load: maps a network's name to the model, the same each time; raises `ModelError` if it cannot be loaded.
        folder: where explanations are saved.
    """

    def __init__(self, plan: Plan, load: Callable[[str], Model], folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.load = load

    def run(self, units: Sequence[Unit]) -> list[Row]:
        """The results of units that are `alike`; an error of a photo or the network becomes the reason in them."""
        one, found, photos = units[0], dict[str, Row](), dict[str, Photo]()
        try:
            model = self.load(one.model)
            size, fit = one.measured.get("size", self.plan.size), one.measured.get("fit", "squash")
            for unit in units:
                try:
                    photos[unit.name] = load_photo(unit.photo.source, side(size, model), fit)
                except PhotoError as error:
                    found[unit.name] = {"failed": str(error)}
            readable = [unit for unit in units if unit.name in photos]
            results = self._computed(readable, list(photos.values()), model)
            found |= {unit.name: result for unit, result in zip(readable, results, strict=True)}
        except ModelError as error:
            found |= {unit.name: {"not_applicable": str(error)} for unit in units if unit.name not in found}
        return [found[unit.name] for unit in units]

    def _computed(self, units: Sequence[Unit], photos: Sequence[Photo], model: Model) -> list[Row]:
        """The results for photos that could be read; where several fail together, each by itself, to find the cause."""
        try:
            rows = KINDS[units[0].kind](self, units, model, photos) if units else []
        except (PhotoError, SolverError) as error:
            if len(units) == 1:
                return [{"failed": str(error)}]
            pairs = zip(units, photos, strict=True)
            return [result for unit, photo in pairs for result in self._computed([unit], [photo], model)]
        return [{"rows": one} for one in rows]

    def method(self, unit: Unit, model: Model) -> Any:
        if unit.method == "guided_backprop" and self.plan.published:
            return PlainGradient(model, seed=self.plan.seed)
        return METHODS[unit.method].load()(model, **unit.options, seed=self.plan.seed)

    def file(self, unit: Unit) -> Path:
        """Where the unit's explanation is saved."""
        return explanation_file(self.folder, unit.name)


def side(size: int, model: Model) -> int:
    """The side in pixels of the square images for a network: its fixed size, else `size`."""
    return model.input_size if model.fixed_size and model.input_size is not None else size


def know(sources: Sequence[str], model: Model | None, size: int) -> tuple[list[Known], dict[str, str]]:
    """The readable photos, with the prediction of the classifier, if any; and the errors of the others, by source.

    Args:
        size: side of the square photos, in pixels, if the classifier takes any size.
    """
    classes = {entry.wnid: index for index, entry in enumerate(model.classes or ()) if entry.wnid} if model else {}
    known, failures = [], {}
    for source in sources:
        try:
            pixels = load_photo(source, side(size, model) if model else size).pixels
        except PhotoError as error:
            failures[source] = str(error)
            continue
        wnid = _WNID.search(Path(source).name)
        truth = classes.get(wnid.group()) if wnid else None
        known.append(Known(source, f"{philox.photo_key(pixels):016x}", _predicted(pixels, model), truth))
    return known, failures


def _predicted(pixels: Tensor, model: Model | None) -> int | None:
    if model is None:
        return None
    with frozen(model), torch.no_grad():
        return int(model.probabilities(model(pixels[None].to(model.device, model.dtype))).argmax())


def _curves(context: Context, units: Sequence[Unit], model: Model, photos: Sequence[Photo]) -> list[list[Row]]:
    plan, unit, images = context.plan, units[0], _images(photos, model)
    settings = Settings(
        percentages=unit.measured["percentages"],
        draws=unit.measured["draws"],
        domains=unit.measured["domains"],
        distortions=("l2", "label"),
        scores=(),
        protocol=plan.protocol,
        order=plan.order,
        seed=plan.seed,
    )
    method = context.method(unit, model)
    with subject(model, images) as rows:
        target = rows.target
        if unit.method == "smooth_grad" and plan.published:
            target = [first_noisy_class(model, image, unit.options["spread"], plan.seed) for image in rows.images]
        result = method.explain(rows.images, target=target, photos=[unit.photo.source for unit in units])
        # Curves are always about the class of the clean photo, whatever was explained.
        kept = torch.tensor(rows.target).to(result.target)
        labels = tuple(model.class_name(index) for index in rows.target)
        found = evaluate(rows, Candidate(dataclasses.replace(result, target=kept, labels=labels)), settings)
    rows_of: dict[str, list[Row]] = {unit.photo.source: [] for unit in units}
    for key, curve in found.curves.items():
        row = {
            **key.entry._asdict(),
            "mode": key.mode,
            "percentages": curve.percentages.tolist(),
            "share": curve.share.tolist(),
            "measures": {name: values.tolist() for name, values in curve.measures.items()},
            "draws": curve.draws,
        }
        rows_of[key.entry.photo].append(row)
    return list(rows_of.values())


def _mask(context: Context, units: Sequence[Unit], model: Model, photos: Sequence[Photo]) -> list[list[Row]]:
    method, images = context.method(units[0], model), _images(photos, model)
    found = method.explain(images, photos=[unit.photo.source for unit in units])
    _save(context, units, found)
    rows = []
    for place, unit in enumerate(units):
        history = {name: values[:, place].tolist() for name, values in found.history.items()}
        row = explained_row(found, place) | {"last_distortion": history["distortion"][-1]}
        for mark in unit.measured.get("marks", ()):
            row[f"least_distortion_{mark}"] = min(history["distortion"][:mark])
            row[f"least_non_sparsity_{mark}"] = min(history["non_sparsity"][:mark])
        rows.append(row)
    if units[0].measured.get("common"):
        for row, distortion in zip(rows, _common(method, images, found.mask), strict=True):
            row["common_distortion"] = distortion
    return [[row] for row in rows]


def _common(method: Any, images: Tensor, mask: list[Tensor]) -> list[float]:
    """The masks' distortions under the unscaled noise, whatever they were optimised under."""
    method.options = dataclasses.replace(method.options, noise=Noise())
    with method.problem(images) as problem:
        objective = problem.objective
        flat = objective.transform.join(mask).to(objective.images)
        distortions: list[float] = objective.measure(flat, FRESH_DRAWS)[0].tolist()
        return distortions


def _task(context: Context, units: Sequence[Unit], model: Model, photos: Sequence[Photo]) -> list[list[Row]]:
    method = context.method(units[0], model)
    return [explain_scene(unit, method, photo, context.file(unit)) for unit, photo in zip(units, photos, strict=True)]


def _scored(context: Context, units: Sequence[Unit], model: Model, photos: Sequence[Photo]) -> list[list[Row]]:
    found, rows = explain_and_score(units, context.method(units[0], model), _images(photos, model))
    _save(context, units, found)
    return [[row] for row in rows]


def _save(context: Context, units: Sequence[Unit], found: Explanation) -> None:
    """Save the explanation of each unit: its place in the batch is left out, so that its file does not depend on it."""
    for place, unit in enumerate(units):
        one = dataclasses.replace(found[place], photo=torch.zeros(1, dtype=torch.int64))
        one.save(context.file(unit))


def _images(photos: Sequence[Photo], model: Model) -> Tensor:
    return torch.stack([photo.pixels for photo in photos]).to(model.dtype)


KINDS: dict[str, Callable[[Context, Sequence[Unit], Model, Sequence[Photo]], list[list[Row]]]] = {
    "curves": _curves,
    "mask": _mask,
    TASK: _task,
    SCORED: _scored,
}


def evaluation_of(results: Results, units: Iterable[Unit], named: Callable[[Unit], str] | None = None) -> Evaluation:
    """The curves of units as one evaluation, of the photos that no method failed on.

    Args:
        named: gives the name of a unit's curves, in place of the method.
    """
    units = list(units)
    refused = {unit.method: results.reason(unit) for unit in units if results.not_applicable(unit)}
    there = [unit for unit in units if not results.not_applicable(unit)]
    failed = {unit.photo.source for unit in there if results.of(unit) is None}
    curves: dict[CurveKey, Curve] = {}
    for unit in there:
        result = results.of(unit)
        if result is None or unit.photo.source in failed:
            continue
        for row in result["rows"]:
            entry = Entry(*(row[name] for name in Entry._fields))
            entry = entry._replace(method=named(unit)) if named else entry
            measures = {name: np.array(values) for name, values in row["measures"].items()}
            curves[CurveKey(entry, row["mode"])] = Curve(
                np.array(row["percentages"]), np.array(row["share"]), measures, row["draws"]
            )
    return Evaluation({key: curves[key] for key in sorted(curves)}, {}, refused)

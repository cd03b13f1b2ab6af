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

    def run(self, unit: Unit) -> Row:
        """A unit's result; an error of the photo or the network becomes the reason in it."""
        try:
            model = self.load(unit.model)
            size, fit = unit.measured.get("size", self.plan.size), unit.measured.get("fit", "squash")
            photo = load_photo(unit.photo.source, side(size, model), fit)
            return {"rows": KINDS[unit.kind](self, unit, model, photo)}
        except ModelError as error:
            return {"not_applicable": str(error)}
        except (PhotoError, SolverError) as error:
            return {"failed": str(error)}

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


def _curves(context: Context, unit: Unit, model: Model, photo: Photo) -> list[Row]:
    plan, images = context.plan, _images(photo, model)
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
            target = [first_noisy_class(model, rows.images[0], unit.options["spread"], plan.seed)]
        result = method.explain(rows.images, target=target, photos=[unit.photo.source])
        # Curves are always about the class of the clean photo, whatever was explained.
        kept = torch.tensor(rows.target).to(result.target)
        labels = tuple(model.class_name(index) for index in rows.target)
        found = evaluate(rows, Candidate(dataclasses.replace(result, target=kept, labels=labels)), settings)
    return [
        {
            **key.entry._asdict(),
            "mode": key.mode,
            "percentages": curve.percentages.tolist(),
            "share": curve.share.tolist(),
            "measures": {name: values.tolist() for name, values in curve.measures.items()},
            "draws": curve.draws,
        }
        for key, curve in found.curves.items()
    ]


def _mask(context: Context, unit: Unit, model: Model, photo: Photo) -> list[Row]:
    method, images = context.method(unit, model), _images(photo, model)
    one = method.explain(images, photos=[unit.photo.source])
    one.save(context.file(unit))
    history = {name: values[:, 0].tolist() for name, values in one.history.items()}
    row = explained_row(one) | {"last_distortion": history["distortion"][-1]}
    for mark in unit.measured.get("marks", ()):
        row[f"least_distortion_{mark}"] = min(history["distortion"][:mark])
        row[f"least_non_sparsity_{mark}"] = min(history["non_sparsity"][:mark])
    if unit.measured.get("common"):
        row["common_distortion"] = _common(method, images, one.mask)
    return [row]


def _common(method: Any, images: Tensor, mask: list[Tensor]) -> float:
    """A mask's distortion under the unscaled noise, whatever it was optimised under."""
    method.options = dataclasses.replace(method.options, noise=Noise())
    with method.problem(images) as problem:
        objective = problem.objective
        flat = objective.transform.join(mask).to(objective.images)
        return float(objective.measure(flat, FRESH_DRAWS)[0][0])


def _task(context: Context, unit: Unit, model: Model, photo: Photo) -> list[Row]:
    return explain_scene(unit, context.method(unit, model), photo, context.file(unit))


def _scored(context: Context, unit: Unit, model: Model, photo: Photo) -> list[Row]:
    found, row = explain_and_score(unit, context.method(unit, model), photo)
    found.save(context.file(unit))
    return [row]


def _images(photo: Photo, model: Model) -> Tensor:
    return photo.pixels[None].to(model.dtype)


KINDS: dict[str, Callable[[Context, Unit, Model, Photo], list[Row]]] = {
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

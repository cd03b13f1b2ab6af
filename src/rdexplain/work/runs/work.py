"""The unit of work of a run, the same in every engine: a batch of photos in, rows to write out."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from rdexplain.errors import PhotoError, SolverError, TargetError, one_line
from rdexplain.methods.targets import with_predicted
from rdexplain.models import Model, load_model
from rdexplain.photos.images import Photo
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap
from rdexplain.work.choosing import as_init, read_start
from rdexplain.work.runs.ledger import Unit
from rdexplain.work.runs.shards import MASK_FIGURES, Row, pack
from rdexplain.work.runs.sources import read

AUTO, LABEL = "auto", "label"


@dataclass(frozen=True)
class Recipe:
    """All that a worker needs to know, in plain data that can be sent to another machine; see `engines.Recipe`.

    Attributes:
        model: the arguments of `load_model`, except the device.
        methods: for each method its class as `module:Class`, and its options.
        size, fit: how photos are brought to the square that is explained.
        targets: classes, `auto` for the predicted one, `label` for the data set's; a photo's own `Entry.target` takes
            precedence.
        top_k: the k most probable classes, in place of targets.
        masks: one of `shards.MASKS`.
        root: the folder that the photos' places are relative to.
    """

    model: dict[str, Any]
    methods: dict[str, tuple[str, dict[str, Any]]]
    size: int
    fit: str
    targets: tuple[str, ...]
    top_k: int | None
    masks: str
    root: str

    def make(self, device: str) -> Worker:
        return Worker(self, load_model(**self.model, device=device))

    def parts(self, task: Batch) -> list[Batch]:
        """The batch divided into one for each photo."""
        return [replace(task, units=(unit,)) for unit in task.units]

    def given_up(self, task: Batch, reason: str) -> Outcome:
        """The outcome of a photo on which workers crash."""
        return Outcome(task, errors={unit.number: f"{unit.entry.photo}: {reason}" for unit in task.units})


@dataclass(frozen=True)
class Batch:
    """Photos that one method explains together."""

    method: str
    units: tuple[Unit, ...]


@dataclass
class Outcome:
    """The outcome of a batch: for each unit its rows, or one line that says why there are none."""

    batch: Batch
    rows: dict[int, list[Row]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Loaded:
    """A batch whose photos are decoded. `errors` has the reasons for those that could not be."""

    batch: Batch
    photos: list[tuple[Unit, Photo]]
    errors: dict[int, str]


class Worker:
    """Holds the model and the methods. `load` may run in another thread than `work`."""

    def __init__(self, recipe: Recipe, model: Model) -> None:
        self.recipe, self.model = recipe, model
        self.methods = {name: self._method(home, options) for name, (home, options) in recipe.methods.items()}

    def load(self, batch: Batch) -> Loaded:
        """Decode a batch's photos."""
        photos, errors = [], {}
        for unit in batch.units:
            try:
                photos.append((unit, read(unit.entry, self.recipe.root, self.recipe.size, self.recipe.fit)))
            except PhotoError as error:
                errors[unit.number] = one_line(error)
            except MemoryError:
                errors[unit.number] = f"{unit.entry.photo}: out of memory while it was decoded"
        return Loaded(batch, photos, errors)

    def work(self, loaded: Loaded) -> Outcome:
        """Explain a batch. A photo that cannot be explained gets an error, the others are explained.

        Raises:
            RDExplainError: an error that does not concern a single photo.
        """
        started = time.perf_counter()
        outcome = Outcome(loaded.batch, errors=dict(loaded.errors))
        self._explain(loaded.photos, outcome)
        outcome.seconds = time.perf_counter() - started
        return outcome

    def __call__(self, batch: Batch) -> Outcome:
        return self.work(self.load(batch))

    def _explain(self, photos: Sequence[tuple[Unit, Photo]], outcome: Outcome) -> None:
        while photos:
            try:
                result = self._result(outcome.batch.method, photos)
            except (SolverError, TargetError, PhotoError) as error:
                blamed = getattr(error, "photos", ())
                if not blamed and len(photos) > 1:  # one by one, to find the photo at fault
                    for one in photos:
                        self._explain([one], outcome)
                    return
                for place in blamed or (0,):
                    unit = photos[place][0]
                    # Its cause has the same text without the photo's place in the batch.
                    reason = error.__cause__ if blamed and error.__cause__ is not None else error
                    outcome.errors[unit.number] = f"{unit.entry.photo}: {one_line(reason)}"
                photos = [one for place, one in enumerate(photos) if place not in (blamed or (0,))]
                continue
            for row, place in enumerate(result.photo.tolist()):
                unit, photo = photos[place]
                outcome.rows.setdefault(unit.number, []).append(self._row(result[row], unit, photo))
            return

    def _result(self, name: str, photos: Sequence[tuple[Unit, Photo]]) -> Explanation | Heatmap:
        method = self.methods[name]
        images = torch.stack([photo.pixels for _, photo in photos]).to(method.model.dtype)
        wanted: dict[str, Any] = {} if self.recipe.top_k is None else {"top_k": self.recipe.top_k}
        if not wanted:
            wanted = {"target": with_predicted(self.model, images, [self._wanted(unit) for unit, _ in photos])}
        result: Explanation | Heatmap = method.explain(
            images, **wanted, photos=[unit.entry.photo for unit, _ in photos]
        )
        return result

    def _wanted(self, unit: Unit) -> list[int | None]:
        """A photo's classes; None for the predicted one."""
        label = unit.entry.label
        found: list[int | None] = []
        for text in unit.entry.target or self.recipe.targets:
            if text.strip().lower() == AUTO:
                found.append(None)
            elif text.strip().lower() != LABEL:
                found.append(self.model.find_class(text))
            elif label is None:
                raise TargetError("it has no label to explain")
            elif "name" in label and (self.model.classes is not None or "index" not in label):
                found.append(self.model.find_class(label["name"]))
            else:
                found.append(int(label["index"]))
        return list(dict.fromkeys(found))

    def _row(self, one: Explanation | Heatmap, unit: Unit, photo: Photo) -> Row:
        """A result of one row, ready to be written."""
        height, width = one.images.shape[-2:]
        transform = one.representation.transform((height, width), torch.float32)
        flat = transform.join([band[0].float() for band in one.scores])
        target, label = one.target[0].tolist(), unit.entry.label or {}
        figures: dict[str, Any] = {
            "photo": unit.entry.photo,
            "number": unit.number,
            "method": one.method,
            "target": None if isinstance(target, list) else target,
            "target_axes": json.dumps(target) if isinstance(target, list) else None,
            "label": one.labels[0],
            "true_name": label.get("name"),
            "true_index": label.get("index"),
            "probability": float(one.probability[0]),
            "seconds": one.seconds,
            "network_evaluations": int(one.network_evaluations[0]),
            "height": photo.original_size[0],
            "width": photo.original_size[1],
            "fit": photo.fit,
            "low": 0.0,
            "high": 1.0,
        }
        header = {
            "model": one.model,
            "seed": one.seed,
            "device": one.device,
            "options": one.options,
            "versions": one.versions,
            "size": [height, width],
        }
        if isinstance(one, Explanation):
            figures |= {name: float(getattr(one, name)[0]) for name in MASK_FIGURES}
            figures |= {"collapsed": bool(one.collapsed[0]), "measurements": int(one.measurements[0])}
            header |= {"kind": "explanation", "steps": one.steps, "draws": one.draws, "target_kind": one.target_kind}
        else:
            figures |= {"low": float(flat.min()), "high": float(flat.max())}
            header |= {"kind": "heatmap"}
        packed = pack(flat, self.recipe.masks, figures["low"], figures["high"])
        bands = one.order if isinstance(one, Explanation) else None
        return Row(figures, header, packed, None if bands is None else transform.join([band[0] for band in bands]))

    def _method(self, home: str, options: dict[str, Any]) -> Any:
        module, _, name = home.partition(":")
        options = dict(options)
        start = options.get("init")
        if isinstance(start, str) and start.endswith(".safetensors"):
            options["init"] = as_init(read_start(Path(start)))
        method = getattr(importlib.import_module(module), name)(self.model, **options)
        # Fails early, before any photo is read, if the size does not fit.
        method.representation.transform((self.recipe.size, self.recipe.size), self.model.dtype, self.model.device)
        return method

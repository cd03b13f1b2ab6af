"""Reads the options `target`, `above`, `against`, `segment` and `object`, and names what they select in file names."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from rdexplain.errors import OptionError, TargetError
from rdexplain.methods.targets import with_predicted
from rdexplain.models import Model
from rdexplain.models.decisions import Above, Contrast, Detect, Segment
from rdexplain.models.decisions.objects import ANCHORS
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap
from rdexplain.work.requests import Compare, Explain

AUTO = "auto"
_QUESTIONS = ("target", "top_k", "above", "against", "segment", "object")
_ASK_WITH = {"segmentation": "segment", "detection": "object"}


class Targets:
    """The targets of each photo, and their names.

    Args:
        wanted: the options of `explain` or `compare`. With the preset `paper`, regions and objects are explained as in
            the reproduction study.

    Raises:
        OptionError: options that exclude each other, or that are for models of another task.
        TargetError: the model has no such class, or the name fits several.
    """

    def __init__(self, model: Model, wanted: Explain | Compare) -> None:
        _check(model, wanted)
        self._model, self._wanted = model, wanted
        self.slugs = Slugs(model)
        self._by_object = model.task == "detection" or wanted.object is not None
        self._by_class = model.task == "classification" and wanted.segment is None and not self._by_object
        self._objects = _once([text.strip().lower() for text in wanted.object or ["0"]])
        self._categories = _once([_category(model, text) for text in wanted.segment or [AUTO]])
        indices = [_label(model, text) for text in wanted.target or [AUTO]] if self._by_class else []
        self._classes: tuple[int | None, ...] = _once(indices) if self._by_class else self._named()

    def _named(self) -> tuple[int | None, ...]:
        """The classes that are given by name or index; None for others, such as "auto"."""
        if self._by_object:
            return (None,)
        return _once([one if isinstance(one, int) else None for one in self._categories])

    @property
    def _several(self) -> bool:
        """Whether a photo may have several explanations, so that their files are named after the target."""
        if self._by_object:
            return len(self._objects) > 1 or not (self._objects[0].isdecimal() or self._objects[0] == ANCHORS)
        several = (self._wanted.top_k or 1) > 1 or self._wanted.above is not None
        return len(self._classes) > 1 or several or "all" in self._categories

    @property
    def _known(self) -> list[int] | None:
        """The classes, if they are the same for all photos; else None."""
        known = [index for index in self._classes if index is not None]
        same = self._wanted.top_k is None and self._wanted.above is None and len(known) == len(self._classes)
        return known if same else None

    @property
    def names(self) -> list[str | None] | None:
        """The names of the targets in a photo's files; [None] for a single file, None where only the model can tell."""
        if not self._several:
            return [None]
        return None if self._known is None else [self.slugs.of(index) for index in self._known]

    def name_of(self, one: Explanation | Heatmap) -> str | None:
        """The name of the target in the files of an explanation of one row; None if its photo has no others."""
        return self.slugs.of_row(one) if self._several else None

    def labels(self, photos: int) -> list[str]:
        """All labels that results of so many photos may have, for columns of equal width; empty if they are unknown."""
        if self._by_object or self._wanted.against:
            return []
        if self._known is not None:
            return [self._model.class_name(index) for index in self._known]
        if photos == 1 and not self._several:
            return []
        return [entry.name for entry in self._model.classes or ()]

    def of(self, images: Tensor) -> dict[str, Any]:
        """The arguments of `explain` for some photos."""
        wanted = self._wanted
        if self._by_object:
            study = wanted.preset == "paper" and self._objects == (ANCHORS,)
            return {"target": Detect(self._objects, confidence=wanted.confidence, study=study)}
        if not self._by_class:
            return {"target": Segment(self._categories, over="image" if wanted.preset == "paper" else "region")}
        if wanted.against:
            rivals = [self._model.find_class(rival) for rival in wanted.against]
            return {"target": Contrast(self._classes[0], *rivals)}
        if wanted.top_k is not None:
            return {"top_k": wanted.top_k}
        if wanted.above is not None:
            return {"target": Above(wanted.above)}
        return {"target": with_predicted(self._model, images, [self._classes] * len(images))}


def _check(model: Model, wanted: Explain | Compare) -> None:
    given = [name for name in _QUESTIONS if getattr(wanted, name) is not None]
    if len(given) > 1 and given != ["target", "against"]:
        raise OptionError(f"give either `{'` or `'.join(given[:2])}`, not both")
    fitting = _ASK_WITH.get(model.task)
    if fitting and given and given != [fitting]:
        raise OptionError(f"{model.name} is for {model.task}: ask with `{fitting}`, not `{given[0]}`")
    if wanted.against and wanted.target and len(wanted.target) > 1:
        raise OptionError("`against` compares one `target`, not several")


def _once(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _label(model: Model, text: str) -> int | None:
    return None if text.strip().lower() == AUTO else model.find_class(text)


def _category(model: Model, text: str) -> int | str:
    plain = text.strip().lower()
    if plain in (AUTO, "all"):
        return plain
    try:
        return model.find_class(text)
    except TargetError as error:
        if model.task != "classification":
            raise
        raise OptionError(f"{model.name} is a classifier, with classes but no regions: ask with `target`") from error


class Slugs:
    """Names of classes for file names: `tabby`; `maillot-638` where two classes share a name."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._count = Counter(_slug(entry.name) for entry in model.classes or ())

    def of(self, index: int) -> str:
        """The name of a class, without blanks and dots."""
        slug = _slug(self._model.class_name(index))
        if not slug:
            return f"class-{index}"
        return f"{slug}-{index}" if self._count[slug] > 1 else slug

    def of_row(self, one: Explanation | Heatmap) -> str:
        """The name of the target of an explanation of one row."""
        first, *rest = one.target[0].reshape(-1).tolist()
        if one.target_kind != "object":
            return self.of(first)
        return "anchors" if first < 0 else f"{self.of(first)}-{rest[0]}"

    def is_one(self, slug: str) -> bool:
        """Whether a class of the model may have this name."""
        return slug in self._count or re.fullmatch(r".*-\d+", slug) is not None


def _slug(name: str) -> str:
    letters = unicodedata.normalize("NFC", name).lower()
    return re.sub(r"[\W_]+", "-", letters).strip("-")[:60].rstrip("-")

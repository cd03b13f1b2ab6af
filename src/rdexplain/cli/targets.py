"""What `--target` and `--top-k` ask for, and the classes' names in file names."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rdexplain.cli.command import UsageError
from rdexplain.decisions import check_output
from rdexplain.models import Model, frozen

AUTO = "auto"


class Targets:
    """The classes to explain of each photo.

    Args:
        wanted: what `--target` was given; None if it was not.
        top_k: what `--top-k` was given.

    Raises:
        UsageError: both were given.
        TargetError: the model has no such class, or the name fits several.
    """

    def __init__(self, model: Model, wanted: Sequence[str] | None, top_k: int | None) -> None:
        if wanted and top_k is not None:
            raise UsageError("give either --target or --top-k, not both")
        self._model = model
        self.top_k = top_k
        indices = [None if text.strip().lower() == AUTO else model.find_class(text) for text in wanted or [AUTO]]
        self.classes: tuple[int | None, ...] = tuple(dict.fromkeys(indices))

    @property
    def several(self) -> bool:
        """Whether files are named after the classes."""
        return len(self.classes) > 1 or (self.top_k or 1) > 1

    @property
    def known(self) -> bool:
        """Whether the classes are the same for all photos."""
        return self.top_k is None and None not in self.classes

    def of(self, images: Tensor) -> dict[str, Any]:
        """The arguments of `explain` for some photos."""
        if self.top_k is not None:
            return {"top_k": self.top_k}
        if self.classes == (None,):
            return {}
        predicted = self._predicted(images) if None in self.classes else [-1] * len(images)
        # The predicted class may be one of the others: then it is explained once.
        rows = [list(dict.fromkeys(best if index is None else index for index in self.classes)) for best in predicted]
        return {"target": rows}

    def _predicted(self, images: Tensor) -> list[int]:
        with frozen(self._model), torch.no_grad():
            output = check_output(self._model(images.to(self._model.device)), len(images))
        return output.flatten(1).argmax(dim=1).tolist()


class Slugs:
    """Names of classes that file names can hold: `tabby`, `maillot-638` where two classes share a name."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._count = Counter(_slug(entry.name) for entry in model.classes or ())

    def of(self, index: int) -> str:
        """The name of a class, without blanks and dots."""
        slug = _slug(self._model.class_name(index))
        if not slug:
            return f"class-{index}"
        return f"{slug}-{index}" if self._count[slug] > 1 else slug

    def is_one(self, slug: str) -> bool:
        """Whether a class of the model may have this name."""
        return slug in self._count or re.fullmatch(r".*-\d+", slug) is not None


def _slug(name: str) -> str:
    letters = unicodedata.normalize("NFC", name).lower()
    return re.sub(r"[\W_]+", "-", letters).strip("-")[:60].rstrip("-")

"""Class names of a model, and finding a class by its index, name or WordNet id."""

from __future__ import annotations

import operator
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

from rdexplain.errors import OptionError, TargetError, unknown

_WNID = re.compile(r"n\d{8}")


@dataclass(frozen=True, slots=True)
class ClassName:
    """A class: its name, and its WordNet id (``n02123045``) and lemmas (synonyms) where it has them."""

    name: str
    wnid: str | None = None
    lemmas: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def as_class_names(classes: Iterable[str | ClassName]) -> tuple[ClassName, ...]:
    """Class names from plain strings or `ClassName`s, in index order, or from a dict of numbers to names.

    Raises:
        OptionError: one string, which would be taken letter by letter, or numbers that are not 0, 1, 2, ...
    """
    if isinstance(classes, str | Path):
        raise OptionError(f"classes is a list of names, not {str(classes)!r}: load_model(...) reads them from a file")
    if isinstance(classes, Mapping):
        if set(classes) != set(range(len(classes))):
            raise OptionError("classes is a list of names, or a dict of the numbers 0, 1, 2, ... to names")
        classes = [classes[index] for index in range(len(classes))]
    return tuple(name if isinstance(name, ClassName) else ClassName(str(name)) for name in classes)


def named_in(metadata: Any) -> tuple[ClassName, ...] | None:
    """The class names in a file's metadata: a list, or numbers to names; None for anything else."""
    if isinstance(metadata, dict):
        metadata = [metadata[index] for index in sorted(metadata)]
    return as_class_names(metadata) if isinstance(metadata, list) and metadata else None


class ClassIndex:
    """Finds the index of a class from what a person types."""

    def __init__(self, classes: Sequence[ClassName] | None) -> None:
        self._classes = classes
        # The first WordNet lemma ranks like the name: both of ImageNet's cranes are "crane", although one is also known
        # as "crane bird". Later lemmas are synonyms, searched only if no name or first lemma matches.
        self._headings: dict[str, list[int]] = defaultdict(list)
        self._lemmas: dict[str, list[int]] = defaultdict(list)
        self._wnids: dict[str, int] = {}
        for index, entry in enumerate(classes or ()):
            for heading in {plain_name(entry.name), *map(plain_name, entry.lemmas[:1])}:
                self._headings[heading].append(index)
            for lemma in set(map(plain_name, entry.lemmas)):
                self._lemmas[lemma].append(index)
            if entry.wnid:
                self._wnids[entry.wnid] = index

    def find(self, query: str | SupportsIndex) -> int:
        """The class index; see `Model.find_class`."""
        if not isinstance(query, str):
            try:
                return self._checked(operator.index(query))
            except TypeError:
                raise TargetError(f"a class is an index or a name, not {query!r}") from None
        text = query.strip()
        if re.fullmatch(r"[+-]?\d+", text):
            return self._checked(int(text))
        if self._classes is None:
            if unnamed := re.fullmatch(r"class (\d+)", plain_name(text)):  # as `Model.class_name` calls it
                return self._checked(int(unnamed[1]))
            raise TargetError(
                f"no class {text!r}: the model has no class names, give an index, or the names as classes"
            )
        if _WNID.fullmatch(text.lower()):
            if text.lower() in self._wnids:
                return self._wnids[text.lower()]
            raise TargetError(f"no class has the WordNet id {text}")
        plain = plain_name(text)
        found = self._headings.get(plain) or self._lemmas.get(plain)
        if not found:
            names = {entry.name for entry in self._classes}
            lemmas = {lemma for entry in self._classes for lemma in entry.lemmas}
            raise TargetError(unknown("class", text, names | lemmas))
        if len(found) > 1:
            listed = ", ".join(self._described(index) for index in found)
            raise TargetError(f"{text!r} may be {listed}: give the index or the WordNet id")
        return found[0]

    def _checked(self, index: int) -> int:
        if index < 0:
            raise TargetError(f"no class {index}: the first one is 0")
        if self._classes is not None and index >= len(self._classes):
            raise TargetError(f"no class {index}: the model has {len(self._classes)}, 0 to {len(self._classes) - 1}")
        return index

    def _described(self, index: int) -> str:
        assert self._classes is not None
        entry = self._classes[index]
        return " ".join(filter(None, (str(index), entry.wnid, entry.name)))


def plain_name(name: str) -> str:
    """A name without case, and with `_`, `-` and runs of blanks all one blank."""
    return " ".join(re.sub(r"[_-]", " ", name).casefold().split())

"""The panel of `compare`: sorts results into its rows and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from rdexplain.photos.images import Photo
from rdexplain.render import Cell, Compared, cell_of, comparison, save_figure
from rdexplain.render.words import amount, method_title
from rdexplain.work.outputs import Outputs
from rdexplain.work.photos import Result, undistorted

FILES = ("comparison.png", "comparison.pdf")
_FAILED = "this photo could not be explained"
_NO_MORE = "nothing more to explain in this photo"
Key = tuple[str, str, tuple[int, ...]]
"""The key of a row: a photo's source, a network or "", and the indices of a target, or its number in the photo."""


class Panel:
    """The contents of the panel.

    Of one network a row is a photo with a target, and a column a method. Of several networks and one method a column
    is a network, and each cell says what its network saw; of several methods a row is a photo, a network and a target.

    Args:
        names: the photos' names by their sources, in their order.
        networks: as the user calls them.
        methods: their names.
    """

    def __init__(self, names: Mapping[str, str], networks: Sequence[str], methods: Sequence[str]) -> None:
        self._names, self._networks, self._methods = names, list(networks), list(methods)
        self._across = len(networks) > 1 and len(methods) == 1
        self._photos: dict[str, Tensor] = {}
        self._rows: dict[Key, tuple[str, str]] = {}
        self._cells: dict[tuple[Key, str], Cell] = {}
        self._count: Counter[tuple[str, str]] = Counter()
        self._refused: dict[tuple[str, str], str] = {}
        self._missed: dict[tuple[str, str, str], str] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self._rows

    @property
    def all_refused(self) -> bool:
        """Whether no method can explain any of the networks."""
        return len(self._refused) == len(self._networks) * len(self._methods)

    def refuse(self, network: str, method: str, reason: str) -> None:
        """Note that a method cannot explain a network."""
        self._refused[network, method] = reason

    def miss(self, network: str, method: str, source: str, reason: str) -> None:
        """Note that one photo cannot be explained."""
        self._missed[network, method, source] = reason

    def add(self, network: str, method: str, result: Result, photo: Photo) -> None:
        """Add a result of one row."""
        source, target = photo.source, tuple(result.target[0].reshape(-1).tolist())
        if source not in self._photos:
            shown = undistorted(photo)
            self._photos[source] = result.images[0] if shown is None else shown
        cell = cell_of(result, self._photos[source])
        said = f"{result.labels[0]}, {amount(result, float(result.probability[0]))}"
        if self._across:
            key: Key = (source, "", (self._count[source, network],))
            self._rows.setdefault(key, (self._names[source], ""))
            self._cells[key, network] = replace(cell, label=said)
            self._count[source, network] += 1
            return
        key = (source, network if len(self._networks) > 1 else "", target)
        named = self._named(key)
        self._rows.setdefault(key, (named, said) if named else (said, ""))
        self._cells[key, method] = cell

    def save(self, outputs: Outputs) -> list[Path]:
        """Draw it and write it as `FILES`, all or none.

        Raises:
            OutputError: the folder is full, or gone.
        """
        columns = self._networks if self._across else self._methods
        rows = []
        for key in self._ordered():
            label, note = self._rows.get(key, (self._named(key), ""))
            cells = tuple(self._cells.get((key, name)) or self._missing(key, name) for name in columns)
            rows.append(Compared(self._photos[key[0]], label, cells, note))
        titles = self._networks if self._across else [method_title(name) for name in self._methods]
        foot = f"Explanations of {self._networks[0]}" if len(self._networks) == 1 else ""
        figure = comparison(titles, rows, f"Explanations by {method_title(self._methods[0])}" if self._across else foot)
        outputs.write("", {name: partial(save_figure, figure) for name in FILES})
        return [outputs.folder / name for name in FILES]

    def _ordered(self) -> list[Key]:
        """The rows, photo by photo and network by network, with a row for each network that gave no result."""
        keys = list(self._rows)
        if len(self._networks) > 1 and not self._across:
            there = {key[:2] for key in keys}
            keys += [(s, name, ()) for s in self._photos for name in self._networks if (s, name) not in there]
        photos, networks = list(self._names), ["", *self._networks]
        return sorted(keys, key=lambda key: (photos.index(key[0]), networks.index(key[1])))

    def _named(self, key: Key) -> str:
        """The label of a row: its photo's name where there are several, and its network."""
        return ", ".join(filter(None, (self._names[key[0]] if len(self._names) > 1 else "", key[1])))

    def _missing(self, key: Key, column: str) -> Cell:
        source = key[0]
        network = column if self._across else key[1] or self._networks[0]
        method = self._methods[0] if self._across else column
        if self._count[source, network]:
            return Cell(None, _NO_MORE)
        reason = self._refused.get((network, method)) or self._missed.get((network, method, source), _FAILED)
        return Cell(None, reason)

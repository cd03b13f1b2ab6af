"""Writes explanations as a report's scripts need them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rdexplain.work.reporting.items import Item
from rdexplain.work.reporting.pictures import write_pictures

RECORDS = "records"


class Entries:
    """Writes pictures and records to a report's folder, and collects the data for its scripts.

    Attributes:
        found: for each item its figures, names and files, ready for JSON; values that are None are left out.
    """

    def __init__(self, report: Path) -> None:
        self.found: list[dict[str, Any]] = []
        self._report = report
        self._groups: dict[str, int] = {}

    def add(self, item: Item) -> None:
        """Add an explanation."""
        number = len(self.found)
        links = dict(item.links)
        if item.record is not None:
            links["record"] = f"{RECORDS}/{number:06}.json"
            (self._report / RECORDS).mkdir(exist_ok=True)
            (self._report / links["record"]).write_text(json.dumps(item.record, indent=2) + "\n")
        entry = {
            "group": self._group(item.photo),
            "photo": item.photo,
            "method": item.method,
            "model": item.model,
            "label": item.label,
            "target": item.target,
            "true": item.true,
            "right": item.right,
            **item.figures,
            "image": None if item.image is None else write_pictures(item.image, item.shape, self._report),
            "picture": None if item.picture is None else write_pictures(item.picture, item.shape, self._report),
            "links": links,
        }
        self.found.append({name: value for name, value in entry.items() if value is not None})

    def _group(self, photo: str | None) -> int:
        """The number that all explanations of a photo share; of a photo without a name there is one explanation."""
        key = f"\0{len(self._groups)}" if photo is None else photo
        return self._groups.setdefault(key, len(self._groups))

"""Writes the page of a report, its scripts and its data. The data is a script, too, since no server could answer."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from rdexplain.text.names import printable
from rdexplain.text.versions import versions
from rdexplain.work.reporting.scores import scores_table

PAGE, DATA, RECORD, ASSETS = "index.html", "data.js", "report.json", "assets"
KIND, FORMAT = "rdexplain report", 1


def write_page(report: Path, source: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Write everything of a report but the pictures and the records.

    Args:
        source: the folder of the explanations.
    """
    files = resources.files("rdexplain.work.reporting") / "files"
    (report / ASSETS).mkdir()
    for file in files.iterdir():
        if file.name.endswith((".js", ".css")):
            (report / ASSETS / file.name).write_bytes(file.read_bytes())
    lines = ",\n".join(_as_script(entry) for entry in entries)
    (report / DATA).write_text(f'window.REPORT = {{"entries": [\n{lines}\n]}};\n')
    name = printable(source.resolve().name)
    page = Template((files / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(f"Explanations of {name}"), scores=scores_table(source)
    )
    (report / PAGE).write_text(page, encoding="utf-8")
    record = {"kind": KIND, "format": FORMAT, "source": str(source), "explanations": len(entries)}
    (report / RECORD).write_text(json.dumps(record | {"versions": versions()}, indent=2) + "\n")


def is_report(folder: Path) -> bool:
    """Whether a folder is a report."""
    try:
        return bool(json.loads((folder / RECORD).read_text())["kind"] == KIND)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _as_script(value: Any) -> str:
    """JSON in ASCII without `<`, so that a browser never reads it as HTML."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")

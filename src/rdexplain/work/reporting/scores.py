"""Shows the tables of evaluations that are in the folder of explanations."""

from __future__ import annotations

import csv
import html
from pathlib import Path

from rdexplain.evaluation.files import RECORD, SUMMARY
from rdexplain.text.names import printable


def scores_table(folder: Path) -> str:
    """The summaries of the evaluations in a folder and in the folders inside it, as HTML; nothing if there are none."""
    tables = [folder / SUMMARY, *sorted(folder.glob(f"*/{SUMMARY}"))]
    return "\n".join(_table(one) for one in tables if (one.parent / RECORD).is_file() and one.is_file())


def _table(path: Path) -> str:
    try:
        titles, *rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, ValueError, csv.Error):
        return ""  # not complete yet, or no evaluation's
    head = "".join(f'<th scope="col">{_text(title)}</th>' for title in titles)
    body = "\n".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<details class="scores"><summary>Evaluation {_text(path.parent.name)}</summary>\n'
        f'<div class="wide" tabindex="0" role="group" aria-label="Scores"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div></details>"
    )


def _text(text: str) -> str:
    return html.escape(printable(text))

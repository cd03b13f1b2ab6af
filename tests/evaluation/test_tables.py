"""The table of an evaluation: its numbers, its notebook form, and that names are text there."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdexplain.evaluation import Curve, CurveKey, Entry, Evaluation, ScoreKey, interval
from rdexplain.evaluation.tables import table
from rdexplain.work.evaluate import Evaluated

P = np.array([0.0, 50, 100])
HEIGHTS = (0.2, 0.4, 0.9)


class Page(HTMLParser):
    """The cells of a table, line by line, and the pictures."""

    def __init__(self, text):
        super().__init__()
        self.lines, self.pictures, self.tags = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "tr":
            self.lines.append([])
        if tag in ("td", "th"):
            self.lines[-1].append("")
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])

    def handle_data(self, data):
        if self.lines and self.lines[-1] and self.tags[-1] in ("td", "th"):
            self.lines[-1][-1] += data


def evaluation(curves=True):
    """Three photos, a flat curve each, by a method whose name is markup; another that is not applicable."""
    entries = [Entry(f"{place}.jpg", f"{place:016x}", "3", "cat", "<b>a", "pixel", True) for place in range(3)]
    pairs = list(zip(entries, HEIGHTS, strict=True))
    flat = {CurveKey(entry, "keep"): Curve(P, P / 100, {"l2": np.full(3, height)}, 8) for entry, height in pairs}
    scores = {ScoreKey(entry, "deletion"): 2 * height for entry, height in pairs}
    return Evaluation(flat if curves else {}, scores, {"lrp": "no rule for Swish"})


def evaluated(found):
    return Evaluated(Path("out<put"), found, ["<b>a", "lrp"], "l2", "share", 0, 4, 3)


def test_the_numbers_are_means_with_their_intervals():
    found = table(evaluation(), ["<b>a", "lrp"], "l2")
    # A flat curve has the same area over p and over log p.
    assert found.titles == ["l2 kept, pixels ↓", "l2 kept, pixels, log p ↓", "deletion ↓"]
    assert found.areas == (1, 1)
    assert found.cells["lrp"] == ["not applicable"] * 3
    for cell, factor, star in zip(found.cells["<b>a"], (1, 1, 2), ("*", "*", ""), strict=True):
        expected = interval([factor * height for height in HEIGHTS])
        mean, half = cell.removesuffix("*").split(" ±")
        assert float(mean) == pytest.approx(factor * 0.5, abs=5e-4)
        assert float(half) == pytest.approx((expected.high - expected.low) / 2, abs=5e-4)
        assert cell.endswith("*") == bool(star)


def test_in_a_notebook():
    page = Page(evaluated(evaluation())._repr_html_())
    expected = table(evaluation(), ["<b>a", "lrp"], "l2")
    head, *lines = page.lines
    assert head == ["", "<b>a", "lrp"]
    cells = zip(expected.titles, *expected.cells.values(), strict=True)
    assert lines == [list(line) for line in cells]
    assert page.tags.count("b") == 1  # the folder's
    (source,) = page.pictures
    with Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,")))) as picture:
        assert picture.width > 600
    assert not Page(evaluated(evaluation(curves=False))._repr_html_()).pictures

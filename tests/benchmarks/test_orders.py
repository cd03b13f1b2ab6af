"""The comparison of orders, on explanations made here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import orders
from rdexplain import CartoonX
from rdexplain.evaluation import ORDERS, paired_difference
from rdexplain.models import as_model


def test_each_order_is_compared_with_a_random_one(smooth_network, make_photos, tmp_path):
    model = as_model(smooth_network())
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    for photo in range(2):
        method = CartoonX(model, wavelet="haar", levels=2, steps=4, draws=2)
        found = method.explain(make_photos(2, 16)[photo : photo + 1], 1, photos=[f"{photo}.png"])
        found.save(tmp_path / "one" / f"{photo}")
        replace(found, order=[255 - band for band in found.order]).save(tmp_path / "two" / f"{photo}")
    said: list[str] = []
    folders, results = [tmp_path / "one", tmp_path / "two"], tmp_path / "rows.json"
    rows = orders.measure(folders, model, results, said.append)
    assert len(said) == 4
    names = {"one", "two", "sensitivity alone", *ORDERS} - {"kept"}
    for domain in ("wavelet", "pixel"):
        assert {row["order"] for row in rows if row["domain"] == domain} == names
    assert orders.measure(folders, model, results, said.append) == rows
    assert len(said) == 4  # what is there is not measured again
    table = {(line["domain"], line["order"]): line for line in orders.summary(rows)}
    line = table["wavelet", "two"]
    mine, other = (
        [row["7a"] for row in rows if (row["domain"], row["order"]) == ("wavelet", name)] for name in ("two", "random")
    )
    assert line["7a"] == pytest.approx(sum(mine) / 2)
    assert line["7a difference"] == paired_difference(mine, other)
    assert table["wavelet", "random"]["7b difference"].mean == 0


def test_a_photo_counts_once_whatever_its_seeds():
    rows = [
        {"method": "m", "domain": "pixel", "order": order, "photo": photo, "zero": 0.5}
        | dict.fromkeys(orders.FIGURES, value)
        for order, values in {"random": (1, 3, 5), "time": (1, 1, 2)}.items()
        for photo, value in zip("aab", values, strict=True)
    ]
    line = orders.summary(rows)[1]
    assert (line["photos"], line["7a"]) == (2, 1.5)
    assert line["7a difference"].mean == pytest.approx(((1 - 2) + (2 - 5)) / 2)

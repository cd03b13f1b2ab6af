"""Each recipe's verdicts on results made by hand: the study's claims where they are true, and where they are false."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rdexplain.evaluation import Entry
from rdexplain.work.requests import PROTOCOLS
from rdexplain.work.studies import Known, Plan, figures, find_recipes
from rdexplain.work.studies.recipe import Results, Row, Unit
from rdexplain.work.studies.scene_claims import Claims
from rdexplain.work.studies.verdict import FEWEST

PHOTOS = tuple(Known(f"photo {number}", f"{number:016x}", 0, 0) for number in range(FEWEST))
OUTCOME = {True: "holds", False: "does not hold"}
both_ways = pytest.mark.parametrize("true", [True, False])
by_both = pytest.mark.parametrize("protocol", PROTOCOLS)


def spread(unit: Unit) -> float:
    """A little that differs from photo to photo, as photos do."""
    return 0.01 * PHOTOS.index(unit.photo)


def conclude(tmp_path, name: str, protocol: str, row_of: Callable[[Unit], list[Row] | None], **changes):
    """A recipe's verdicts on the results that each unit is given; without one, its network cannot be had."""
    (recipe,) = find_recipes([name])
    plan = Plan(protocol, "tiny", ("tiny",), 40, 0, PHOTOS, **changes)
    found = {}
    for unit in recipe.units(plan):
        rows = row_of(unit)
        found[unit.name] = {"not_applicable": "not here"} if rows is None else {"rows": rows}
    return recipe.conclude(plan, Results(tmp_path, found)).verdicts


def curves(unit: Unit, kept: float, randomised: float, early: float, agreement: float) -> list[Row]:
    """Flat curves; `early` is what randomising the top 1 % does."""
    percentages = np.array(unit.measured["percentages"])
    flat, rows = np.ones_like(percentages), []
    own = "wavelet" if unit.method in ("cartoonx", "random_wavelet") else "pixel"
    for domain in dict.fromkeys(own if name == "own" else name for name in unit.measured["domains"]):
        entry = Entry(unit.photo.source, unit.photo.key, "0", "class", unit.method, domain, domain == own)
        for mode, level in (("keep", kept), ("randomise", np.where(percentages == 1, early, randomised))):
            measures = {"l2": flat * (level + spread(unit)), "agreement": flat * (agreement - spread(unit))}
            measures = {measure: values.tolist() for measure, values in measures.items()}
            axis = {"percentages": percentages.tolist(), "share": (percentages / 100).tolist()}
            rows.append({**entry._asdict(), "mode": mode, **axis, "measures": measures, "draws": 1})
    return rows


@both_ways
@by_both
def test_figure_5(true, protocol, tmp_path):
    def rows(unit):
        best = (unit.method == "cartoonx") == true
        return curves(unit, *((0.2, 0.5, 0.6, 0.8) if best else (0.4, 0.3, 0.1, 0.6)))

    verdicts = conclude(tmp_path, "figure-5", protocol, rows)
    claims = [one.claim for one in verdicts]
    assert len(claims) == (14 if protocol == "published" else 62)
    assert "Randomising the top 1 % of CartoonX distorts more than that of Pixel RDE" in claims
    assert "CartoonX distorts more, randomised, than SmoothGrad, each in its own domain" in claims
    assert {one.outcome for one in verdicts} == {OUTCOME[true]}


@both_ways
@by_both
def test_accuracy(true, protocol, tmp_path):
    def rows(unit):
        return curves(unit, 0.3, 0.3, 0.3, 0.8 if (unit.method == "cartoonx") == true else 0.6)

    verdicts = conclude(tmp_path, "accuracy", protocol, rows)
    assert len(verdicts) == (6 if protocol == "published" else 30)
    others = len(verdicts) if protocol == "published" else 10  # those of one domain belong together
    assert {(one.family, one.holm) for one in verdicts} == {(others, others * 2.0 ** (1 - FEWEST))}
    assert {one.outcome for one in verdicts} == {OUTCOME[true]}


@both_ways
@by_both
def test_figure_6(true, protocol, tmp_path):
    """The least distortion of all steps is that of the start: it must not decide."""

    def rows(unit):
        sparsity, sign = unit.options["sparsity"] / 64, 1 if true else -1
        worse = 0.2 if (unit.method == "pixel_rde") == true else 0.0
        row = {"distortion": 0.3 + sign * 0.1 * sparsity + worse, "non_sparsity": 0.3 - sign * 0.1 * sparsity}
        least = {
            f"least_{name}_{mark}": 1e-14 * (2 if unit.method == "cartoonx" else 1)
            for mark in unit.measured.get("marks", ())
            for name in row
        }
        return [{name: value + spread(unit) for name, value in row.items()} | least]

    verdicts = conclude(tmp_path, "figure-6", protocol, rows)
    assert len(verdicts) == 5
    assert {one.outcome for one in verdicts} == {OUTCOME[true]}


@by_both
@pytest.mark.parametrize("true", [True, False])
def test_table_1(true, protocol, tmp_path):
    """Claims under the own and under one common noise are told apart."""

    def rows(unit):
        scaled = unit.options["noise_scaling"] != "original"
        own, common = (0.2, 0.9) if scaled == true else (0.5, 0.5)
        own += spread(unit)
        of_last = own if protocol == "published" else 9.0
        of_fresh = 9.0 if protocol == "published" else own
        return [{"distortion": of_fresh, "last_distortion": of_last, "common_distortion": common + spread(unit)}]

    verdicts = conclude(tmp_path, "table-1", protocol, rows)
    own, common = ([one for one in verdicts if noise in one.claim] for noise in ("its own noise", "one common noise"))
    assert (len(own), len(common)) == (3, 3)
    assert {one.outcome for one in own} == {OUTCOME[true]}
    assert {one.outcome for one in common} == {OUTCOME[not true]}
    assert all(("% less, mean over photos" in one.ours) == true for one in own)
    assert all(("% more, mean over photos" in one.ours) == true for one in common)


@both_ways
@by_both
def test_figure_10(true, protocol, tmp_path):
    def rows(unit):
        if unit.kind == "mask":  # the picture, which is for the eye
            return None
        return curves(unit, 0.2 if (unit.method == "cartoonx") == true else 0.4, 0.3, 0.3, 0.5)

    verdict, picture = conclude(tmp_path, "figure-10", protocol, rows)
    assert verdict.claim == "CartoonX distorts less, kept, than random wavelets, on tiny"
    assert (verdict.outcome, picture.outcome) == (OUTCOME[true], "cannot be tested here")


@both_ways
def test_figures_8_and_9(true):
    more, less = (0.8, 0.3) if true else (0.3, 0.8)
    photos = [
        [
            {
                "collapsed": False,
                "kept_inside": more - 0.01 * number,
                "area_inside": less,
                "photo_inside": less,
                "retained_of_own": more - 0.01 * number,
                "retained_of_others": less,
            }
        ]
        for number in range(FEWEST)
    ]
    verdicts = Claims("the box", "the other boxes", "alone").judged("cartoonx", False, photos, [], 0, 0)
    assert len(verdicts) == 3
    assert {one.outcome for one in verdicts} == {OUTCOME[true]}


@both_ways
@by_both
@pytest.mark.parametrize(("name", "claims"), [("shearletx-conciseness", 12), ("shearletx-hallucination", 4)])
def test_shearletx(true, protocol, name, claims, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "pictures", lambda *given: Figure())  # nothing was explained

    def rows(unit):
        best = (unit.method == "shearletx") == true
        more, less = (2.0, 0.1) if best else (1.0, 0.4)
        scores = dict.fromkeys(("cp_entropy", "cp_l1", "cp_l1_pixel"), more + spread(unit))
        return [scores | {"hallucination": less + spread(unit)}]

    verdicts = conclude(tmp_path, name, protocol, rows)
    assert len(verdicts) == claims
    assert {one.outcome for one in verdicts} == {OUTCOME[true]}
    gap = {"shearletx-conciseness": 1, "shearletx-hallucination": -0.3}[name] * (1 if true else -1)
    assert verdicts[0].ours.endswith(f"difference {gap:g} [{gap:g}, {gap:g}]")


@both_ways
@by_both
def test_startgrad(true, protocol, tmp_path):
    def rows(unit):
        best = (unit.options["init"] == "gradient") == true
        return [{"retained": (0.9 if best else 0.5) + spread(unit)}]

    verdicts = conclude(tmp_path, "startgrad", protocol, rows)
    known = ["means 0.537 and 0.330", "means 0.895 and 0.637", "means 0.948 and 0.893"]
    assert [one.published for one in verdicts[::2]] == known
    assert len(verdicts) == 6
    assert {one.outcome for one in verdicts} == {OUTCOME[true]}


def test_a_score_that_is_defined_for_no_photo_decides_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "pictures", lambda *given: Figure())

    def rows(unit):
        return [{"cp_entropy": 1.0, "cp_l1": 2.0}]

    verdicts = conclude(tmp_path, "shearletx-conciseness", "corrected", rows)
    (undefined,) = (one for one in verdicts if "CP-l1, pixels" in one.claim)
    assert undefined.why == "it is defined for no photo"
    verdicts = conclude(tmp_path, "startgrad", "corrected", lambda unit: None)
    assert [(one.outcome, one.why) for one in verdicts] == [("cannot be tested here", "not here")]


def test_a_long_note_stays_inside_a_narrow_figure():
    figure = Figure(figsize=(5, 3))
    FigureCanvasAgg(figure)
    figures.stamp(figure, "Figure 8", "a_network_of_some_length.onnx  ·  corrected protocol  ·  scaled: 8 of 12 photos")
    note = figure.texts[-1]
    assert note.get_text().count("\n") == 1
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 for text in figure.texts)

"""Areas, intervals, joining and files."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rdexplain.errors import OptionError, RDExplainError
from rdexplain.evaluation import (
    Curve,
    CurveKey,
    Entry,
    Evaluation,
    ScoreKey,
    area,
    bootstrap,
    differences,
    interval,
    load_evaluation,
    log_area,
    merge,
    paired_difference,
    save_evaluation,
    summary,
)

P = np.array([0.0, 10, 50, 100])


def evaluation(photos, methods=("a", "b"), seed=0) -> Evaluation:
    """Numbers that are a function of the photo and the method."""
    curves, scores = {}, {}
    for photo in photos:
        for place, method in enumerate(methods):
            random = np.random.default_rng([seed, photo, place])
            for domain in ("pixel", "wavelet"):
                entry = Entry(f"{photo}.jpg", f"{photo:016x}", "3", "cat", method, domain, domain == "pixel")
                for mode in ("keep", "randomise"):
                    measures = {name: random.random(4) for name in ("l2", "label", "agreement")}
                    curves[CurveKey(entry, mode)] = Curve(P, P / 100, measures, 8)
                scores[ScoreKey(entry, "sparseness")] = random.random()
    return Evaluation(curves, scores)


def test_areas():
    assert area([0, 0.5, 1], [1, 0, 1]) == pytest.approx(0.5)
    assert area([0, 0.1, 1], [0, 1, 1]) == pytest.approx(0.95)
    x, y = np.sort(np.random.default_rng(1).random((3, 9))), np.random.default_rng(2).random((3, 9))
    assert area(x, y) == pytest.approx(np.trapezoid(y, x, axis=1))
    with pytest.raises(OptionError, match="at least two"):
        area([0.5], [1])
    with pytest.raises(OptionError, match="rising"):
        area([0, 0.5, 0.4], [1, 1, 1])


def test_the_bootstrap_is_scipys():
    values = np.random.default_rng(3).gamma(2, size=40)
    mean, low, high = bootstrap(values, resamples=20000)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_the_bootstrap_by_numpy():
    values = np.random.default_rng(5).random((7, 3))
    mean, low, high = bootstrap(values, seed=9, resamples=500, level=0.9)
    chosen = np.random.Generator(np.random.Philox(9)).integers(0, 7, (500, 7))
    means = values[chosen].mean(axis=1)
    assert mean == pytest.approx(values.mean(axis=0))
    assert low == pytest.approx(np.quantile(means, 0.05, axis=0))
    assert high == pytest.approx(np.quantile(means, 0.95, axis=0))
    # A column's interval is the same whatever stands beside it.
    assert bootstrap(values[:, 1], seed=9, resamples=500, level=0.9)[1] == pytest.approx(low[1])


def test_two_photos_have_an_interval():
    """Drawn twice with replacement: both the one, both the other, or their mean half of the time."""
    mean, low, high, photos = interval([0.25, 0.75])
    assert (mean, low, high, photos) == (0.5, 0.25, 0.75, 2)


def test_one_photo_has_no_interval():
    mean, low, high, photos = interval([0.3])
    assert (mean, photos) == (0.3, 1)
    assert np.isnan([low, high]).all()


def test_what_differs_between_photos_cancels():
    photos = np.random.default_rng(6).normal(size=30)
    shift = 0.1 + 0.001 * np.random.default_rng(7).normal(size=30)
    found = paired_difference(list(photos + shift), list(photos))
    assert found.mean == pytest.approx(0.1, abs=1e-3)
    assert 0 < found.high - found.low < 0.002
    with pytest.raises(OptionError, match="cannot be paired"):
        paired_difference([1], [1, 2])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_joined_parts_are_the_whole(parts):
    """Photo i is evaluated in part parts[i]; some parts may be empty, and the parts come in any order."""
    whole = evaluation(range(len(parts)))
    pieces = [evaluation([photo for photo, part in enumerate(parts) if part == which]) for which in (2, 0, 3, 1)]
    joined = merge(*pieces)
    assert joined == merge(whole)
    assert merge(merge(*pieces[:2]), merge(*pieces[2:])) == joined
    assert merge(joined, pieces[0]) == joined
    for one, other in zip(summary(joined), summary(whole), strict=True):
        np.testing.assert_equal(tuple(one.value), tuple(other.value))
        assert (one.method, one.figure) == (other.method, other.figure)


def test_parts_that_contradict_each_other():
    with pytest.raises(OptionError, match=r"different curves of 0\.jpg by a in pixels \(keep\)"):
        merge(evaluation([0]), evaluation([0], seed=1))


def test_the_summary_by_hand():
    whole = evaluation([2, 0, 1])
    found = {(line.method, *line.figure[:3]): line for line in summary(whole)}
    curves = [
        curve for (entry, mode), curve in sorted(whole.curves.items(), key=lambda item: item[0].entry.key)
        if (entry.method, entry.domain, mode) == ("b", "wavelet", "keep")
    ]  # fmt: skip
    areas = [np.trapezoid(curve.measures["l2"], P / 100) for curve in curves]
    line = found["b", "l2", "keep", "wavelet"]
    assert line.value.mean == pytest.approx(np.mean(areas))
    assert line.value == interval(areas)
    assert (line.figure.own, line.figure.better) == (False, "lower")
    better = {key[1:3]: line.figure.better for key, line in found.items()}
    assert better["l2", "randomise"] == "higher"
    assert better["agreement", "keep"] == "higher"
    assert better["agreement", "randomise"] == "lower"
    assert better["sparseness", ""] == "higher"
    (pair,) = (x for x in differences(whole) if x.figure == found["a", "l2", "keep", "pixel"].figure)
    expected = found["a", "l2", "keep", "pixel"].value.mean - found["b", "l2", "keep", "pixel"].value.mean
    assert (pair.first, pair.second) == ("a", "b")
    assert pair.value.mean == pytest.approx(expected)
    assert pair.value.low < expected < pair.value.high


def test_two_targets_of_a_photo_are_one_photo():
    """Its figure is the mean over its targets; in a difference the mean over those that both methods have."""

    def scores(method, numbers):
        return {
            ScoreKey(Entry(f"{photo}.jpg", f"{photo:016x}", target, "cat", method, "pixel", True), "sparseness"): value
            for (photo, target), value in numbers.items()
        }

    first = {(0, "1"): 0.2, (0, "2"): 0.6, (1, "1"): 0.9, (2, "1"): 0.1, (2, "3"): 0.2}
    second = {(0, "1"): 0.1, (0, "2"): 0.1, (1, "1"): 0.5, (2, "3"): 0.5, (3, "1"): 0.7}
    whole = Evaluation({}, scores("a", first) | scores("b", second))
    one, two = summary(whole)
    assert tuple(one.value) == pytest.approx(interval([0.4, 0.9, 0.15]))
    assert (one.value.photos, one.value.mean) == (3, pytest.approx((0.4 + 0.9 + 0.15) / 3))
    assert tuple(two.value) == pytest.approx(interval([0.1, 0.5, 0.5, 0.7]))
    (pair,) = differences(whole)
    assert pair.value.photos == 3
    assert pair.value.mean == pytest.approx(((0.1 + 0.5) / 2 + 0.4 - 0.3) / 3)
    expected = interval([0.3, 0.4, -0.3])
    assert (pair.value.low, pair.value.high) == pytest.approx((expected.low, expected.high))
    # Two targets of one photo say nothing about other photos.
    alone = Evaluation({}, scores("a", {(0, "1"): 0.2, (0, "2"): 0.6}))
    (line,) = summary(alone)
    assert (line.value.mean, line.value.photos) == (pytest.approx(0.4), 1)
    assert np.isnan(line.value.low)


def test_what_has_a_sign_is_not_better_the_lower_it_is(tmp_path, capsys):
    """Two explanations of opposite orders are as much alike as two of the same: neither is far from the other."""
    from rdexplain.cli.evaluation_table import print_evaluation

    entry = Entry("0.jpg", "0", "3", "cat", "a", "pixel", True)
    one = Evaluation({}, {ScoreKey(entry, "randomisation_rank"): -0.9, ScoreKey(entry, "randomisation_ssim"): 0.1})
    assert {line.figure.score: line.figure.better for line in summary(one)} == {
        "randomisation_rank": "zero",
        "randomisation_ssim": "zero",
    }
    print_evaluation(one, ["a"], "l2")
    assert "randomisation_rank →0" in capsys.readouterr().out
    save_evaluation(one, tmp_path)
    with (tmp_path / "summary.csv").open() as lines:
        assert {row["better"] for row in csv.DictReader(lines)} == {"zero"}


def test_areas_over_what_was_asked_for_or_what_was_kept():
    entry = Entry("0.jpg", "0", "3", "cat", "a", "wavelet", True)
    shares = np.array([0, 0.5, 0.5, 1])
    one = Evaluation({CurveKey(entry, "keep"): Curve(P, shares, {"l2": np.array([1.0, 1, 0, 0])}, 8)})
    assert summary(one)[0].value.mean == pytest.approx(0.5)
    assert summary(one, over="percentage")[0].value.mean == pytest.approx(0.1 + 0.4 / 2)


def test_files(tmp_path):
    whole = merge(evaluation(range(3)), Evaluation(not_applicable={"lrp": "no rule for Swish"}))
    save_evaluation(whole, tmp_path, record={"model": "tiny"})
    assert load_evaluation(tmp_path) == whole
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "differences.csv",
        "evaluation.json",
        "rows.parquet",
        "scores.parquet",
        "summary.csv",
    ]
    from pyarrow import parquet

    rows = parquet.read_table(tmp_path / "rows.parquet")
    assert rows.num_rows == 3 * 2 * 2 * 2 * 4
    assert {"photo", "method", "domain", "mode", "percentage", "share", "l2", "label"} <= set(rows.column_names)
    with (tmp_path / "summary.csv").open() as lines:
        table = list(csv.DictReader(lines))
    expected = summary(whole)
    assert [row["method"] for row in table] == [line.method for line in expected]
    assert [float(row["low"]) for row in table] == pytest.approx([line.value.low for line in expected], rel=1e-4)
    # Parts that were measured with other distortions can lie in one file.
    joined = merge(whole, _only_l2(evaluation([7])))
    save_evaluation(joined, tmp_path)
    assert load_evaluation(tmp_path).curves == joined.curves


def _only_l2(one: Evaluation) -> Evaluation:
    curves = {key: Curve(x.percentages, x.share, {"l2": x.measures["l2"]}, x.draws) for key, x in one.curves.items()}
    return Evaluation(curves, one.scores)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(RDExplainError, match="holds no evaluation that can be read"):
        load_evaluation(tmp_path)
    save_evaluation(evaluation([1]), tmp_path)
    (tmp_path / "rows.parquet").write_text("rubbish")
    with pytest.raises(RDExplainError, match="holds no evaluation that can be read"):
        load_evaluation(tmp_path)
    save_evaluation(evaluation([1]), tmp_path, record={"format": 99})
    with pytest.raises(RDExplainError, match="newer rdexplain"):
        load_evaluation(tmp_path)


def test_a_folder_is_made_where_its_parent_is(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone/deeper'$"):
        save_evaluation(evaluation([1]), tmp_path / "gone" / "deeper")
    save_evaluation(evaluation([1]), tmp_path / "new")
    assert load_evaluation(tmp_path / "new").curves


def test_the_area_over_log_p_by_hand():
    """Of y = a + b log10 p the mean over log10 p from 0.001 to 1, which the trapezoid rule gives exactly."""
    shares = np.array([0.0, 0.001, 0.004, 0.03, 0.5, 1.0])
    values = np.concatenate(([99.0], 0.7 + 0.2 * np.log10(shares[1:])))
    assert log_area(shares, values) == pytest.approx(0.7 + 0.2 * -3 / 2)
    # Two tenfolds at 1, then one that falls to 0: (1 + 1 + 1/2) / 3.
    assert log_area([0, 0.001, 0.01, 0.1, 1], [5, 1, 1, 1, 0]) == pytest.approx(2.5 / 3)
    # A share that comes twice adds nothing, and rows stand by themselves.
    assert log_area([[0.1, 0.1, 1], [0, 0.5, 1]], [[9, 1, 3], [9, 2, 4]]) == pytest.approx([2, 3])
    assert np.isnan(log_area([0, 0, 1], [1, 1, 0]))
    with pytest.raises(OptionError, match="rising order"):
        log_area([0.5, 0.1, 1], [0, 0, 0])


def test_the_summary_has_the_area_over_log_p_beside_the_linear_one(tmp_path):
    whole = evaluation([2, 0, 1])
    for line in summary(whole):
        areas = [
            float(log_area(curve.share, curve.measures[line.figure.score]))
            for (entry, mode), curve in sorted(whole.curves.items(), key=lambda item: item[0].entry.key)
            if (entry.method, entry.domain, mode) == (line.method, line.figure.domain, line.figure.mode)
        ]
        assert line.log == (interval(areas) if areas else None)
    save_evaluation(whole, tmp_path)
    for name, lines in (("summary.csv", summary(whole)), ("differences.csv", differences(whole))):
        with (tmp_path / name).open() as rows:
            for row, line in zip(csv.DictReader(rows), lines, strict=True):
                cells = [row["log_mean"], row["log_low"], row["log_high"]]
                assert cells == (["", "", ""] if line.log is None else [f"{value:.6g}" for value in line.log[:3]])
    (pair,) = (x for x in differences(whole) if x.figure[:3] == ("l2", "keep", "pixel"))
    first, second = (line for line in summary(whole) if line.figure[:3] == ("l2", "keep", "pixel"))
    assert pair.log.mean == pytest.approx(first.log.mean - second.log.mean)


def test_an_area_over_log_p_that_is_not_defined_is_left_out():
    entry = Entry("0.jpg", "0", "3", "cat", "a", "wavelet", True)
    one = Evaluation({CurveKey(entry, "keep"): Curve(P, np.array([0, 1.0, 1, 1]), {"l2": np.ones(4)}, 8)})
    assert summary(one)[0].log is None
    assert summary(one, over="percentage")[0].log.mean == pytest.approx(1)

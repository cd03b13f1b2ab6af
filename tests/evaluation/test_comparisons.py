"""P-values of differences, and their correction for the number of comparisons."""

from __future__ import annotations

import csv
import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rdexplain.evaluation import (
    Entry,
    Evaluation,
    ScoreKey,
    compared,
    differences,
    holm,
    interval,
    p_value,
    save_evaluation,
)
from rdexplain.evaluation.statistics import P_RESAMPLES


def test_holm_by_hand():
    """4 * 0.005, 3 * 0.01, 2 * 0.03, and 1 * 0.04, which is no less than the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.03]) == [0.03]
    assert holm([0.4, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []


def test_what_was_not_compared_does_not_count():
    found = holm([0.01, math.nan, 0.04])
    assert found[::2] == pytest.approx([0.02, 0.04])
    assert math.isnan(found[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(p):
    """A claim stands where every set of claims with it in it is significant as a whole, by the set's own Bonferroni."""
    places = range(len(p))
    sets = [some for size in range(1, len(p) + 1) for some in combinations(places, size)]
    whole = {some: min(1.0, len(some) * min(p[place] for place in some)) for some in sets}
    expected = [max(value for some, value in whole.items() if place in some) for place in places]
    assert holm(p) == pytest.approx(expected)


def test_the_p_value_by_all_resamples():
    sample = [0.3, 0.2, -0.1, 0.25, -0.05, 0.1]
    means = np.array([np.mean(chosen) for chosen in product(sample, repeat=6)])
    expected = 2 * min((means <= 1e-12).mean(), (means >= -1e-12).mean())
    assert 0.03 < expected < 0.2
    assert p_value(sample) == pytest.approx(expected, abs=0.01)
    assert p_value([-one for one in sample]) == p_value(sample)


def test_the_p_value_by_scipys_bootstrap():
    sample = np.random.default_rng(1).normal(0.4, 1, 25)
    drawn = stats.bootstrap((sample,), np.mean, n_resamples=40000, rng=np.random.default_rng(2)).bootstrap_distribution
    expected = 2 * min((drawn <= 0).mean(), (drawn >= 0).mean())
    assert 0.01 < expected < 0.5
    assert p_value(sample) == pytest.approx(expected, abs=0.015)


def test_few_photos_can_say_little():
    """That n fair coins fall alike, on either side, has the probability 2 / 2^n."""
    for photos in (1, 2, 6, 9):
        assert p_value([0.1 + 0.01 * place for place in range(photos)]) == 2 * 0.5**photos
    assert p_value([0.1] * 30) == 2 / (P_RESAMPLES + 1)
    assert p_value([0.0] * 30) == 1
    assert math.isnan(p_value([]))
    assert math.isnan(p_value([0.1, math.nan]))


def test_many_comparisons_do_not_hide_a_clear_difference():
    """The resamples are many enough for all pairs of 22 methods."""
    assert holm([p_value([0.1] * 20)] * math.comb(22, 2))[0] < 0.05


def test_the_p_value_agrees_with_the_interval():
    agreed = 0
    for seed in range(60):
        sample = np.random.default_rng(seed).normal(0.6, 1, 12)
        found = compared(sample)
        assert found[:4] == interval(sample)
        if not 0.04 < found.p < 0.06:
            assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
            agreed += found.p < 0.05
    assert 10 < agreed < 55


def test_all_pairs_by_one_figure_are_a_family(tmp_path):
    """Photo by photo a is above b and c; b and c differ little. Another score is another family."""
    numbers = {"a": 0.5, "b": 0.2, "c": 0.2}
    scores, random = {}, np.random.default_rng(3)
    for photo in range(12):
        for method, value in numbers.items():
            own = method != "c"
            entry = Entry(f"{photo}.jpg", f"{photo:016x}", "3", "cat", method, "pixel", own)
            scores[ScoreKey(entry, "sparseness")] = value + 0.1 * random.random()
            if method != "c":
                scores[ScoreKey(entry, "complexity")] = value + 0.1 * random.random()
    found = differences(Evaluation({}, scores))
    pairs = {(pair.figure.score, pair.first, pair.second): pair for pair in found}
    assert len(pairs) == 4
    family = [pairs["sparseness", *both] for both in (("a", "b"), ("a", "c"), ("b", "c"))]
    clear, also, close = (pair.value.p for pair in family)
    assert clear == also == 2.0**-11
    assert close > 0.05
    assert [pair.holm for pair in family] == pytest.approx([3 * clear, 3 * clear, close])
    alone = pairs["complexity", "a", "b"]
    assert alone.holm == alone.value.p
    save_evaluation(Evaluation({}, scores), tmp_path)
    with (tmp_path / "differences.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["p"] for row in rows] == [f"{pair.value.p:.6g}" for pair in found]
    assert [row["holm"] for row in rows] == [f"{pair.holm:.6g}" for pair in found]
    assert {row["log_holm"] for row in rows} == {""}

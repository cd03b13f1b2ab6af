"""The published arithmetic against loops written here, verdicts, and scaling to a budget."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from rdexplain.errors import OptionError
from rdexplain.evaluation.statistics import Comparison, compared
from rdexplain.photos.images import Photo
from rdexplain.work.studies import Scale, find_recipes
from rdexplain.work.studies.budget import GROUPS, fit
from rdexplain.work.studies.plan import find_difference
from rdexplain.work.studies.published import improvement, over_own_norm, published_area, published_curve
from rdexplain.work.studies.tradeoff import SPARSITIES, STEPS, marks, unit_of, value
from rdexplain.work.studies.verdict import judge, together
from rdexplain.work.studies.work import KINDS, Context


def test_figure_6_takes_the_least_of_all_steps_so_far(make_plan, model, make_photos, tmp_path):
    """Against the loop of the scripts: lists that are not reset between 100, 500 and 2000 steps."""
    plan = make_plan("published", Scale(photos=1, effort=0.005))
    unit = unit_of(plan, plan.photos[0], "pixel_rde", SPARSITIES[1], STEPS[-1])
    # From ones the least distortion is that of the start, zero but for rounding.
    unit = replace(unit, options=unit.options | {"init": "random"})
    from rdexplain import PixelRDE

    images = make_photos(1, 40)
    context = Context(plan, lambda name: model, tmp_path)
    photo = Photo("photo", unit.photo.source, images[0], (40, 40), "squash")
    ((row,),) = KINDS["mask"](context, [unit], model, [photo])
    expected, distortions, rates = {}, [], []
    for steps in STEPS:
        options = unit.options | {"steps": marks(plan, steps)}
        history = PixelRDE(model, **options, seed=0).explain(images).history
        distortions += history["distortion"][:, 0].tolist()
        rates += history["non_sparsity"][:, 0].tolist()
        expected[steps] = (min(distortions), min(rates))
    results = SimpleNamespace(of=lambda u: {"rows": [row]})
    for steps in STEPS:
        found = tuple(value(plan, results, unit, measure, steps) for measure in ("distortion", "non_sparsity"))
        assert found == pytest.approx(expected[steps], rel=1e-5, abs=0)
        assert found[0] > 1e-8


def test_figure_6_divides_a_vector_by_its_own_norm():
    values = [0.4, 0.3, 0.2, 0.1, 0.7]
    norm = math.sqrt(sum(one * one for one in values))
    assert over_own_norm(values).tolist() == pytest.approx([one / norm for one in values])
    assert over_own_norm([0.0, 0.0]).tolist() == [0.0, 0.0]


def test_table_1_is_a_mean_of_ratios_and_not_a_ratio_of_means():
    original, other = [0.02, 0.01, 0.004], [0.01, 0.002, 0.004]
    ratios = 0.0
    for before, after in zip(original, other, strict=True):
        ratios += (before - after) / before
    of_ratios, of_means = improvement(original, other)
    assert of_ratios == pytest.approx(ratios / 3)
    assert of_means == pytest.approx((sum(original) - sum(other)) / sum(original))
    assert of_ratios != pytest.approx(of_means)


def test_published_areas_are_those_of_the_data():
    """The areas of docs/reproduction/details.md, and the value at 1 % of 7b."""
    areas = {name: published_area("7a", name) for name in ("cartoonx", "smooth_grad", "random_wavelet", "pixel_rde")}
    assert areas == pytest.approx(
        {"cartoonx": 0.429, "smooth_grad": 0.399, "random_wavelet": 0.496, "pixel_rde": 0.516}, abs=6e-4
    )
    curve = published_curve("7b", "cartoonx")
    assert curve is not None
    assert curve[1][1] == pytest.approx(0.689, abs=6e-4)
    assert published_curve("7a", "lime") is None


@pytest.mark.parametrize(
    ("low", "high", "photos", "sign", "outcome"),
    [
        (-0.3, -0.1, 20, -1, "holds"),
        (-0.3, -0.1, 20, 1, "does not hold"),
        (0.1, 0.3, 20, -1, "does not hold"),
        (-0.1, 0.3, 20, -1, "cannot be tested here"),
        (-0.3, -0.1, 5, -1, "cannot be tested here"),
        (0.0, 0.0, 20, -1, "does not hold"),
        (math.nan, math.nan, 1, -1, "cannot be tested here"),
    ],
)
def test_a_verdict_follows_from_the_interval(low, high, photos, sign, outcome):
    mean = -0.2 if math.isnan(low) else (low + high) / 2
    verdict = judge("claim", "known", "ours", Comparison(mean, low, high, photos, 0.01), ["3 of 100 photos"], sign)
    assert verdict.outcome == outcome
    assert verdict.scaled == ("3 of 100 photos",)


def test_a_verdict_may_not_stand_when_claims_are_counted():
    """Nine photos of one sign are worth 1/256, enough for ten comparisons; six are worth 1/32, which is not."""
    for photos, held in ((9, "holds"), (6, "cannot be tested here")):
        found = compared([-0.1 - 0.01 * photo for photo in range(photos)])
        family = [judge(f"than {name}", "", "", found) for name in range(10)]
        none = judge("than nothing", "", "", None)
        *verdicts, left = together([*family, none])
        assert {one.outcome for one in verdicts} == {"holds"}
        assert {(one.holm, one.family) for one in verdicts} == {(10 * 2.0 ** (1 - photos), 10)}
        assert {one.after_holm for one in verdicts} == {held}
        assert (left.holm, left.after_holm) == (None, "cannot be tested here")
    # No difference at all is no matter of chance.
    (same,) = together([judge("than itself", "", "", compared([0.0] * 9))])
    assert (same.outcome, same.holm, same.after_holm) == ("does not hold", 1, "does not hold")


def test_nothing_to_compare_is_no_verdict():
    assert judge("claim", "known", "ours", None).outcome == "cannot be tested here"


def _cost(group: str, scale: Scale) -> float:
    return (1 if group == "curves" else 9) * (scale.photos or 100) * (100 * scale.effort + 10 / scale.stride)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (11000, Scale()),
        (6000, Scale(None, 0.5)),
        (3500, Scale(None, 0.25)),
        (215, Scale(6, 0.25)),
        (125, Scale(6, 0.1)),
        (20, Scale(1, 0.05)),
        (7, Scale(1, 0.01, 2)),
    ],
)
def test_effort_gives_way_to_a_quarter_then_photos_then_both(seconds, expected):
    assert fit(_cost, ["curves"], 100, seconds) == {"curves": expected}


def test_the_costliest_group_gives_way_first():
    scales = fit(_cost, ["curves", "noise"], 100, 60_000)
    assert scales["curves"] == Scale()
    assert scales["noise"].effort < 1
    assert sum(_cost(group, scale) for group, scale in scales.items()) <= 60_000


@pytest.mark.parametrize("seconds", [100, 300, 3000, 30_000])
def test_all_groups_together_fit(seconds):
    groups = list(dict.fromkeys(recipe.group for recipe in find_recipes(["all"])))
    scales = fit(_cost, groups, 100, seconds)
    assert list(scales) == groups
    assert {*groups, "shearletx", "startgrad"} == set(GROUPS)
    assert sum(_cost(group, scale) for group, scale in scales.items()) <= seconds


@pytest.mark.parametrize("seconds", [1000, 1500, 3000, 6000])
def test_no_group_loses_its_verdict_while_another_has_more_than_it_needs(seconds):
    scales = fit(_cost, ["curves", "noise"], 100, seconds)
    photos = sorted(scale.photos or 100 for scale in scales.values())
    assert photos[0] >= 6 or photos[1] <= 6


def test_scales_that_are_begun_with_change_no_more_than_they_must():
    begun = {"curves": Scale(10, 0.25), "noise": Scale(6, 0.1)}
    done = sum(_cost(group, scale) for group, scale in begun.items())

    def left(group, scale):
        """Seconds that are still needed: photos of another effort are no use."""
        mine = begun[group]
        photos = (scale.photos or 100) - ((mine.photos or 100) if scale.effort == mine.effort else 0)
        return _cost(group, Scale(max(photos, 0), scale.effort)) if photos > 0 else 0.0

    assert done > 0
    assert fit(left, begun, 100, 0, begun) == begun  # nothing is left to spend, nothing is undone
    more = fit(left, begun, 100, 100, begun)
    assert more == {"curves": Scale(12, 0.25), "noise": Scale(6, 0.1)}


def test_pictures_lose_photos_before_they_lose_what_makes_them_good():
    scale = fit(lambda _, scale: 100 * (scale.photos or 4) * scale.effort, ["pictures"], 4, 30)["pictures"]
    assert scale == Scale(1, 0.25)


def test_a_budget_that_nothing_fits_is_refused():
    with pytest.raises(OptionError, match="is too little"):
        fit(_cost, ["curves"], 100, 0.1)


def test_scaling_shrinks_the_units_that_are_planned(make_plan):
    (recipe,) = find_recipes(["figure-5"])
    whole, small = make_plan("published", Scale()), make_plan("published", Scale(1, 0.1, 10))
    first, second = recipe.units(whole), recipe.units(small)
    assert {unit.photo.source for unit in second} == {whole.photos[0].source}
    assert first[0].options["steps"] == 100
    assert first[0].options["draws"] == 16
    assert (second[0].options["steps"], second[0].options["draws"]) == (10, 2)
    assert second[0].measured["percentages"] == [float(percent) for percent in range(0, 101, 10)]
    assert whole.scaled(100, 100) == []
    assert small.scaled(1, 100, curves=True) == [
        "1 of 100 photos",
        "10 % of the steps and draws",
        "every 10th percentage",
    ]


def test_the_difference_between_two_plans_is_named():
    assert find_difference({"size": 1, "seed": 0}, {"size": 1, "seed": 0}) is None
    assert find_difference({"size": 1, "seed": 0}, {"size": 1, "seed": 2}) == "seed (0 there, 2 now)"
    old, new = ({"photos": [{"predicted": label}], "protocol": name} for label, name in ((1, "a"), (2, "b")))
    assert find_difference(old, new) == "protocol (a there, b now)"
    assert find_difference({"photos": [1]}, {"photos": [1, 2]}) == "photos (1 there, 2 now, not the same)"


def test_the_scripts_guided_backprop_is_the_plain_gradient(model, make_photos):
    from rdexplain.work.studies.published import PlainGradient

    images = make_photos(1, 40)
    leaf = images.clone().requires_grad_()
    output = model(leaf)
    output[0, int(output.argmax())].backward()
    found = PlainGradient(model).explain(images).scores[0]
    torch.testing.assert_close(found, leaf.grad.sum(dim=1), rtol=1e-4, atol=1e-6)

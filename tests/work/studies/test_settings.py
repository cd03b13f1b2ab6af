"""The settings of SPEC's experiments, number by number."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rdexplain.methods.registry import METHODS
from rdexplain.models import Model
from rdexplain.photos.images import Photo
from rdexplain.results.loading import load_explanation
from rdexplain.work.studies import Known, Plan, find_recipes
from rdexplain.work.studies.published import first_noisy_class
from rdexplain.work.studies.scored import fast_options, scored_unit
from rdexplain.work.studies.work import KINDS, Context

PAPER = {"preset": "paper"}
BEST = {"preset": "best"}
PUBLISHED = {
    ("figure-1", "cartoonx"): PAPER | {"sparsity": {20}, "steps": {2000}, "draws": {64}},
    ("figure-1", "pixel_rde"): PAPER | {"sparsity": {4}, "steps": {2000}, "draws": {64}},
    ("figure-5", "cartoonx"): PAPER | {"sparsity": {10}, "steps": {100}, "draws": {16}},
    ("figure-5", "pixel_rde"): PAPER | {"sparsity": {4}, "steps": {100}, "draws": {64}},
    ("figure-5", "integrated_gradients"): {"steps": {100}, "references": {10}, "score": {"probability"}},
    ("figure-5", "smooth_grad"): {"n_samples": {1000}, "spread": {0.15}},
    ("figure-6", "cartoonx"): PAPER | {"sparsity": {4, 8, 16, 32, 64}, "steps": {2000}, "draws": {64}},
    ("figure-6", "pixel_rde"): PAPER | {"sparsity": {4, 8, 16, 32, 64}, "steps": {2000}, "draws": {64}},
    ("table-1", "cartoonx"): PAPER | {"sparsity": {20}, "steps": {2000}, "draws": {64}},
    ("figure-8", "cartoonx"): PAPER | {"sparsity": {2}, "steps": {1000}, "draws": {4}},
    ("figure-9", "cartoonx"): PAPER | {"sparsity": {20}, "steps": {200}, "draws": {32}},
}
CORRECTED = {
    ("figure-1", "cartoonx"): BEST | {"sparsity": {20}, "steps": {778}},
    ("figure-1", "pixel_rde"): BEST | {"sparsity": {4}, "steps": {778}},
    ("figure-5", "cartoonx"): BEST | {"sparsity": {10}, "steps": {778}},
    ("figure-5", "pixel_rde"): BEST | {"sparsity": {10}, "steps": {778}},
    ("figure-5", "integrated_gradients"): {"steps": {100}, "references": {10}, "score": {"logit"}},
    ("figure-5", "smooth_grad"): {"n_samples": {1000}, "spread": {0.15}, "score": {"logit"}},
    ("figure-6", "cartoonx"): BEST | {"sparsity": {4, 8, 16, 32, 64}, "steps": {100, 500, 2000}},
    ("table-1", "cartoonx"): BEST | {"sparsity": {20}, "steps": {778}},
}
CASES = [
    (protocol, *key, wanted)
    for protocol, known in (("published", PUBLISHED), ("corrected", CORRECTED))
    for key, wanted in known.items()
]


def plan_of(protocol: str) -> Plan:
    photos = tuple(Known(f"photo {number}", f"{number:016x}", 0, 0) for number in range(2))
    return Plan(protocol, "tiny", ("tiny",), 256, 0, photos)


@pytest.mark.parametrize(("protocol", "name", "method", "wanted"), CASES)
def test_options_are_those_of_the_study(protocol, name, method, wanted):
    (recipe,) = find_recipes([name])
    units = [unit for unit in recipe.units(plan_of(protocol)) if unit.method == method]
    found = {option: {unit.options[option] for unit in units} for option in wanted}
    assert found == {option: {value} if isinstance(value, str) else value for option, value in wanted.items()}


@pytest.mark.parametrize(("protocol", "points", "draws"), [("published", 101, 1), ("corrected", 29, 8)])
def test_curves_are_measured_as_the_study_has_it(protocol, points, draws):
    (recipe,) = find_recipes(["figure-5"])
    for unit in recipe.units(plan_of(protocol)):
        assert (len(unit.measured["percentages"]), unit.measured["draws"]) == (points, draws)


def test_a_mask_that_nothing_pulls_starts_at_ones():
    (recipe,) = find_recipes(["figure-4"])
    starts = {unit.options["sparsity"]: unit.options.get("init") for unit in recipe.units(plan_of("corrected"))}
    assert starts[0] == "ones"
    assert {start for sparsity, start in starts.items() if sparsity} == {None}


def test_smooth_grad_explains_the_class_of_a_noisy_copy():
    """A network that asks whether an image is rough: a copy with noise of 0.15 of the image's range is."""

    def network(images):
        roughness = images.flatten(1).std(dim=1)
        return torch.stack((torch.full_like(roughness, 0.1), roughness), dim=1)

    flat = torch.full((3, 40, 40), 0.5)
    nearly = flat.clone()
    nearly[:, 0, :2] = torch.tensor([0.0, 1.0])
    assert nearly.std() < 0.05
    model = Model(network, name="rough")
    assert first_noisy_class(model, nearly, 0.0, 0) == 0
    assert first_noisy_class(model, nearly, 0.15, 0) == 1
    assert first_noisy_class(model, flat, 0.15, 0) == 0  # no range, no noise


def test_table_1_measures_every_mask_under_the_unscaled_noise(make_plan, model, make_photos, tmp_path):
    (recipe,) = find_recipes(["table-1"])
    plan = make_plan()
    images = make_photos(1, 40)
    context = Context(plan, lambda name: model, tmp_path)
    rows = {}
    for unit in recipe.units(plan)[:4]:
        photo = Photo("photo", unit.photo.source, images[0], (40, 40), "squash")
        ((rows[unit.options["noise_scaling"]],),) = KINDS["mask"](context, [unit], model, [photo])
    assert rows["original"]["common_distortion"] == pytest.approx(rows["original"]["distortion"], rel=1e-4)
    for scaling in ("linear", "exponential", "inverse_linear"):
        # More noise than it was made for distorts more.
        assert rows[scaling]["common_distortion"] > 1.03 * rows[scaling]["distortion"], scaling


def test_the_published_settings_of_shearletx_and_startgrad():
    """SPEC section 2: Adam 0.1, 300 steps, 16 draws, maximise label; (λk, l2) 1 and 2, 2 and 10, 1 and 0."""
    pixels, *others = shearlet_units("published", "startgrad")
    expected = {"preset": "paper", "steps": 300, "draws": 16, "step_size": 0.1, "distortion": "maximise_label"}
    assert pixels.options == expected | {"sparsity": 1, "noise": "uniform", "init": "ones"}
    assert [unit.options["init"] for unit in (pixels, *others)[:3]] == ["ones", "random", "gradient"]
    assert all(unit.options == expected | {"init": unit.options["init"]} for unit in others[2:])
    for unit in shearlet_units("published", "shearletx-hallucination"):
        assert {key: unit.options[key] for key in expected} == expected


def test_the_corrected_protocol_has_every_method_s_fast_preset_for_its_published_objective():
    found = {unit.method: unit.options for unit in shearlet_units("corrected", "shearletx-conciseness")}
    assert list(found) == ["pixel_rde", "smooth_pixel_rde", "cartoonx", "waveletx", "shearletx"]
    for name, options in found.items():
        assert options["steps"] == METHODS[name].load().presets["fast"].steps
        assert options.get("distortion") == (None if name in ("pixel_rde", "cartoonx") else "maximise_label")


@pytest.mark.parametrize(("size", "scales"), [(256, None), (128, None), (127, 3), (32, 3), (31, 2), (4, 1)])
def test_small_photos_have_fewer_scales(size, scales):
    (found,) = (
        unit for unit in shearlet_units("corrected", "shearletx-conciseness", size) if unit.method == "shearletx"
    )
    assert found.options.get("scales") == scales


def shearlet_units(protocol, name, size=256):
    (recipe,) = find_recipes([name])
    return recipe.units(replace(plan_of(protocol), photos=plan_of(protocol).photos[:1], size=size))


def test_the_recipes_of_shearletx_share_their_units_and_all_is_the_study():
    one, other = (recipe.units(plan_of("corrected")) for recipe in find_recipes(["shearletx"])[:2])
    assert [unit.name for unit in one] == [unit.name for unit in other]
    assert [recipe.name for recipe in find_recipes(["ShearletX"])] == [
        "shearletx-conciseness",
        "shearletx-hallucination",
        "startgrad",
    ]
    assert not {recipe.name for recipe in find_recipes(["shearletx"])} & {one.name for one in find_recipes(["all"])}


def test_a_scored_unit_has_the_scores_of_what_its_mask_keeps(model, make_plan, tmp_path):
    """By hand: f(s·h) of a mask of pixels is s·x, and CP is the retained share over the kept share."""
    plan = make_plan()
    unit = scored_unit(plan, plan.photos[0], "pixel_rde", fast_options(plan, "pixel_rde"), ("conciseness",))
    context = Context(plan, lambda name: model, tmp_path)
    (row,) = context.run([unit])[0]["rows"]
    found = load_explanation(context.file(unit))
    image, mask = found.images, found.mask[0]
    with torch.no_grad():
        before, after = (
            model(one).softmax(1)[0, int(found.target[0])] for one in (image, (mask[:, None] * image).clamp(0, 1))
        )
    assert row["retained"] == pytest.approx(float(after / before), rel=1e-4)
    share = float((mask[:, None] * image).abs().sum() / image.abs().sum())
    assert row["cp_l1_pixel"] == pytest.approx(row["retained"] / share, rel=1e-4)
    assert "hallucination" not in row

"""The settings of SPEC's experiments, number by number."""

from __future__ import annotations

import pytest
import torch

from rdexplain.models import Model
from rdexplain.photos.images import Photo
from rdexplain.work.studies import Known, Plan, find_recipes
from rdexplain.work.studies.published import first_noisy_class
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
        (rows[unit.options["noise_scaling"]],) = KINDS["mask"](context, unit, model, photo)
    assert rows["original"]["common_distortion"] == pytest.approx(rows["original"]["distortion"], rel=1e-4)
    for scaling in ("linear", "exponential", "inverse_linear"):
        # More noise than it was made for distorts more.
        assert rows[scaling]["common_distortion"] > 1.03 * rows[scaling]["distortion"], scaling

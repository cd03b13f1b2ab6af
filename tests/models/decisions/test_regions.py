"""Regions of a segmentation: which, and what is read of them, against the formula pixel by pixel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain import Segment
from rdexplain.errors import ModelError, OptionError, TargetError
from rdexplain.models.decisions import AbsentError
from rdexplain.models.decisions.distortions import find_distortion

NAMES = ["background", "cow", "car", "dog"]
MODEL = rx.as_model(lambda images: images, classes=NAMES, task="segmentation")


def maps(*predictions: str) -> torch.Tensor:
    """Logits (n, 4, 2, 4) whose largest class at each of the 8 pixels is the digit of the prediction."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(len(predictions), 4, 2, 4, generator=generator)
    for number, prediction in enumerate(predictions):
        for place, digit in enumerate(prediction):
            logits[number, int(digit), place // 4, place % 4] += 6
    return logits


OUTPUT = maps("00110122", "00000003")


def test_auto_is_the_largest_region_that_is_not_background():
    rows = Segment().ask(MODEL, OUTPUT)
    assert (rows.photos, rows.targets, rows.labels) == ((0, 1), ((1,), (3,)), ("cow", "dog"))
    assert rows.kind == "region"
    assert rows.region.flatten(1).int().tolist() == [[0, 0, 1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]]


def test_all_is_every_class_but_the_background_from_the_largest_on():
    rows = Segment("all").ask(MODEL, OUTPUT)
    assert (rows.photos, rows.targets) == ((0, 0, 1), ((1,), (2,), (3,)))


def test_stray_pixels_are_left_out_where_asked():
    assert Segment("all", least=0.3).ask(MODEL, OUTPUT[:1]).targets == ((1,),)
    assert Segment("car", least=0.3).ask(MODEL, OUTPUT[:1]).targets == ((2,),)
    with pytest.raises(AbsentError, match="nothing but background is predicted on 30 % of the photo or more"):
        Segment("all", least=0.3).ask(MODEL, OUTPUT[1:])


def test_classes_by_name_and_index_are_explained_once():
    rows = Segment(["car", 1, "cow"]).ask(MODEL, OUTPUT[:1])
    assert rows.targets == ((2,), (1,))
    assert Segment("background").ask(MODEL, OUTPUT).targets == ((0,), (0,))


@pytest.mark.parametrize("over", ["region", "image"])
def test_the_distortion_is_the_mean_square_over_the_pixels(over):
    rows = Segment(["cow", "car"], over=over).ask(MODEL, OUTPUT[:1])
    which = torch.tensor([1, 0, 1])
    other = maps("21110122", "00000003", "22222222").double()
    clean = rows.decision.read(OUTPUT[[0, 0]], torch.arange(2))
    got = find_distortion("label").compare(clean[which].double(), rows.decision.read(other, which))
    p, q = OUTPUT[0].double().softmax(0), other.softmax(1)
    for number, row in enumerate(which.tolist()):
        category = rows.targets[row][0]
        squares = [
            float(p[category, y, x] - q[number, category, y, x]) ** 2
            for y in range(2)
            for x in range(4)
            if int(p[:, y, x].argmax()) == category
        ]
        expected = sum(squares) / (len(squares) if over == "region" else 8)
        assert float(got[number]) == pytest.approx(expected, rel=1e-4)


def test_the_score_is_the_mean_probability_over_the_region():
    p = OUTPUT.softmax(1)
    for over in ("region", "image"):
        rows = Segment("cow", over=over).ask(MODEL, OUTPUT[:1])
        reading = rows.decision.read(OUTPUT[:1], torch.arange(1))
        expected = p[0, 1].flatten()[[2, 3, 5]].mean()
        torch.testing.assert_close(rows.decision.score(reading, torch.arange(1)), expected[None])


def test_the_reading_is_differentiable():
    output = OUTPUT.double().requires_grad_()
    decision = Segment(1).ask(MODEL, OUTPUT[:1]).decision
    assert torch.autograd.gradcheck(lambda x: decision.read(x, torch.zeros(2, dtype=torch.long)), (output,))


def test_pixels_outside_the_region_may_be_anything():
    decision = Segment("cow").ask(MODEL, OUTPUT[:1]).decision
    output = OUTPUT[:1].clone()
    output[0, :, 0, 0] = torch.nan
    output.requires_grad_()
    reading = decision.read(output, torch.arange(1))
    assert reading.isfinite().all()


def test_an_absent_class_lists_what_is_there():
    with pytest.raises(
        AbsentError, match="no dog in the prediction; there is background 38 %, cow 38 %, car 25 %"
    ) as one:
        Segment("dog").ask(MODEL, OUTPUT)
    assert one.value.photos == (0,)
    with pytest.raises(AbsentError) as both:
        Segment("car").ask(MODEL, maps("00000000", "11111111"))
    assert both.value.reasons == {
        0: "no car in the prediction; there is background 100 %",
        1: "no car in the prediction; there is cow 100 %",
    }
    with pytest.raises(AbsentError, match="nothing but background"):
        Segment("all").ask(MODEL, maps("00000000"))


def test_what_cannot_be():
    with pytest.raises(OptionError, match="'region' or 'image', not 'photo'"):
        Segment("cow", over="photo")
    with pytest.raises(TargetError, match="at least one"):
        Segment([])
    with pytest.raises(TargetError, match="horse"):
        Segment("horse").ask(MODEL, OUTPUT)
    with pytest.raises(TargetError, match="class 9 is outside the model's 4 classes"):
        Segment(9).ask(rx.as_model(lambda images: images), OUTPUT)
    with pytest.raises(ModelError, match=r"shape \(2, 5\), not the \(n, classes, h, w\)"):
        Segment(1).ask(MODEL, torch.zeros(2, 5))
    with pytest.raises(OptionError, match="distortion kl does not fit here: label does"):
        Segment(1).ask(MODEL, OUTPUT[:1]).decision.compared_by(find_distortion("kl"))


class Colours(nn.Module):
    """Sees red things and green things, at half the size, from each pixel and its neighbours."""

    def forward(self, images):
        small = nn.functional.avg_pool2d(images, 2)
        seen = torch.cat((torch.full_like(small[:, :1], 0.5), small[:, :2]), dim=1)
        return {"out": 12 * seen, "aux": seen.mean(dim=(2, 3))}


def scene() -> torch.Tensor:
    """A red thing on the left, a green one on the right, on black, with some texture."""
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.3
    image[0, 0, 8:24, 4:14] += 0.6
    image[0, 1, 4:28, 18:30] += 0.6
    return image


def test_each_explanation_keeps_its_own_region(tmp_path):
    model = rx.as_model(Colours(), task="segmentation", classes=["background", "red", "green"])
    explanation = rx.PixelRDE(model, steps=40, draws=4, sparsity=0.5).explain(scene(), Segment("all"))
    assert explanation.labels == ("green", "red")
    assert explanation.target_kind == "region"
    assert explanation.region.shape == (2, 16, 16)
    found = rx.results.focus.focus(explanation)
    assert (found.kept > 0.9).all()
    assert (found.area < 0.4).all()
    assert (found.photo < found.kept).all()
    explanation.save(tmp_path / "scene")
    same = rx.load_explanation(tmp_path / "scene")
    assert torch.equal(same.region, explanation.region)
    assert same.record(1)["inside"]["kept"] == pytest.approx(float(found.kept[1]))
    assert same[1].region.shape == (1, 16, 16)


def test_auto_is_the_default_of_a_segmentation():
    model = rx.as_model(Colours(), task="segmentation", classes=["background", "red", "green"])
    one = rx.PixelRDE(model, steps=1).explain(scene(), samples=2)
    assert one.labels == ("green",)
    assert one.sample_probabilities.shape == (1, 2, 1)
    assert 0 <= float(one.sample_probabilities.min()) <= float(one.sample_probabilities.max()) <= 1


def test_the_studys_settings():
    paper = rx.CartoonX(rx.as_model(Colours(), task="segmentation"), preset="paper", levels=1)
    settings = paper.options.settings
    assert (settings.steps, settings.draws, settings.step_size, settings.sparsity) == (1000, 4, 0.01, 2)
    given = rx.CartoonX(rx.as_model(Colours(), task="segmentation"), preset="paper", levels=1, steps=5, sparsity=1)
    assert (given.options.settings.steps, given.options.settings.sparsity) == (5, 1)

"""Callables as decisions: pytorch-grad-cam's and torchcam's convention, and batched ones."""

from __future__ import annotations

import pytest
import torch

from rdexplain import PixelRDE
from rdexplain.errors import ModelError, OptionError, TargetError
from rdexplain.models import Model
from rdexplain.models.decisions import Label, Value

MODEL = Model(lambda images: images)
OUTPUT = torch.tensor([[2.0, -4.0, 0.5], [1.0, 8.0, -1.0]])


class ClassifierOutputTarget:
    """As pytorch-grad-cam has it: one unbatched output in, a scalar out."""

    def __init__(self, category: int) -> None:
        self.category = category

    def __call__(self, model_output: torch.Tensor) -> torch.Tensor:
        return model_output[self.category]


def test_a_callable_sees_one_unbatched_output():
    shapes = []

    def first(output):
        shapes.append(tuple(output.shape))
        return output[0]

    rows = Value(first, relative=False).ask(MODEL, OUTPUT)
    assert rows.decision.read(OUTPUT, torch.arange(2)).tolist() == [[2.0], [1.0]]
    assert set(shapes) == {(3,)}
    assert (rows.kind, rows.labels, rows.targets) == ("value", ("first", "first"), ((0,), (0,)))


def test_values_are_in_units_of_the_clean_one_and_scores_are_not():
    rows = Value(ClassifierOutputTarget(1)).ask(MODEL, OUTPUT)
    order = torch.tensor([1, 0])
    reading = rows.decision.read(OUTPUT[order] / 2, order)
    assert reading.flatten().tolist() == [0.5, -0.5]
    assert rows.decision.score(reading, order).tolist() == [4.0, -2.0]


def test_values_of_half_precision_are_read_in_float32():
    """The clean value is 3, and a third of it is no number of half precision."""
    output = torch.tensor([[3.0], [3.0]], dtype=torch.float16)
    for value in (Value(ClassifierOutputTarget(0)), Value(batched=lambda output: output[:, 0])):
        reading = value.ask(MODEL, output).decision.read(output / 3, torch.arange(2))
        torch.testing.assert_close(reading, torch.full((2, 1), 1 / 3), rtol=1e-6, atol=0)


def test_one_callable_for_each_image():
    rows = Value([ClassifierOutputTarget(0), ClassifierOutputTarget(2)], relative=False).ask(MODEL, OUTPUT)
    assert rows.targets == ((0,), (1,))
    order = torch.tensor([1, 1, 0])
    assert rows.decision.read(OUTPUT[order], order).flatten().tolist() == [-1.0, -1.0, 2.0]
    with pytest.raises(TargetError, match="2 callables for 3 images"):
        Value([ClassifierOutputTarget(0)] * 2).ask(MODEL, torch.zeros(3, 3))


def test_a_batched_form_is_used_in_place_of_the_other():
    def never(output):
        raise AssertionError("called one by one")

    rows = Value(never, batched=lambda output: output[:, 1], relative=False).ask(MODEL, OUTPUT)
    assert rows.decision.read(OUTPUT, torch.arange(2)).flatten().tolist() == [-4.0, 8.0]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (Value(lambda output: output), ModelError, "must return a scalar"),
        (Value(lambda output: 1.0), ModelError, "must return a scalar"),
        (Value(batched=lambda output: output.sum()), ModelError, "one value for each of the 2 images"),
        (Value(lambda output: output[0] * 0), TargetError, "is 0 on a clean image"),
    ],
)
def test_values_that_cannot_be(value, error, message):
    with pytest.raises(error, match=message):
        value.ask(MODEL, OUTPUT)


def test_values_without_functions():
    with pytest.raises(TargetError, match="needs a function"):
        Value()
    with pytest.raises(TargetError, match="read by a callable"):
        Value([1])


def test_a_callable_explains_what_the_label_does(make_photos, smooth_network):
    """The probability as a callable of its own: the same distortion but for its unit, the clean probability squared."""
    network, photos = smooth_network(), make_photos(2)
    options = {"steps": 4, "draws": 2, "step_size": 0.1, "init": "ones"}
    p = network(photos).softmax(1)[:, 1]
    label = PixelRDE(network, sparsity=4, **options).explain(photos, 1)
    for target in (Value(lambda o: o.softmax(0)[1], relative=False), Value(batched=lambda o: o.softmax(1)[:, 1])):
        value = PixelRDE(network, sparsity=4, **options).explain(photos, target)
        unit = p.square() if target.relative else 1
        torch.testing.assert_close(value.history["distortion"][0] * unit, label.history["distortion"][0])
        torch.testing.assert_close(value.probability, label.probability)
        assert value.target_kind == "value"
    plain = PixelRDE(network, sparsity=4, **options).explain(photos, lambda o: o.softmax(0)[1])
    assert len(plain) == 2
    cams = [ClassifierOutputTarget(1), ClassifierOutputTarget(2)]
    logits = PixelRDE(network, **options).explain(photos, cams)
    with torch.no_grad():
        torch.testing.assert_close(logits.probability, network(photos)[[0, 1], [1, 2]])


def test_targets_and_tasks_exclude_each_other(make_photos, smooth_network):
    method = PixelRDE(smooth_network(), steps=1)
    with pytest.raises(OptionError, match="not both"):
        method.explain(make_photos(1), Value(lambda o: o[0]), top_k=2)
    with pytest.raises(TargetError, match="give the Task"):
        method.explain(make_photos(1), Label([1], torch.sigmoid))


def test_captum_s_interface_takes_tasks(make_photos, smooth_network):
    photos = make_photos(2)
    attribution = PixelRDE(smooth_network(), steps=1).attribute(photos, Value(lambda o: o[0]))
    assert attribution.shape == photos.shape


def boom(output):
    raise KeyError("no such\nhead")


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize(
    ("given", "output", "message"),
    [
        (
            ClassifierOutputTarget(1),
            OUTPUT[:, :1],
            r"the callable ClassifierOutputTarget failed on .*\(1,\): IndexError",
        ),
        (
            ClassifierOutputTarget(0),
            OUTPUT[:, 0],
            r"shape \(\) \(one number for each image: lambda output: output reads",
        ),
        ([ClassifierOutputTarget(0), boom], OUTPUT, r"one of the callables failed on .*\(3,\): KeyError: 'no such"),
    ],
)
def test_a_callable_that_fails(given, output, message, relative):
    with pytest.raises(TargetError, match=message) as caught:
        Value(given, relative=relative).ask(MODEL, output)
    assert "\n" not in str(caught.value)


def test_a_batched_callable_that_fails():
    with pytest.raises(TargetError, match=r"the callable <lambda> failed on an output of shape \(2,\) \(one number"):
        Value(batched=lambda output: output[:, 0]).ask(MODEL, OUTPUT[:, 0])


@pytest.mark.parametrize("value", [Value(lambda output: output), Value(batched=lambda output: output)])
def test_one_number_for_each_image(value):
    rows = value.ask(MODEL, OUTPUT[:, 0])
    assert rows.decision.read(OUTPUT[:, 0], torch.arange(2)).tolist() == [[1.0], [1.0]]

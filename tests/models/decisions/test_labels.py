"""What is read from a model's output."""

from __future__ import annotations

import pytest
import torch

from rdexplain.errors import ModelError, OptionError, TargetError
from rdexplain.models import Model
from rdexplain.models.decisions import Contrast, Label, Probabilities, check_output, check_target
from rdexplain.models.decisions.distortions import find_distortion


def softmax(output: torch.Tensor) -> torch.Tensor:
    return output.softmax(dim=1)


def test_label_reads_the_target_of_each_row():
    output = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    rows = torch.tensor([2, 0, 0, 1])
    reading = Label([5, 3, 0], softmax).read(output, rows)
    expected = [softmax(output)[number, target] for number, target in enumerate((0, 5, 5, 3))]
    assert reading.shape == (4, 1)
    assert torch.equal(reading.flatten(), torch.stack(expected))


def test_label_with_tuples_reads_one_place_of_a_map():
    output = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    reading = Label([(1, 2, 3), (2, 0, 4)], softmax).read(output, torch.tensor([0, 1]))
    p = softmax(output)
    assert torch.equal(reading, torch.stack([p[0, 1, 2, 3], p[1, 2, 0, 4]])[:, None])


def test_label_is_differentiable():
    output = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Label([1, 2], softmax).read(x, torch.tensor([1, 0])), (output,))


def test_probabilities_reads_all():
    output = torch.randn(2, 3, 4)
    assert torch.equal(Probabilities(softmax).read(output, torch.arange(2)), softmax(output).flatten(1))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"out": torch.zeros(2, 3)}, "returned a dict, not a tensor"),
        ((torch.zeros(2, 3),), "returned a tuple"),
        (None, "returned a NoneType"),
        (torch.zeros(3), r"shape \(3,\) for 2 images"),
        (torch.zeros(1, 3), r"shape \(1, 3\) for 2 images"),
        (torch.zeros(()), "for 2 images"),
        (torch.zeros(2, 3, dtype=torch.int64), "torch.int64, not floating-point"),
        (torch.tensor([[0.0, 1.0], [float("nan"), 0.0]]), "not finite"),
        (torch.tensor([[0.0, 1.0], [float("inf"), 0.0]]), "not finite"),
    ],
)
def test_outputs_that_are_no_classifier_s(output, message):
    with pytest.raises(ModelError, match=message):
        check_output(output, 2)


def test_outputs_of_classifiers():
    for shape in ((2, 3), (2, 3, 4, 5)):
        output = torch.zeros(shape)
        assert check_output(output, 2) is output


def test_targets_inside():
    assert check_target(2, torch.zeros(1, 3)) == (2,)
    assert check_target((2,), torch.zeros(1, 3)) == (2,)
    assert check_target((2, 3, 4), torch.zeros(1, 3, 4, 5)) == (2, 3, 4)


@pytest.mark.parametrize(
    ("target", "shape", "message"),
    [
        (3, (1, 3), r"target 3 is outside the model's 3 outputs \(0 to 2\)"),
        (-1, (1, 3), "target -1 is outside"),
        ((0, 4), (1, 3, 4), "target 4 is outside the model's 4 outputs"),
        (0, (1, 3, 4), r"1 indices.*\(n, 3, 4\) needs 2"),
        ((0, 1), (1, 3), "2 indices.*needs 1"),
    ],
)
def test_targets_outside(target, shape, message):
    with pytest.raises(TargetError, match=message):
        check_target(target, torch.zeros(shape))


MODEL = Model(lambda images: images, classes=["cat", "dog", "owl", "fox"])
LOGITS = torch.tensor([[2.0, 1.0, 0.5, -1.0], [0.0, 3.0, 1.0, 0.0]])


def test_a_contrast_with_one_rival_is_the_logistic_function_of_the_difference():
    rows = Contrast("cat", "dog").ask(MODEL, LOGITS)
    assert rows.labels == ("cat rather than dog",) * 2
    assert (rows.photos, rows.targets, rows.kind) == ((0, 1), ((0, 1), (0, 1)), "contrast")
    reading = rows.decision.read(LOGITS, torch.arange(2))
    torch.testing.assert_close(reading[:, 0], (LOGITS[:, 0] - LOGITS[:, 1]).sigmoid())


def test_a_contrast_with_several_rivals_and_the_predicted_class():
    rows = Contrast(None, "owl", 3).ask(MODEL, LOGITS)
    assert rows.targets == ((0, 2, 3), (1, 2, 3))
    assert rows.labels[1] == "dog rather than owl or fox"
    p = LOGITS.softmax(1)
    expected = torch.stack([p[0, 0] / (p[0, 0] + p[0, 2] + p[0, 3]), p[1, 1] / (p[1, 1] + p[1, 2] + p[1, 3])])
    torch.testing.assert_close(rows.decision.read(LOGITS, torch.arange(2))[:, 0], expected)
    # Rows in another order, and more than one of a row.
    order = torch.tensor([1, 1, 0])
    torch.testing.assert_close(rows.decision.read(LOGITS[order], order)[:, 0], expected[order])


def test_a_contrast_of_impossible_classes_is_finite():
    output = torch.tensor([[0.0, -1e4, -1e4, -1e4]])
    output.requires_grad_()
    reading = Contrast("dog", "owl").ask(MODEL, output.detach()).decision.read(output, torch.arange(1))
    reading.sum().backward()
    assert reading.isfinite().all()
    assert output.grad.isfinite().all()


def test_contrasts_that_cannot_be():
    with pytest.raises(TargetError, match="needs a class to compare with"):
        Contrast("cat")
    with pytest.raises(TargetError, match="cat cannot be compared with itself"):
        Contrast("cat", 0).ask(MODEL, LOGITS)
    with pytest.raises(TargetError, match="what the model sees in image 1"):
        Contrast(None, "dog").ask(MODEL, LOGITS)
    with pytest.raises(TargetError, match="outside the model's 4 outputs"):
        Contrast(0, 9).ask(Model(lambda images: images), LOGITS)
    with pytest.raises(TargetError, match=r"needs an output \(n, classes\)"):
        Contrast(0, 1).ask(MODEL, torch.zeros(1, 4, 2, 2))


def test_a_decision_says_which_distortions_fit():
    label = Label([1], softmax)
    assert label.compared_by(find_distortion("label")) is label
    assert label.compared_by(find_distortion("maximise_label")) is label
    whole = label.compared_by(find_distortion("kl"))
    p = torch.tensor([[0.2, 0.7, 0.1]])
    assert whole.read(p.log(), torch.arange(1)).shape == (1, 3)
    # The score is the label's, also where all probabilities are read.
    torch.testing.assert_close(whole.score(whole.read(p.log(), torch.arange(1)), torch.arange(1)), p[:, 1])
    with pytest.raises(OptionError, match="distortion kl does not fit here: label and maximise_label do"):
        Contrast("cat", "dog").ask(MODEL, LOGITS).decision.compared_by(find_distortion("kl"))

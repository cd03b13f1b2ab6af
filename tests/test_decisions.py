"""What is read from a model's output."""

from __future__ import annotations

import pytest
import torch

from rdexplain.decisions import Label, Probabilities, check_output, check_target
from rdexplain.errors import ModelError, TargetError


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
        (torch.zeros(2), r"shape \(2,\) for 2 images"),
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

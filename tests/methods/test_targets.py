"""Targets: captum's forms, class names, several a photo, and the ones that cannot be."""

from __future__ import annotations

import re

import pytest
import torch

from rdexplain import as_model
from rdexplain.errors import OptionError, TargetError
from rdexplain.methods.targets import rows_for

CLASSES = ["cat", "dog", "tabby cat", "owl"]
MODEL = as_model(lambda images: images, classes=CLASSES)
OUTPUT = torch.tensor([[0.1, 0.4, 0.3, 0.2], [5.0, 1.0, 2.0, 3.0]])
MAPS = torch.zeros(2, 4, 5, 6)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, [(0, 1), (1, 0)]),
        (2, [(0, 2), (1, 2)]),
        (torch.tensor(2), [(0, 2), (1, 2)]),
        (torch.tensor([2]), [(0, 2), (1, 2)]),
        (torch.tensor([2, 3]), [(0, 2), (1, 3)]),
        (torch.tensor([2, 3], dtype=torch.int32), [(0, 2), (1, 3)]),
        ([2, 3], [(0, 2), (1, 3)]),
        ([2], [(0, 2), (1, 2)]),
        ((3,), [(0, 3), (1, 3)]),
        ([(3,), (0,)], [(0, 3), (1, 0)]),
        ("dog", [(0, 1), (1, 1)]),
        (["dog", "owl"], [(0, 1), (1, 3)]),
        (["dog", 0], [(0, 1), (1, 0)]),
        ([[2, 3], [0, 1]], [(0, 2), (0, 3), (1, 0), (1, 1)]),
        ([[2, 3], [0]], [(0, 2), (0, 3), (1, 0)]),
        ([["dog", 3]], [(0, 1), (0, 3), (1, 1), (1, 3)]),
        (torch.tensor([[2, 3], [0, 1]]), [(0, 2), (0, 3), (1, 0), (1, 1)]),
    ],
)
def test_rows(target, expected):
    assert rows_for(MODEL, OUTPUT, target, None) == [(photo, (index,)) for photo, index in expected]


def test_rows_of_maps():
    assert rows_for(MODEL, MAPS, (1, 2, 3), None) == [(0, (1, 2, 3)), (1, (1, 2, 3))]
    assert rows_for(MODEL, MAPS, [(1, 2, 3), (0, 4, 5)], None) == [(0, (1, 2, 3)), (1, (0, 4, 5))]


def test_top_k():
    rows = [(0, (1,)), (0, (2,)), (1, (0,)), (1, (3,))]
    assert rows_for(MODEL, OUTPUT, None, 2) == rows
    assert len(rows_for(MODEL, OUTPUT, None, 4)) == 8


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (4, "target 4 is outside the model's 4 outputs (0 to 3)"),
        (-1, "target -1 is outside"),
        ([0, 9], "target 9 is outside"),
        ([0, 1, 2], "targets for 3 images, but 2 images: give one for each, or one for all"),
        ([], "targets for 0 images"),
        (torch.tensor([0, 1, 2]), "targets for 3 images"),
        (torch.tensor([0.0, 1.0]), "holds integers"),
        (torch.zeros(2, 1, 1, dtype=torch.long), "shape (n,) or (n, targets)"),
        ((0, 1), "2 indices"),
        (1.0, "not float"),
        ([1.0, 2.0], "a target is a whole number"),
        ([True, False], "a target is a whole number"),
        (torch.tensor([True, False]), "a target"),
        ({0: 1}, "not dict"),
        ("hamster", "hamster"),
    ],
)
def test_targets_that_cannot_be(target, message):
    with pytest.raises(TargetError, match=re.escape(message)):
        rows_for(MODEL, OUTPUT, target, None)


@pytest.mark.parametrize("target", [[[], []], torch.zeros(2, 0, dtype=torch.long), [[0], []]])
def test_no_targets_for_a_photo(target):
    with pytest.raises(TargetError):
        rows_for(MODEL, OUTPUT, target, None)


def test_maps_need_tuples():
    for target, top_k in ((None, None), (None, 2)):
        with pytest.raises(TargetError, match="give the target as a tuple"):
            rows_for(MODEL, MAPS, target, top_k)
    with pytest.raises(TargetError, match="1 indices"):
        rows_for(MODEL, MAPS, 1, None)
    with pytest.raises(TargetError, match="target 6 is outside"):
        rows_for(MODEL, MAPS, (1, 2, 6), None)


@pytest.mark.parametrize("top_k", [0, -1, 5])
def test_top_k_out_of_range(top_k):
    with pytest.raises(OptionError, match="top_k must lie between 1 and the model's 4 classes"):
        rows_for(MODEL, OUTPUT, None, top_k)


def test_target_and_top_k():
    with pytest.raises(OptionError, match="not both"):
        rows_for(MODEL, OUTPUT, 1, 2)

"""What is to be explained, in the forms that people have it in."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch
from tests.situations.conftest import explained, some_photos
from tests.situations.marks import situation

import rdexplain as rx
from rdexplain.errors import OptionError, TargetError

NAMES = ["ant", "bee", "cat", "dog", "eel"]


@situation(
    "Targets as arrays, numbers and columns of NumPy and pandas",
    source="captum#1052",
    right="those of the same Python numbers",
)
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (np.array([1, 2, 3]), [1, 2, 3]),
        (np.array([1, 2, 3], dtype=np.uint8), [1, 2, 3]),
        (np.array(2), [2, 2, 2]),
        (np.int64(2), [2, 2, 2]),
        ([np.int64(1), np.int32(2), np.uint8(3)], [1, 2, 3]),
        ((np.int64(3),), [3, 3, 3]),
        (pd.Series([1, 2, 3], index=[7, 8, 9]), [1, 2, 3]),
        (pd.Series(["ant", "bee", "cat"]), [0, 1, 2]),
        (np.array(["ant", "bee", "cat"]), [0, 1, 2]),
        (np.array([[1, 2], [2, 3], [0, 1]]), [1, 2, 2, 3, 0, 1]),
        ([torch.tensor(1), torch.tensor(2), torch.tensor(3)], [1, 2, 3]),
        (torch.tensor([1, 2, 3], dtype=torch.uint8), [1, 2, 3]),
        (range(1, 4), [1, 2, 3]),
    ],
)
def test_numbers_of_other_libraries(network, target, expected):
    model, photos = rx.as_model(network, classes=NAMES), some_photos(3)
    assert explained(model, photos, target, steps=1).target.flatten().tolist() == expected
    assert rx.GradCAM(model).explain(photos, target).target.flatten().tolist() == expected


@situation(
    "captum's attribute() with targets of NumPy",
    source="captum#1052",
    right="the attribution for the same Python numbers",
)
def test_attribute_with_numpy(network):
    photos, method = some_photos(3), rx.PixelRDE(network, steps=2, draws=2)
    expected = method.attribute(photos, target=[1, 2, 3])
    assert torch.equal(method.attribute(photos, target=np.array([1, 2, 3])), expected)
    assert torch.equal(method.attribute(photos, target=np.array([[1], [2], [3]])), expected)


@situation(
    "A negative target, which Python would count from the end",
    source="torch-cam#157",
    right="a TargetError with the outputs that there are",
)
@pytest.mark.parametrize("target", [-1, np.int64(-1), [0, -1, 2], torch.tensor([-1, 0, 1])])
def test_negative_targets(network, target):
    with pytest.raises(TargetError, match=re.escape("target -1 is outside the model's 5 outputs (0 to 4)")):
        explained(network, some_photos(3), target)


@situation(
    "A target beyond the outputs",
    source="pytorch-grad-cam#241",
    right="a TargetError with the outputs that there are, and no IndexError of a tensor",
)
def test_a_target_beyond_the_outputs(network, photo):
    with pytest.raises(TargetError, match=re.escape("target 5 is outside the model's 5 outputs (0 to 4)")):
        explained(network, photo, 5)


@situation(
    "True and False as targets, which are numbers to Python",
    source="-",
    right="a TargetError, as they are answers and no classes",
)
@pytest.mark.parametrize("target", [True, np.bool_(True), torch.tensor([True]), np.array([False]), [True]])
def test_bool_targets(network, photo, target):
    with pytest.raises(TargetError, match="a target"):
        explained(network, photo, target)


@situation(
    "Targets as decimal numbers",
    source="captum#1052",
    right="a TargetError, without rounding",
)
@pytest.mark.parametrize("target", [1.0, np.array([1.0]), torch.tensor([1.0]), [1.5], (1.7,)])
def test_decimal_targets(network, photo, target):
    with pytest.raises(TargetError, match="a target"):
        explained(network, photo, target)


@situation(
    "One-hot rows as targets: they look like lists of classes",
    source="captum#316",
    right="a TargetError that says to give the argmax",
)
@pytest.mark.parametrize("one_hot", [torch.eye(5, dtype=torch.int64)[[1, 2]], np.eye(5, dtype=int)[[1, 2]]])
def test_one_hot_targets(network, one_hot):
    with pytest.raises(
        TargetError, match=re.escape("target 0 is asked for twice of image 0: give it once (of one-hot rows the")
    ):
        explained(network, some_photos(2), one_hot)


@situation(
    "Names of classes in place of indices",
    source="lime#627",
    right="the classes of these names; an unknown one is a TargetError with the nearest",
)
def test_names(network, photo):
    model = rx.as_model(network, classes=NAMES)
    assert explained(model, photo, "dog").target.tolist() == [3]
    with pytest.raises(TargetError, match="unknown class 'bea': did you mean bee"):
        explained(model, photo, "bea")
    with pytest.raises(TargetError, match=r"^target 3, dog, is asked for twice of image 0: give it once"):
        explained(model, photo, [["dog", 3]])


@situation(
    "Class names that occur twice",
    source="shap#2488",
    right="a TargetError with the indices to choose from; an index is taken as it is",
)
def test_names_that_occur_twice(network, photo):
    model = rx.as_model(network, classes=["ant", "bee", "ant", "dog", "eel"])
    with pytest.raises(TargetError, match="'ant' may be 0 ant, 2 ant: give the index"):
        explained(model, photo, "ant")
    assert explained(model, photo, 2).target.tolist() == [2]


@situation(
    "Class names as transformers' dict id2label, or as one string",
    source="shap#591",
    right="the names in the order of their numbers; of a string an OptionError, not its letters",
)
def test_names_as_a_dict(network, photo):
    model = rx.as_model(network, classes={4: "eel", 0: "ant", 1: "bee", 2: "cat", 3: "dog"})
    assert explained(model, photo, 2).labels == ("cat",)
    with pytest.raises(OptionError, match="the numbers 0, 1, 2"):
        rx.as_model(network, classes={"LABEL_0": "ant"})
    with pytest.raises(OptionError, match=re.escape("a list of names, not 'names.txt': load_model(...) reads them")):
        rx.as_model(network, classes="names.txt")


@situation(
    "Options from NumPy's arithmetic: steps, seed, sparsity, top_k",
    source="-",
    right="they are numbers like any other, and Python's in the record",
)
def test_options_from_numpy(network, photo):
    options = {"steps": np.int64(2), "draws": np.int32(2), "seed": np.uint8(7)}
    found = explained(network, photo, sparsity=np.float32(0.5), top_k=np.int64(2), **options)
    assert (found.steps, found.seed, len(found)) == (2, 7, 2)
    assert type(found.seed) is int
    assert found.sparsity.tolist() == [0.5, 0.5]


@situation(
    "top_k as a decimal number or True",
    source="-",
    right="an OptionError, and no TypeError of torch.topk",
)
@pytest.mark.parametrize("top_k", [2.0, True, "2"])
def test_top_k_that_is_no_number(network, photo, top_k):
    with pytest.raises(OptionError, match="top_k must lie between 1 and the model's 5 classes"):
        explained(network, photo, top_k=top_k)


@situation(
    "A callable as target, or one for each image, as pytorch-grad-cam has them",
    source="pytorch-grad-cam#481",
    right="each row explains the number that its callable reads",
)
def test_callables(network):
    photos = some_photos(2)
    found = explained(network, photos, [lambda output: output[1], lambda output: output[2]])
    assert found.target_kind == "value"
    with torch.no_grad():
        expected = network(photos)
    torch.testing.assert_close(found.probability, torch.stack([expected[0, 1], expected[1, 2]]))


@situation(
    "Two rows of one photo want two classes",
    source="torch-cam#79",
    right="one row a class, in the order asked for",
)
def test_several_classes_of_each_photo(network):
    found = explained(network, some_photos(2), [[3, 0], [1]])
    assert found.target.flatten().tolist() == [3, 0, 1]
    assert found.photo.tolist() == [0, 0, 1]

"""What networks return, and what they are given beside the images."""

from __future__ import annotations

import functools
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from tests.situations.conftest import explained, plain_network, same, some_photos
from tests.situations.marks import situation
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError, OptionError, TargetError

Named = namedtuple("Named", ["aux", "logits"])


class Returning(nn.Module):
    """A plain network whose output is put into something."""

    def __init__(self, form):
        super().__init__()
        self.network, self.form = plain_network(), form

    def forward(self, images):
        return self.form(self.network(images))


@situation(
    "Scores in a tuple, a list, a dict, a named tuple or an object",
    source="pytorch-grad-cam#121",
    right="the explanation of the scores themselves",
)
@pytest.mark.parametrize(
    "form",
    [
        lambda scores: (scores, scores[:, :2]),
        lambda scores: [scores],
        lambda scores: {"logits": scores, "loss": scores.mean()},
        lambda scores: {"out": scores, "aux": scores + 1},
        lambda scores: {"prediction": scores},
        lambda scores: Named(scores[:, :2], scores),
        lambda scores: SimpleNamespace(logits=scores, hidden_states=None),
    ],
)
def test_scores_in_something(form, photo):
    same(explained(Returning(form), photo), explained(plain_network(), photo))
    torch.testing.assert_close(
        rx.GradCAM(Returning(form)).explain(photo).scores[0], rx.GradCAM(plain_network()).explain(photo).scores[0]
    )


@situation(
    "Outputs that are views, or lie in memory with steps",
    source="shap#3565",
    right="the explanation of the scores themselves",
)
@pytest.mark.parametrize(
    "form",
    [
        lambda scores: scores.view(scores.shape),
        lambda scores: torch.stack([scores, scores], 2)[:, :, 1],
        lambda scores: scores.mT.contiguous().mT,
    ],
)
def test_views(form, photo):
    same(explained(Returning(form), photo), explained(plain_network(), photo))


@situation(
    "An output with several heads, none of which is called scores",
    source="pytorch-grad-cam#279",
    right="a ModelError that says what came; a callable that picks one is explained",
)
def test_several_heads(photo):
    network = Returning(lambda scores: {"age": scores, "sex": scores[:, :2]})
    with pytest.raises(ModelError, match=r"returned a dict, not a tensor of shape \(n, classes\)"):
        explained(network, photo)
    same(explained(lambda images: network(images)["age"], photo), explained(plain_network(), photo))


@situation(
    "Outputs that are no scores: None, an array of NumPy, whole numbers, complex ones, one number too few axes",
    source="captum#665",
    right="a ModelError that says what came",
)
@pytest.mark.parametrize(
    ("form", "message"),
    [
        (lambda scores: None, "returned a NoneType"),
        (lambda scores: scores.detach().numpy(), "returned a ndarray"),
        (lambda scores: ((scores,),), "returned a tuple"),
        (lambda scores: scores.argmax(1), r"returned torch.int64"),
        (lambda scores: (scores * 10).long(), "returned torch.int64"),
        (lambda scores: torch.complex(scores, scores), "returned torch.complex64"),
        (lambda scores: scores.masked_fill(torch.arange(5) == 4, -torch.inf), "is not finite"),
    ],
)
def test_what_is_no_scores(form, message, photo):
    with pytest.raises(ModelError, match=message):
        explained(Returning(form), photo)


@situation(
    "Maps of scores (n, classes, h, w) where a class is asked for",
    source="shap#3449",
    right="a TargetError that says how to ask for a place or a region",
)
def test_maps(photo):
    with pytest.raises(
        TargetError,
        match=r"the shape \(1, 5, 1, 1\), not .*\(n, classes\) \(flatten\(1\) .*\): give the target as a tuple",
    ):
        explained(Returning(lambda scores: scores[:, :, None, None]), photo)
    found = explained(Returning(lambda scores: scores[:, :, None, None]), photo, (2, 0, 0))
    assert found.target.tolist() == [[2, 0, 0]]


@situation(
    "A last layer of log-softmax instead of logits",
    source="Quantus#98",
    right="the same probabilities, as softmax does not change them",
)
def test_log_softmax(photo):
    found, expected = (
        explained(network, photo) for network in (Returning(lambda s: s.log_softmax(1)), plain_network())
    )
    same(found, expected)


@situation(
    "GoogLeNet and Inception left in train mode, with outputs of auxiliary classifiers",
    source="pytorch-grad-cam#205",
    right="the main output in eval mode; the mode comes back",
)
@pytest.mark.parametrize(("name", "size"), [("googlenet", 32), ("inception_v3", 80)])
def test_auxiliary_classifiers(name, size):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = getattr(torchvision.models, name)(weights=None, init_weights=False, num_classes=5).train()
    photo = some_photos(1, (size, size))
    found = explained(network, photo, steps=1, draws=1)
    assert network.training
    with torch.no_grad():
        expected = network.eval()(photo).softmax(1).max(dim=1)
    torch.testing.assert_close(found.probability, expected.values, rtol=1e-3, atol=1e-4)
    assert found.target.tolist() == expected.indices.tolist()


class TwoInputs(nn.Module):
    """A network of images and a row of numbers for each, which are added to its scores."""

    def __init__(self):
        super().__init__()
        self.network = plain_network()

    def forward(self, images, numbers, *, scale=1.0):
        return self.network(images) * scale + numbers


@situation(
    "A network of an image and a second input",
    source="pytorch-grad-cam#253",
    right="the second input follows its photo, alone and in a batch, by baselines too",
)
def test_a_second_input():
    photos, numbers = some_photos(3), torch.randn(3, 5, generator=torch.Generator().manual_seed(0)) * 3
    found = explained(TwoInputs(), photos, 1, additional_forward_args=numbers)
    with torch.no_grad():
        expected = (plain_network()(photos) + numbers).softmax(1)[:, 1]
    torch.testing.assert_close(found.probability, expected)
    alone = explained(TwoInputs(), photos[2:], 1, additional_forward_args=(numbers[2:],))
    same(found[2], alone)
    for method in (rx.GradCAM, rx.IntegratedGradients, rx.Occlusion):
        heat = method(TwoInputs()).explain(photos, 1, additional_forward_args=numbers)
        torch.testing.assert_close(heat.probability, expected)


@situation(
    "A second input is missing, or has rows for another number of photos",
    source="pytorch-grad-cam#321",
    right="a ModelError in one line that says what is missing, or of which shape the output is",
)
def test_a_second_input_that_does_not_fit():
    photos = some_photos(3)
    with pytest.raises(ModelError, match=r"TypeError: .*missing 1 required positional argument: 'numbers'"):
        explained(TwoInputs(), photos)
    with pytest.raises(ModelError, match=r"shape \(2, 5\) for 1 images"):
        explained(TwoInputs(), photos, additional_forward_args=torch.zeros(2, 5))


@situation(
    "Two images as one tuple of inputs",
    source="captum#550",
    right="an OptionError: one input is explained, the others are further arguments",
)
def test_a_tuple_of_inputs(photo):
    with pytest.raises(OptionError, match="got tuple"):
        explained(TwoInputs(), (photo, torch.zeros(1, 5)))
    with pytest.raises(OptionError, match="one image tensor, or a tuple of one"):
        rx.PixelRDE(TwoInputs()).attribute((photo, torch.zeros(1, 5)))


@situation(
    "Inputs by keyword",
    source="captum#211",
    right="a partial or a small module gives them, and stays an nn.Module with layers for Grad-CAM",
)
def test_inputs_by_keyword(photo):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = TwoInputs()

        def forward(self, images):
            return self.inner(images, numbers=torch.zeros(len(images), 5), scale=0.5)

    expected = explained(Returning(lambda scores: scores * 0.5), photo)
    same(explained(functools.partial(TwoInputs(), numbers=torch.zeros(5), scale=0.5), photo), expected)
    same(explained(Wrapped(), photo), expected)
    assert rx.GradCAM(Wrapped()).explain(photo).options["layer"].startswith("inner.network")


@situation(
    "A network that wants a dict with the images in it",
    source="captum#1196",
    right="a ModelError in one line; a callable that makes the dict is explained",
)
def test_a_dict_of_inputs(photo):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = plain_network()

        def forward(self, batch):
            if not isinstance(batch, dict):
                raise KeyError("image")
            return self.network(batch["image"])

    with pytest.raises(ModelError, match="KeyError: 'image'"):
        explained(Net(), photo)
    network = Net()
    same(explained(lambda images: network({"image": images}), photo), explained(plain_network(), photo))


@situation(
    "A function that leaves PyTorch, such as a predict of NumPy",
    source="lime#661",
    right="a ModelError that the network has no gradient, once its scores are a tensor again",
)
def test_a_predict_of_numpy(photo):
    network = plain_network()

    def predict(images):
        with torch.no_grad():
            return torch.from_numpy(np.asarray(network(images)))

    with pytest.raises(ModelError, match="not differentiable"):
        explained(predict, photo)

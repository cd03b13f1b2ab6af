"""What a network's output means: found out by the operation that made it, or by its range."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rdexplain import PixelRDE, as_model
from rdexplain.core import philox
from rdexplain.errors import ModelError
from rdexplain.models.activation import Meaning, meaning_of, outside, probes
from rdexplain.models.decisions import Above, Contrast, Segment

IMAGE = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def head(outputs: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, outputs))


def exp_of_log(x):
    return x.log_softmax(1).exp()


@pytest.mark.parametrize(
    ("outputs", "end", "expected"),
    [
        (4, lambda x: x, Meaning("softmax")),
        (4, lambda x: 20 * x, Meaning("softmax")),
        (4, lambda x: x.log_softmax(1), Meaning("softmax")),
        (4, lambda x: x.softmax(1), Meaning("none")),
        (4, exp_of_log, Meaning("none")),
        (4, lambda x: (x.softmax(1) + (2 * x).softmax(1)) / 2, Meaning("none")),
        (4, lambda x: x.sigmoid(), Meaning("none", exclusive=False)),
        (4, lambda x: torch.stack([x.sigmoid(), (2 * x).sigmoid()]).mean(0), Meaning("none", exclusive=False)),
        (4, lambda x: x.clamp(0, 1), Meaning("none", exclusive=False, certain=False)),
        (4, lambda x: 4 * x.softmax(1), Meaning("softmax")),  # the largest of them is above 1
        (4, lambda x: 0.001 * x + 0.5 * x.softmax(1), Meaning("none", exclusive=False, certain=False)),
        (1, lambda x: x, Meaning("sigmoid")),
        (1, lambda x: x.squeeze(1), Meaning("sigmoid")),
        (1, lambda x: x.sigmoid(), Meaning("none")),
        (1, lambda x: x.sigmoid().squeeze(1), Meaning("none")),
        (1, lambda x: x.clamp(0, 1), Meaning("none", certain=False)),
    ],
)
def test_auto(outputs, end, expected):
    network = head(outputs)
    assert meaning_of("auto", end(network(IMAGE.clone().requires_grad_()))) == expected


def test_a_small_logit_is_a_logit():
    """From 0 to 1 by chance, but made by a linear layer."""
    network = head(3)
    with torch.no_grad():
        network[1].weight.mul_(0.001)
        network[1].bias.copy_(torch.tensor([0.2, 0.5, 0.1]))
    assert meaning_of("auto", network(IMAGE.clone().requires_grad_())) == Meaning("softmax")


@pytest.mark.parametrize("size", [8, 10, 16, 24, 32, 48, 64])
def test_a_logit_from_0_to_1_by_chance(size):
    """No operation tells it, and noise gets about 0: that of other images does."""
    model = as_model(lambda x: 10 * (x[..., : x.shape[-1] // 2].mean((1, 2, 3)) - 0.45))
    noise = philox.noise_image(torch.zeros(1, 3, size, size))
    assert model.resolve(noise) == Meaning("sigmoid")


def test_what_is_said_counts():
    output = head(4)(IMAGE).sigmoid()
    assert meaning_of("softmax", output) == Meaning("softmax")
    assert meaning_of("sigmoid", output) == Meaning("sigmoid", exclusive=False)
    assert meaning_of("none", output) == Meaning("none", exclusive=False)
    single = head(1)(IMAGE)
    assert meaning_of("softmax", single) == Meaning("sigmoid")
    assert meaning_of("sigmoid", single) == Meaning("sigmoid")
    assert meaning_of("none", single.sigmoid()) == Meaning("none")


@pytest.mark.parametrize(("rest", "exclusive"), [(0.5, True), (0.5005, True), (0.502, False), (0.55, False)])
def test_classes_exclude_each_other_where_they_sum_to_1_up_to_a_thousandth(rest, exclusive):
    assert meaning_of("none", torch.tensor([[0.5, 0.5], [0.5, rest]])) == Meaning("none", exclusive)


def test_the_images_that_a_network_is_asked_with():
    noise = torch.full((1, 3, 2, 4), 0.3)
    left = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]).expand(1, 3, 2, 4)
    upper = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]).expand(1, 3, 2, 4)
    black, white = torch.zeros(1, 3, 2, 4), torch.ones(1, 3, 2, 4)
    expected = (noise, black, white, left, 1 - left, upper, 1 - upper)
    assert all(torch.equal(one, other) for one, other in zip(probes(noise), expected, strict=True))


@pytest.mark.parametrize("flat", [False, True])
def test_a_single_output_is_two_classes(flat):
    network = head(1)
    logit = network(IMAGE.repeat(3, 1, 1, 1) * torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1)).detach()
    expected = torch.cat((1 - logit.double().sigmoid(), logit.double().sigmoid()), dim=1)
    shown = logit[:, 0] if flat else logit
    of_logits = as_model(lambda x: x, activation="sigmoid")
    torch.testing.assert_close(of_logits.probabilities(shown).double(), expected, rtol=0, atol=1e-6)
    both = of_logits.logits(shown)
    torch.testing.assert_close(both[:, 1:] - both[:, :1], logit)
    of_probabilities = as_model(lambda x: x, activation="none")
    torch.testing.assert_close(of_probabilities.probabilities(shown.sigmoid()).double(), expected, rtol=0, atol=1e-6)
    both = of_probabilities.logits(shown.sigmoid())
    torch.testing.assert_close(both[:, 1:] - both[:, :1], logit, rtol=0, atol=1e-5)


def test_labels_by_themselves():
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    model = as_model(lambda x: x, activation="sigmoid")
    torch.testing.assert_close(model.probabilities(logits), 1 / (1 + (-logits).exp()))
    assert torch.equal(model.logits(logits), logits)
    read = as_model(head(3), activation="none")
    read.network.append(nn.Sigmoid())
    assert read.resolve(IMAGE) == Meaning("none", exclusive=False)
    torch.testing.assert_close(read.logits(logits.sigmoid()), logits)


def test_the_network_is_asked_once_and_about_no_photo(monkeypatch):
    network = head(2)
    model = as_model(network)
    assert model.meaning == Meaning("softmax")
    assert model.resolve(philox.noise_image(IMAGE)) == Meaning("softmax")
    monkeypatch.setattr(network, "forward", None)
    assert model.resolve(IMAGE) == Meaning("softmax")


def test_what_cannot_be_told_is_said():
    model = as_model(lambda x: x.mean((2, 3)), name="means")
    with pytest.warns(RuntimeWarning, match="cannot be told whether the output of means.*`activation`"):
        model.resolve(IMAGE)
    assert model.record()["activation"] == "none"


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("target", [None, 0, Above(0.1), Contrast(0, 1)])
def test_none_takes_probabilities_only(outputs, target, make_photos):
    network = head(outputs)
    with torch.no_grad():
        network[1].bias.fill_(4)
    method = PixelRDE(as_model(network, name="net", activation="none"), steps=1, draws=1)
    wrong = r"^net gives numbers from \S+ to \S+, which are no probabilities: say `activation` softmax or sigmoid, or"
    with pytest.raises(ModelError, match=wrong):
        method.explain(make_photos(1, 8), target)


def test_none_takes_a_segmentation_of_probabilities_only(make_photos):
    model = as_model(lambda x: 3 * x, name="net", activation="none", task="segmentation")
    with pytest.raises(ModelError, match=r"net gives numbers from .* no probabilities"):
        PixelRDE(model, steps=1, draws=1).explain(make_photos(1, 8), Segment())


def test_noise_says_that_it_is_no_probability(make_photos):
    """The photo gets one by chance."""
    model = as_model(lambda x: 40 * (x.mean((2, 3)) - x.mean((1, 2, 3))[:, None]), name="net", activation="none")
    with pytest.raises(ModelError, match=r"net gives numbers from -\S+ to \S+ for noise, which are no probabilities"):
        PixelRDE(model, steps=1, draws=1).explain(torch.full((1, 3, 8, 8), 0.5), 0)


def test_a_value_may_be_any_number(make_photos):
    network = head(2)
    with torch.no_grad():
        network[1].bias.fill_(4)
    photo = make_photos(1, 8)
    found = PixelRDE(as_model(network, activation="none"), steps=1, draws=1).explain(photo, lambda output: output[1])
    torch.testing.assert_close(found.probability, network(photo)[:, 1])


@pytest.mark.parametrize(
    ("numbers", "dtype", "expected"),
    [
        ([0.0, 1.0], torch.float32, None),
        ([-1e-4, 1.0001], torch.float32, None),
        ([0.5, 1.004], torch.bfloat16, None),
        ([0.5, 1.01], torch.float32, (0.5, 1.01)),
        ([-0.25, 1.0], torch.float32, (-0.25, 1.0)),
    ],
)
def test_outside(numbers, dtype, expected):
    assert outside(torch.tensor(numbers, dtype=dtype)) == (expected and pytest.approx(expected))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize(
    ("outputs", "end"),
    [(3, nn.Softmax(1)), (3, nn.Sigmoid()), (1, nn.Sigmoid()), (3, nn.LogSoftmax(1)), (3, nn.ReLU())],
)
def test_a_second_activation_is_warned_about(activation, outputs, end, recwarn):
    model = as_model(head(outputs).append(end), name="net", activation=activation)
    assert model.resolve(IMAGE).activation == ("sigmoid" if outputs == 1 else activation)
    said = [str(one.message) for one in recwarn]
    if isinstance(end, nn.Softmax | nn.Sigmoid):
        assert said == [
            f"net gives probabilities already, and a {activation} of them squashes them: leave out `activation`, "
            "or say none"
        ]
    else:
        assert not said


def test_photos_with_logits_spare_the_question(monkeypatch):
    network = head(3)
    model = as_model(network, activation="softmax")
    monkeypatch.setattr(network, "forward", None)
    assert model.resolve(IMAGE, clean=torch.tensor([[3.0, -1.0, 0.5]])) == Meaning("softmax")

import math

import pytest
import torch
from torch import nn

from rdexplain.errors import ModelError, OptionError, RDExplainError, TargetError
from rdexplain.models import Model, as_model

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def images(size=8, n=2):
    return torch.linspace(0, 1, n * 3 * size * size).view(n, 3, size, size)


def test_normalisation_by_hand(network):
    seen = Model(lambda x: x, mean=MEAN, std=STD)(images())
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        assert torch.equal(seen[:, channel], (images()[:, channel] - mean) / std)
    expected = network((images() - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    assert torch.equal(Model(network, mean=MEAN, std=STD)(images()), expected)


def test_no_normalisation_passes_a_copy_of_the_images_on():
    x = torch.rand(1, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    passed = Model(lambda x: x)(x)
    assert torch.equal(passed, x)
    assert passed.data_ptr() != x.data_ptr()  # a network may change its input in place


def test_one_of_mean_and_std_is_enough():
    assert torch.equal(Model(lambda x: x, mean=0.5)(images()), images() - 0.5)
    assert torch.equal(Model(lambda x: x, std=2)(images()), images() / 2)


def test_the_gradient_reaches_the_images(network):
    x = images().requires_grad_()
    Model(network, mean=MEAN, std=STD)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_further_arguments_are_passed_on():
    assert torch.equal(Model(lambda x, factor: x * factor, std=2)(images(), 3), images() / 2 * 3)


def test_constants_are_cached_per_type_and_survive_inference_mode(network):
    model = Model(network, mean=MEAN, std=STD)
    with torch.inference_mode():
        model(images())
    (first,) = model._constants.values()
    x = images().requires_grad_()
    model(x).sum().backward()
    assert next(iter(model._constants.values())) is first
    assert model.normalised(images().double()).dtype == torch.float64
    assert len(model._constants) == 2


@pytest.mark.parametrize(
    "bad", [torch.zeros(1, 1, 8, 8), torch.zeros(3, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)]
)
def test_images_that_would_be_normalised_wrongly_are_an_error(bad):
    with pytest.raises(ModelError, match="takes \\(n, 3, h, w\\) images of floats"):
        Model(lambda x: x, mean=MEAN, std=STD)(bad)


def test_a_fixed_size_is_enforced(network):
    model = Model(network, name="small", input_size=8, fixed_size=True)
    assert model(images(8)).shape == (2, 4)
    with pytest.raises(ModelError, match="small takes images of 8 x 8 pixels only, not 9 x 9"):
        model(images(9))
    assert Model(network, input_size=8)(images(9)).shape == (2, 4)


def test_an_error_of_the_network_is_not_masked(network):
    with pytest.raises(RuntimeError, match="Kernel size"):
        Model(network)(images(2))


def test_probabilities():
    output = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert torch.equal(Model(nn.Identity()).probabilities(output), output.softmax(1))
    assert Model(nn.Identity(), activation="none").probabilities(output) is output
    assert Model(nn.Identity(), activation="None").activation == "none"
    assert Model(nn.Identity()).with_options(activation="Sigmoid").activation == "sigmoid"


def test_classes():
    model = Model(nn.Identity(), classes=["cat", "dog"])
    assert model.find_class("Dog") == model.find_class(1) == model.find_class("1") == 1
    assert model.class_name(1) == "dog"
    assert model.class_name(17) == "class 17"
    assert model.class_name(torch.tensor(0)) == "cat"
    assert Model(nn.Identity()).class_name(3) == "class 3"
    with pytest.raises(TargetError, match="unknown class 'cow': choose from cat, dog"):
        model.find_class("cow")


def test_device_and_dtype(network):
    assert (Model(network).device, Model(network).dtype) == (torch.device("cpu"), torch.float32)
    assert Model(network.double()).dtype == torch.float64
    assert (Model(torch.sin).device, Model(torch.sin).dtype) == (torch.device("cpu"), torch.float32)
    counter = nn.Module()
    counter.register_buffer("steps", torch.zeros(2, dtype=torch.int64))
    assert Model(counter).dtype == torch.float32


def test_on_another_device_is_a_private_copy(network):
    model = Model(network, mean=MEAN, std=STD, input_size=8, classes=["a", "b", "c", "d"])
    assert model.on("cpu") is model
    moved = model.on("meta")
    assert moved.device.type == "meta"
    assert model.device.type == "cpu"
    assert moved.network is not network
    assert moved._options() == model._options()
    callable_model = Model(torch.sin)
    assert callable_model.on("meta") is callable_model


def test_images_are_placed_beside_the_network_if_it_lies_anywhere(network):
    assert Model(network).on("meta").placed(images()).device.type == "meta"
    elsewhere = images().to("meta")
    assert Model(torch.sin).placed(elsewhere) is elsewhere


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(network):
    model = Model(network, mean=MEAN, std=STD)
    moved = model.on("cuda")
    assert moved.on("cuda") is moved
    assert torch.allclose(moved(images().cuda()).cpu(), model(images()), atol=1e-4)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: out of memory")]
)
def test_a_device_that_is_full_says_nothing_about_the_network(error):
    class Large(nn.Linear):
        def to(self, *_, **__):
            raise error

    with pytest.raises(RDExplainError, match=r"^meta has no memory left for Large") as found:
        Model(Large(2, 2)).on("meta")
    assert not isinstance(found.value, ModelError)


@pytest.mark.parametrize("device", ["nowhere", "cuda:99"])
def test_an_unknown_device_is_an_error(network, device):
    with pytest.raises(OptionError, match="no device"):
        Model(network).on(device)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mean": (1, 2)}, "mean is one number or three"),
        ({"mean": "grey"}, "mean is one number or three"),
        ({"std": float("nan")}, "std is one number or three"),
        ({"std": (1, 1, 0)}, "std must be above 0"),
        ({"std": -1}, "std must be above 0"),
        ({"activation": "relu"}, "softmax"),
        ({"input_size": 0}, "input_size"),
    ],
)
def test_a_bad_option_is_an_error(options, text):
    with pytest.raises(OptionError, match=text):
        Model(nn.Identity(), **options)


def test_with_options_shares_the_network(network):
    model = Model(network, name="mine", mean=MEAN, std=STD, classes=["a"])
    changed = model.with_options(mean=None, std=None)
    assert changed.network is network
    assert (changed.name, changed.mean, changed.std, changed.classes) == ("mine", None, None, model.classes)
    assert changed.with_network(torch.sin).network is torch.sin
    with pytest.raises(TypeError, match="no option colour"):
        model.with_options(colour="red")


def test_as_model(network):
    model = as_model(network)
    assert model.network is network
    assert (model.mean, model.name) == (None, "Sequential")
    assert as_model(model) is model
    assert as_model(model, std=2).std == (2.0, 2.0, 2.0)
    assert as_model(torch.sin, mean=0.5).mean == (0.5, 0.5, 0.5)
    with pytest.raises(ModelError, match="load_model"):
        as_model("resnet18")
    with pytest.raises(ModelError, match="not int"):
        as_model(3)


def test_repr(network):
    shown = repr(Model(network, name="mine", input_size=8, fixed_size=True, mean=0.5, std=1, weights="random"))
    assert shown == (
        "Model('mine', random weights, 8 px only, cpu, activation auto, mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0))"
    )


def test_probabilities_of_half_precision_scores_are_those_of_float32():
    """In half precision itself, the smallest probability of a softmax is 6e-8, and 0.3333 is off by 8e-5."""
    scores = torch.tensor([[0.0, 0.0, 0.0, -18.0], [3.0, 1.0, 0.5, -0.5]])
    for dtype in (torch.float16, torch.bfloat16):
        found = Model(lambda images: images).probabilities(scores.to(dtype))
        assert found.dtype == torch.float32
        exact = scores.double().exp() / scores.double().exp().sum(dim=1, keepdim=True)
        torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)
    assert Model(lambda images: images).probabilities(scores.double()).dtype == torch.float64


def test_logits_of_probabilities_are_their_logarithms_with_a_floor():
    p = torch.tensor([[0.25, 0.75, 0.0]], dtype=torch.float64)
    found = Model(lambda images: images, activation="none").logits(p)[0].tolist()
    assert found == pytest.approx([math.log(0.25), math.log(0.75), math.log(1e-12)])

"""The faster private copy computes the same, and the user's network is left alone."""

import copy

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.models import accelerated, frozen
from rdexplain.models.accelerate import fold_batch_norms


def trained(network: nn.Module) -> nn.Module:
    """A network whose batch normalisations do something."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            for tensor in (module.running_var, module.weight.data):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network


class Block(nn.Module):
    """A convolution that two readers share, one that a normalisation alone reads, and control flow on values."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(3, 3, 3, padding=1)
        self.shared_norm = nn.BatchNorm2d(3)
        self.alone = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shared = self.shared(x)
        return self.norm(self.alone(shared + self.shared_norm(shared)))


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 1e9:
            raise ValueError("too large")
        return self.head(self.block(x).mean(dim=(2, 3)))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18", "googlenet", "densenet121"])
def test_outputs_and_gradients_agree(name: str, images: torch.Tensor) -> None:
    model = rx.load_model(name, weights="random")
    # In float32 a ReLU may flip where its input is a rounding error from zero, and then the gradients differ.
    trained(model.network).double()
    images = images.double()
    with frozen(model):
        fast = accelerated(model, images)
        assert fast is not model
        slopes = []
        for one in (model, fast):
            x = images.clone().requires_grad_()
            output = model.probabilities(one(x))
            slopes.append(torch.autograd.grad(output[:, 3].log().sum(), x)[0])
            torch.testing.assert_close(output, model.probabilities(model(images)), rtol=1e-10, atol=1e-12)
    assert (slopes[0] - slopes[1]).norm() < 1e-9 * slopes[0].norm()


def test_rounds_in_float32(images: torch.Tensor) -> None:
    model = rx.load_model("mobilenet_v3_small", weights="random")
    trained(model.network)
    with frozen(model), torch.no_grad():
        torch.testing.assert_close(accelerated(model, images)(images), model(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_folded_before_it_is_rounded(dtype: torch.dtype, images: torch.Tensor) -> None:
    # Folded in half precision, the weights would be rounded twice, and the outputs too far apart to be compared.
    network = trained(Untraceable()).eval()
    expected = network(images)
    model = rx.as_model(copy.deepcopy(network).to(dtype))
    with frozen(model), torch.no_grad():
        fast = accelerated(model, images)
        assert fast is not model
        assert {one.dtype for one in fast.network.parameters()} == {dtype}
        assert isinstance(fast.network.network.block.norm, nn.Identity)
        scale = expected.abs().max()
        errors = [float((one(images).float() - expected).abs().max() / scale) for one in (fast, model)]
    assert errors[0] < 4 * torch.finfo(dtype).eps, errors


def test_folds_where_the_norm_alone_reads_the_convolution(images: torch.Tensor) -> None:
    network = trained(Untraceable()).eval()
    expected = network(images)
    twin = copy.deepcopy(network)
    assert fold_batch_norms(twin) == 1
    assert isinstance(twin.block.norm, nn.Identity)
    assert isinstance(twin.block.shared_norm, nn.BatchNorm2d)
    torch.testing.assert_close(twin(images), expected, rtol=1e-4, atol=1e-5)


def test_a_convolution_used_twice_is_not_folded(images: torch.Tensor) -> None:
    convolution = nn.Conv2d(3, 3, 3, padding=1)
    network = nn.Sequential(convolution, nn.BatchNorm2d(3), convolution, nn.BatchNorm2d(3)).eval()
    assert fold_batch_norms(trained(network)) == 0


def test_training_mode_is_not_folded() -> None:
    assert fold_batch_norms(nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))) == 0


def test_the_users_network_is_untouched(images: torch.Tensor) -> None:
    network = trained(Untraceable()).eval()
    before = copy.deepcopy(network.state_dict())
    layout = network.block.alone.weight.stride()
    accelerated(rx.as_model(network), images)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert isinstance(network.block.norm, nn.BatchNorm2d)
    assert network.block.alone.weight.stride() == layout


def test_a_network_with_hooks_is_used_as_it_is(images: torch.Tensor) -> None:
    network = trained(Untraceable()).eval()
    network.block.register_forward_hook(lambda *_: None)
    model = rx.as_model(network)
    assert accelerated(model, images) is model


@pytest.mark.parametrize("network", [lambda x: x.mean(dim=(2, 3)), nn.Flatten()])
def test_nothing_to_gain(network: object, images: torch.Tensor) -> None:
    model = rx.as_model(network)
    assert accelerated(model, images) is model


def test_a_copy_that_disagrees_is_refused(images: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(network: nn.Module) -> int:
        network.head.weight.data.mul_(2)
        return 1

    monkeypatch.setattr("rdexplain.models.accelerate.fold_batch_norms", spoil)
    for dtype in (torch.float32, torch.bfloat16):
        model = rx.as_model(trained(Untraceable()).eval().to(dtype))
        assert accelerated(model, images) is model


def test_explanations_agree_in_float64(images: torch.Tensor) -> None:
    model = rx.as_model(trained(Untraceable()).double())
    options = {"levels": 2, "steps": 5, "draws": 2, "internal_batch_size": 4}
    masks = [rx.CartoonX(model, accelerate=fast, **options).explain(images.double()).mask[-1] for fast in (True, False)]
    torch.testing.assert_close(masks[0], masks[1], rtol=0, atol=1e-9)

"""Networks that other tools stumble over: the explanation is that of a plain network that computes the same."""

from __future__ import annotations

import copy
import importlib
import warnings

import pytest
import torch
from tests.situations.conftest import difference, explained, plain_network, same, some_photos
from tests.situations.marks import situation
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.checkpoint import checkpoint
from torchvision.ops import FrozenBatchNorm2d

import rdexplain as rx
from rdexplain.errors import ModelError


class Around(nn.Module):
    """A plain network with something done before and after it."""

    def __init__(self, before=lambda images: images, after=lambda output: output):
        super().__init__()
        self.network = plain_network()
        self.before, self.after = before, after

    def forward(self, images):
        return self.after(self.network(self.before(images)))


@situation(
    "A network that changes its input in place",
    source="captum#165",
    right="the caller's photo is as it was, and the explanation that of the same network without in-place steps",
)
@pytest.mark.parametrize("method", [rx.PixelRDE, rx.GradCAM, rx.IntegratedGradients, rx.GuidedBackprop, rx.Occlusion])
def test_a_network_that_changes_its_input(method, photo):
    before = photo.clone()
    options = {"steps": 3, "draws": 2} if method is rx.PixelRDE else {}
    found = method(Around(lambda images: images.sub_(0.5).mul_(2)), **options).explain(photo)
    expected = method(Around(lambda images: (images - 0.5) * 2), **options).explain(before)
    assert torch.equal(photo, before)
    assert torch.equal(found.images, before)
    torch.testing.assert_close(found.probability, expected.probability)
    torch.testing.assert_close(found.picture, expected.picture, rtol=0.01, atol=0.01)


@situation(
    "Rectifiers and sums in place, which hooks on gradients do not survive",
    source="torch-cam#72",
    right="the explanation of the same network without them, by Grad-CAM and Guided Backprop too",
)
def test_inplace_operations(photo):
    def variant(inplace):
        network = plain_network()
        network[1], network[4] = nn.ReLU(inplace), nn.ReLU(inplace)
        return network

    same(explained(variant(True), photo), explained(variant(False), photo))
    for method in (rx.GradCAM, rx.GuidedBackprop, rx.LRP):
        found, expected = (method(variant(inplace)).explain(photo).scores[0] for inplace in (True, False))
        torch.testing.assert_close(found, expected)


@situation(
    "Functional rectifiers in place on a layer's output, as in DenseNet",
    source="pytorch-grad-cam#147",
    right="Grad-CAM of the layer's output before it is changed",
)
def test_inplace_after_the_watched_layer(photo):
    class Net(nn.Module):
        def __init__(self, inplace):
            super().__init__()
            self.features, self.head, self.inplace = plain_network()[:4], plain_network()[5:], inplace

        def forward(self, images):
            return self.head(functional.relu(self.features(images), inplace=self.inplace))

    found, expected = (rx.GradCAM(Net(inplace).eval(), layer="features").explain(photo) for inplace in (True, False))
    torch.testing.assert_close(found.scores[0], expected.scores[0])


@situation(
    "One rectifier module that is used twice",
    source="captum#578",
    right="LRP and Guided Backprop as of a network with one for each use",
)
def test_a_module_that_is_used_twice(photo):
    shared = plain_network()
    shared[4] = shared[1]
    for method in (rx.LRP, rx.GuidedBackprop):
        found, expected = method(shared).explain(photo).scores[0], method(plain_network()).explain(photo).scores[0]
        torch.testing.assert_close(found, expected)


@situation(
    "Dropout left on, because the network is in train mode",
    source="torch-cam#36",
    right="the explanation in eval mode, the same twice; the mode comes back",
)
def test_train_mode(photo):
    network = plain_network()
    network.insert(5, nn.Dropout(0.5))
    expected = explained(network.eval(), photo)
    network.train()
    for _ in range(2):
        same(explained(network, photo), expected)
    assert all(module.training for module in network.modules())


@situation(
    "Dropout that is on in eval mode too",
    source="TransformerLensOrg/TransformerLens#1787",
    right="a warning that the output is another each time",
)
def test_dropout_that_stays_on(photo):
    with pytest.warns(RuntimeWarning, match="gives another output each time"):
        explained(Around(after=lambda output: functional.dropout(output, 0.5, training=True)), photo)


@situation(
    "A batch normalisation without statistics, so that photos of a batch change each other",
    source="zennit#200",
    right="a warning that the output depends on the batch",
)
def test_a_network_that_mixes_the_photos_of_a_batch():
    network = plain_network()
    network.insert(1, nn.BatchNorm2d(6, track_running_stats=False))
    with pytest.warns(RuntimeWarning, match="or in another batch"):
        explained(network, some_photos(3), 1)


@situation(
    "Batch normalisations frozen by hand while the rest trains, or torchvision's frozen ones",
    source="pytorch-grad-cam#80",
    right="the explanation of the network in eval mode; statistics and modes are as before",
)
def test_frozen_batch_norms(photo):
    network = plain_network()
    network.insert(1, nn.BatchNorm2d(6))
    generator = torch.Generator().manual_seed(0)
    for value in (network[1].weight, network[1].bias, network[1].running_mean, network[1].running_var):
        value.data = torch.rand(6, generator=generator) + 0.1
    expected = explained(network.eval(), photo)

    network.train()
    network[1].eval()
    network[1].requires_grad_(False)
    modes = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    same(explained(network, photo), expected)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())

    frozen = FrozenBatchNorm2d(6)
    frozen.load_state_dict({name: value for name, value in network[1].state_dict().items() if "num" not in name})
    network[1] = frozen
    same(explained(network, photo), expected)


@situation(
    "All parameters without requires_grad",
    source="pytorch-grad-cam#254",
    right="the same explanation, by Grad-CAM too; the flags stay off",
)
def test_frozen_parameters(network, photo):
    expected, map_ = explained(network, photo), rx.GradCAM(network).explain(photo).scores[0]
    network.requires_grad_(False)
    same(explained(network, photo), expected)
    torch.testing.assert_close(rx.GradCAM(network).explain(photo).scores[0], map_)
    assert not any(parameter.requires_grad for parameter in network.parameters())


@situation(
    "NaN or infinity in the weights",
    source="torch-cam#156",
    right="a ModelError that says that the output is not finite",
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("method", [rx.CartoonX, rx.GradCAM, rx.LRP, rx.Lime])
def test_weights_that_are_not_finite(value, method, network, photo):
    network[3].weight.data[0, 0, 0, 0] = value
    with pytest.raises(ModelError, match="not finite; are its weights or type at fault"):
        method(network).explain(photo)


@situation(
    "A network in half precision on a CPU",
    source="pytorch-grad-cam#442",
    right="the explanation of float32 up to the network's rounding; masks and maps are float32",
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype, photo):
    found, expected = explained(plain_network().to(dtype), photo), explained(plain_network(), photo)
    assert found.mask[0].dtype == torch.float32
    assert found.target.tolist() == expected.target.tolist()
    torch.testing.assert_close(found.probability, expected.probability, rtol=0, atol=0.02)
    for method in (rx.GradCAM, rx.IntegratedGradients, rx.LRP, rx.GuidedBackprop, rx.Lime):
        map_ = method(plain_network().to(dtype)).explain(photo).scores[0]
        assert map_.dtype == torch.float32
        assert bool(map_.isfinite().all())


@situation(
    "Parts of a network in different types",
    source="pytorch-grad-cam#329",
    right="a ModelError in one line",
)
def test_mixed_types(network, photo):
    network[0].half()
    with pytest.raises(ModelError, match="failed on images of shape") as caught:
        explained(network, photo)
    assert "\n" not in str(caught.value)


@situation(
    "Low-rank adapters made by hand",
    source="pytorch-grad-cam#511",
    right="the explanation of the network with the adapters merged into its weights",
)
def test_low_rank_adapters(photo):
    class Adapted(nn.Module):
        def __init__(self, layer):
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.layer = layer.requires_grad_(False)
            self.down = nn.Parameter(torch.randn(2, layer.in_features, generator=generator) / 4)
            self.up = nn.Parameter(torch.randn(layer.out_features, 2, generator=generator))

        def forward(self, features):
            return self.layer(features) + features @ self.down.T @ self.up.T

    network, merged = plain_network(), plain_network()
    network[7] = Adapted(network[7])
    merged[7].weight.data += network[7].up.data @ network[7].down.data
    same(explained(network, photo), explained(merged, photo))
    assert difference(explained(network, photo, 1), explained(plain_network(), photo, 1)) > 0.01
    assert network[7].up.requires_grad
    assert not network[7].layer.weight.requires_grad


@situation(
    "A network wrapped by PEFT",
    source="huggingface/peft#724",
    right="the explanation of the merged network; which parameters train is as before",
)
def test_peft(photo):
    peft = importlib.import_module("peft")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = peft.LoraConfig(r=2, target_modules=["3", "7"], init_lora_weights=False)
        network = peft.get_peft_model(plain_network(), config)
    flags = [parameter.requires_grad for parameter in network.parameters()]
    found = explained(network, photo)
    assert [parameter.requires_grad for parameter in network.parameters()] == flags
    map_ = rx.GradCAM(network, layer="base_model.model.3").explain(photo).scores[0]
    merged = network.merge_and_unload()
    same(found, explained(merged, photo))
    torch.testing.assert_close(map_, rx.GradCAM(merged, layer="3").explain(photo).scores[0])


@situation(
    "A network that went through torch.compile: hooks on it are ignored",
    source="pytorch/pytorch#117758",
    right="the explanation of the network itself, by Grad-CAM, LRP and Guided Backprop too",
)
def test_a_compiled_network(photo):
    compiled = torch.compile(plain_network(), backend="aot_eager")
    same(explained(compiled, photo), explained(plain_network(), photo))
    for method in (rx.GradCAM, rx.LRP, rx.GuidedBackprop):
        found, expected = (method(one).explain(photo).scores[0] for one in (compiled, plain_network()))
        torch.testing.assert_close(found, expected)


@situation(
    "DataParallel around a network, on a machine without a GPU",
    source="pytorch-grad-cam#111",
    right="the explanation of the network inside, by LRP and Guided Backprop too",
)
def test_data_parallel(photo):
    same(explained(nn.DataParallel(plain_network()), photo), explained(plain_network(), photo))
    for method in (rx.GradCAM, rx.LRP, rx.GuidedBackprop):
        found, expected = (
            method(one).explain(photo).scores[0] for one in (nn.DataParallel(plain_network()), plain_network())
        )
        torch.testing.assert_close(found, expected)


def _weight_norm(network):
    parametrizations.weight_norm(network[3])


def _old_weight_norm(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is old
        nn.utils.weight_norm(network[3])


def _spectral_norm(network):
    parametrizations.spectral_norm(network[3])


def _old_spectral_norm(network):
    nn.utils.spectral_norm(network[3])


def _pruned(network):
    prune.l1_unstructured(network[3], "weight", 0.3)


def _parametrized(network):
    parametrize.register_parametrization(network[3], "weight", nn.Tanh())


@situation(
    "Weight norm, spectral norm, pruning and parametrisations: the weights are computed before each pass",
    source="pytorch/pytorch#102981",
    right="the explanation of a network with these weights as they are, by LRP too; the norms' state is as before",
)
@pytest.mark.parametrize(
    "change", [_weight_norm, _old_weight_norm, _spectral_norm, _old_spectral_norm, _pruned, _parametrized]
)
def test_weights_that_are_computed(change, photo):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, plain = plain_network(), plain_network()
        change(network.train())
        state = copy.deepcopy(network.state_dict())
        with torch.no_grad():
            network.eval()(photo)
            plain[3].weight.copy_(network.train()[3].weight if change is _parametrized else network.eval()[3].weight)
    network.train()
    same(explained(network, photo), explained(plain, photo))
    for method in (rx.GradCAM, rx.LRP, rx.GuidedBackprop):
        found, expected = (method(one).explain(photo).scores[0] for one in (network, plain))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


@situation(
    "An activation with a gradient of its own (autograd.Function)",
    source="pytorch-grad-cam#111",
    right="the explanation of the same activation of PyTorch; methods with a rule for each layer name it",
)
def test_a_gradient_of_its_own(photo):
    class Rectify(torch.autograd.Function):
        @staticmethod
        def forward(ctx, inputs):
            ctx.save_for_backward(inputs)
            return inputs.clamp_min(0)

        @staticmethod
        def backward(ctx, gradient):
            return gradient * (ctx.saved_tensors[0] > 0)

    class Rectifier(nn.Module):
        def forward(self, inputs):
            return Rectify.apply(inputs)

    network = plain_network()
    network[1], network[4] = Rectifier(), Rectifier()
    same(explained(network, photo), explained(plain_network(), photo))
    with pytest.raises(ModelError, match=r"LRP has no rule for 1 \(Rectifier\) of Sequential"):
        rx.LRP(network).explain(photo)
    with pytest.raises(ModelError, match="has no ReLU modules"):
        rx.GuidedBackprop(network).explain(photo)


@situation(
    "Layers that LRP has no rule for, such as SELU under DeepLift: other tools warn or sum up wrongly",
    source="shap#3438",
    right="a ModelError that names the layer",
)
def test_layers_without_a_rule(network, photo):
    network.insert(5, nn.GroupNorm(2, 8))
    with pytest.raises(ModelError, match=r"LRP has no rule for 5 \(GroupNorm\) of Sequential"):
        rx.LRP(network).explain(photo)


@situation(
    "Activations made anew in the forward method",
    source="captum#1082",
    right="the explanation of the same network with modules, by methods that follow gradients",
)
def test_activations_made_anew(photo):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = plain_network()

        def forward(self, images):
            images = nn.ReLU()(self.inner[0](images))
            images = nn.ReLU()(self.inner[3](self.inner[2](images)))
            return self.inner[7](self.inner[6](self.inner[5](images)))

    same(explained(Net(), photo), explained(plain_network(), photo))
    found = rx.IntegratedGradients(Net(), steps=2, references=1).explain(photo).scores[0]
    expected = rx.IntegratedGradients(plain_network(), steps=2, references=1).explain(photo).scores[0]
    torch.testing.assert_close(found, expected)
    with pytest.raises(ModelError, match="LRP cannot follow the layers of Net"):
        rx.LRP(Net()).explain(photo)


@situation(
    "Hooks of the user's own, and Grad-CAM made anew in a loop",
    source="pytorch-grad-cam#132",
    right="his hooks are called and stay; none of ours is left behind",
)
def test_hooks(network, photo):
    seen = []
    network[3].register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape)))
    for _ in range(3):
        rx.GradCAM(network).explain(photo)
        explained(network, photo, steps=1)
    assert (2, 8, 16, 16) in seen
    assert [len(module._forward_hooks) for module in network] == [0, 0, 0, 1, 0, 0, 0, 0]


@situation(
    "Gradient checkpointing",
    source="captum#245",
    right="the explanation of the network without it",
)
def test_gradient_checkpointing(photo):
    class Net(Around):
        def forward(self, images):
            return checkpoint(self.network, images, use_reentrant=False)

    same(explained(Net(), photo), explained(plain_network(), photo))


@situation(
    "An LSTM in the network, whose gradient cuDNN wants in train mode",
    source="captum#328",
    right="it is explained in eval mode; Grad-CAM says that there is no layer of places",
)
def test_a_recurrent_network(photo):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                self.rows, self.head = nn.LSTM(96, 8, batch_first=True), nn.Linear(8, 5)

        def forward(self, images):
            return self.head(self.rows(images.permute(0, 2, 1, 3).flatten(2))[0][:, -1])

    same(explained(Net(), photo), explained(Net().eval(), photo))
    with pytest.raises(ModelError, match="no layer with a place for each part of the image"):
        rx.GradCAM(Net()).explain(photo)


@situation(
    "A TorchScript network, which takes no hooks",
    source="pytorch-grad-cam#258",
    right="the explanation of the network that was traced; Grad-CAM says that it cannot look inside",
)
@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_torchscript(photo):
    traced = torch.jit.trace(plain_network(), photo)
    same(explained(traced, photo), explained(plain_network(), photo))
    with pytest.raises(ModelError, match=r"is no nn\.Module with layers of its own"):
        rx.GradCAM(traced).explain(photo)


@situation(
    "An exported network that takes one image at a time",
    source="-",
    right="a ModelError that names the images; with batch_size=1 the explanation of the network itself",
)
def test_an_exported_network(photo):
    exported = torch.export.export(plain_network(), (photo,)).module()
    with pytest.raises(ModelError, match=r"failed on images of shape \(\d, 3, 32, 32\): AssertionError: Guard"):
        explained(exported, photo)
    same(explained(rx.as_model(exported, batch_size=1), photo), explained(plain_network(), photo))


@situation(
    "Lazy layers that have not seen an image yet, or a network on the meta device",
    source="-",
    right="a ModelError before anything is changed",
)
def test_networks_without_weights(photo):
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(5))
    with pytest.raises(ModelError, match="lazy layers without weights"):
        explained(lazy, photo)
    assert isinstance(lazy[0], nn.LazyConv2d)
    with pytest.raises(ModelError, match="on the meta device, without weights"):
        explained(plain_network().to("meta"), photo)


@situation(
    "A class, a state dict or a path where a network is wanted",
    source="-",
    right="a ModelError in one line",
)
@pytest.mark.parametrize("given", [None, {"weight": torch.zeros(1)}, "resnet18", (1, 2)])
def test_what_is_no_network(given):
    with pytest.raises(ModelError, match=r"a model is an nn\.Module or a callable|is a name"):
        rx.PixelRDE(given)

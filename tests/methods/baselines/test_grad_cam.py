"""Grad-CAM by hand and against captum, and the layer that is found."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError, OptionError
from rdexplain.methods.baselines.spatial import find_grid, watched
from rdexplain.models import as_model, frozen

captum_attr = pytest.importorskip("captum.attr")


def layer_of(network, size=64):
    model = as_model(network.eval())
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with frozen(model):
        return find_grid(model, lambda images: model(images)[:, 1], image)


def test_by_hand(network, make_photos):
    photos = make_photos(2)
    found = rx.GradCAM(network).explain(photos, [1, 2])
    activation = network[:5](photos)
    gradient = torch.autograd.grad(network[5:](activation)[[0, 1], [1, 2]].sum(), activation)[0]
    weights = gradient.mean((2, 3), keepdim=True)
    small = (weights * activation).sum(1, keepdim=True).relu()
    expected = nn.functional.interpolate(small, (32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(found.scores[0], expected.detach(), rtol=1e-4, atol=1e-6)
    assert float(found.scores[0].min()) >= 0
    assert found.options["layer"] == "4"


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("layer", ["0", "1", "3"])
def test_is_captum_s_at_a_layer(inplace, layer, build, make_photos):
    photos, network = make_photos(2), build()
    direct = captum_attr.LayerGradCam(network, network.get_submodule(layer))
    small = direct.attribute(photos, target=1, relu_attributions=True)
    expected = nn.functional.interpolate(small, (32, 32), mode="bilinear")
    found = rx.GradCAM(build(inplace), layer=layer).attribute(photos, target=1)
    torch.testing.assert_close(found, expected.expand_as(found).detach(), rtol=1e-4, atol=1e-6)


def test_layers_that_cannot_be(network, make_photos):
    with pytest.raises(OptionError, match="unknown layer 'layer4'"):
        rx.GradCAM(network, layer="layer4").explain(make_photos(1))
    with pytest.raises(OptionError, match=r"the output of 7 is no grid of features \(its shape is \(1, 5\)\)"):
        rx.GradCAM(network, layer="7").explain(make_photos(1))
    with pytest.raises(ModelError, match="has no layer with a place"):
        rx.GradCAM(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 4))).explain(make_photos(1, 8))


@pytest.mark.parametrize(
    ("name", "size", "layer", "shape"),
    [
        ("resnet18", 64, "layer4", (2, 2)),
        ("vgg11", 64, "features.19", (4, 4)),  # the last convolution's, before the pooling
        ("mobilenet_v3_small", 64, "features", (2, 2)),
        ("densenet121", 64, "features", (2, 2)),
        ("swin_t", 64, "permute", (2, 2)),
        ("swin_v2_t", 64, "permute", (2, 2)),  # its tables of relative positions have no gradient
    ],
)
def test_the_layer_of_torchvision_s(name, size, layer, shape):
    with torch.random.fork_rng(), torch.device("cpu"):
        torch.manual_seed(0)
        grid = layer_of(getattr(torchvision.models, name)(weights=None), size)
    assert (grid.layer, grid.kind, grid.shape) == (layer, "channels first", shape)


def small_transformer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.VisionTransformer(32, 8, 2, 2, 12, 24, num_classes=4)
        nn.init.normal_(network.heads.head.weight)
    return network.eval()


def test_the_layer_of_transformers():
    """What comes after the last attention has no gradient but at the class token."""
    grid = layer_of(small_transformer(), 32)
    assert (grid.layer, grid.kind, grid.shape) == ("encoder.layers.encoder_layer_1.ln_1", "tokens", (4, 4))
    options = {"img_size": 32, "patch_size": 8, "embed_dim": 12, "depth": 2, "num_heads": 2, "num_classes": 4}
    grid = layer_of(timm.models.VisionTransformer(**options), 32)
    assert (grid.layer, grid.kind, grid.shape) == ("blocks.1.norm1", "tokens", (4, 4))
    grid = layer_of(
        timm.models.SwinTransformer(
            img_size=32, patch_size=2, window_size=4, embed_dim=8, depths=(1, 1), num_heads=(2, 2)
        ),
        32,
    )
    assert (grid.layer, grid.kind, grid.shape) == ("norm", "channels last", (8, 8))


def test_the_layer_does_not_depend_on_how_sure_the_network_is(make_photos):
    """The gradient of a probability of exactly 1 is zero everywhere."""
    network, photos = small_transformer(), make_photos(1)
    with torch.no_grad():
        network.heads.head.weight.mul_(500)
        sure = network(photos).softmax(1)
    assert float(sure.max()) == 1
    assert sorted(sure.flatten().tolist())[:3] == [0, 0, 0]
    found = rx.GradCAM(network, score="probability").explain(photos)
    assert found.options["layer"] == "encoder.layers.encoder_layer_1.ln_1"
    assert found.network_evaluations == 2


def test_tokens_by_hand(make_photos):
    network, photos = small_transformer(), make_photos(2)
    layer = network.encoder.layers.encoder_layer_1.ln_1
    seen = []
    with layer.register_forward_hook(lambda module, inputs, output: seen.append(output)):
        score = network(photos)[:, 3].sum()
    (gradient,) = torch.autograd.grad(score, seen)
    tokens, slopes = (tensor[:, 1:].reshape(2, 4, 4, 12).detach() for tensor in (seen[0], gradient))
    small = (slopes.mean((1, 2), keepdim=True) * tokens).sum(-1).relu()
    expected = nn.functional.interpolate(small[:, None], (32, 32), mode="bilinear")[:, 0]
    found = rx.GradCAM(network).explain(photos, 3).scores[0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    assert float(found.max()) > 0


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_part_that_is_compiled_is_not_looked_into(build, make_photos):
    whole, photos = build(), make_photos(2)
    network = nn.Sequential(whole[:5], torch.jit.script(whole[5:])).eval()
    found = rx.GradCAM(network).explain(photos, 1)
    assert found.options["layer"] == "0"
    torch.testing.assert_close(found.scores, rx.GradCAM(whole).explain(photos, 1).scores)
    with pytest.raises(ModelError, match="has no layer with a place"):
        rx.GradCAM(nn.Sequential(torch.jit.script(whole)).eval()).explain(photos, 1)


def test_hooks_are_gone_after_an_error(network):
    model = as_model(network)

    def work():
        with watched(model, ["0", "3"]):
            assert network[3]._forward_hooks
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        work()
    assert not any(module._forward_hooks for module in network.modules())

"""torchvision's segmentation networks, with random weights."""

from __future__ import annotations

import pytest
import torch
import torchvision

import rdexplain as rx
from rdexplain.errors import ModelError
from rdexplain.models.torchvision_models import SEGMENTATION

NAMES = torchvision.models.list_models(module=torchvision.models.segmentation)


def test_they_are_listed():
    assert [info.name for info in SEGMENTATION.list_models()] == NAMES
    assert {info.classes for info in SEGMENTATION.list_models()} == {21}
    assert "deeplabv3_resnet50" in NAMES


@pytest.mark.parametrize("name", ["deeplabv3_resnet50", "lraspp_mobilenet_v3_large", "fcn_resnet50"])
def test_shapes_gradients_and_classes(name):
    model = rx.load_model(name, weights="random")
    assert (model.task, model.input_size, model.fixed_size) == ("segmentation", 520, False)
    assert model.class_name(0) == "background"
    assert model.find_class("cow") == 10
    assert model.mean == (0.485, 0.456, 0.406)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    output = model(images)
    assert output.shape == (1, 21, 64, 64)
    torch.testing.assert_close(output, model.network(model.normalised(images))["out"])
    (slope,) = torch.autograd.grad(output.softmax(1)[:, 3].mean(), images)
    assert slope.isfinite().all()
    assert slope.abs().max() > 0


def test_published_weights_hold_the_auxiliary_classifier(tmp_path):
    options = {"weights": None, "weights_backbone": None, "num_classes": 21, "aux_loss": True}
    with torch.random.fork_rng(devices=[]):
        network = torchvision.models.get_model("fcn_resnet50", **options).eval()
    torch.save(network.state_dict(), tmp_path / "w.pt")
    model = rx.load_model("fcn_resnet50", weights=tmp_path / "w.pt", normalise=False)
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(images), network(images)["out"])


def test_its_own_number_of_classes():
    model = rx.load_model("lraspp_mobilenet_v3_large", weights="random", classes=["background", "crack"])
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)


def test_missing_weights_are_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(ModelError, match=r"deeplabv3_resnet50_coco-cd0a2569.pth .* with `weights`"):
        rx.load_model("deeplabv3_resnet50")


def test_an_explanation_of_the_largest_region():
    model = rx.load_model("lraspp_mobilenet_v3_large", weights="random")
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one = rx.PixelRDE(model, steps=1, draws=1).explain(images)
    assert one.target_kind == "region"
    assert one.region.shape == (1, 32, 32)
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.network.parameters())

"""timm's and transformers' classifiers, without a network, and half precision."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import timm
import torch

import rdexplain as rx
from rdexplain.errors import ModelError, OptionError


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_a_classifier_of_timm():
    model = rx.load_model("timm/resnet18.a1_in1k", weights="random")
    assert (model.name, model.input_size, model.fixed_size) == ("timm/resnet18.a1_in1k (random)", 224, False)
    assert model.mean == (0.485, 0.456, 0.406)
    assert model.find_class("tabby") == 281
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    output = model(images)
    assert output.shape == (1, 1000)
    assert torch.autograd.grad(output[:, 0].sum(), images)[0].isfinite().all()


def test_a_vision_transformer_of_timm_has_a_fixed_size():
    model = rx.load_model("timm/vit_tiny_patch16_224", weights="random", classes=["a", "b"])
    assert (model.input_size, model.fixed_size) == (224, True)
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 2)
    with pytest.raises(ModelError, match="224 x 224 pixels only, not 256 x 256"):
        model(torch.zeros(1, 3, 256, 256))


def test_weights_of_timm_from_a_file(tmp_path):
    network = timm.create_model("resnet10t", num_classes=3)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    model = rx.load_model("timm/resnet10t", weights=tmp_path / "w.pt", classes=["a", "b", "c"])
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(images), network.eval()(model.normalised(images)))


def test_networks_of_timm_that_cannot_be_had():
    with pytest.raises(ModelError, match="unknown model of timm 'resnet5': did you mean"):
        rx.load_model("timm/resnet5")
    with pytest.raises(ModelError, match=r"weights of timm/resnet10t cannot be had .* with `weights`") as caught:
        rx.load_model("timm/resnet10t")
    assert "\n" not in str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small vision transformer, as `save_pretrained` writes it."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=32,
            patch_size=8,
            id2label={0: "cat", 1: "dog", 2: "owl"},
            label2id={"cat": 0, "dog": 1, "owl": 2},
        )
        ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    ViTImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.25, 0.3]).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def test_a_classifier_of_transformers(folder):
    from transformers import ViTForImageClassification

    model = rx.load_model(f"hf/{folder}")
    assert (model.input_size, model.fixed_size) == (32, True)
    assert (model.mean, model.std) == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    assert [entry.name for entry in model.classes] == ["cat", "dog", "owl"]
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    reference = ViTForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        torch.testing.assert_close(model(images), reference(model.normalised(images)).logits)
    one = rx.PixelRDE(model, steps=2, draws=2).explain(images, "owl")
    assert one.labels == ("owl", "owl")
    with pytest.raises(ModelError, match="32 x 32 pixels only"):
        model(torch.zeros(1, 3, 64, 64))


def test_networks_of_transformers_that_cannot_be_had(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="cannot be had as an image classifier") as caught:
        rx.load_model("hf/nobody/nothing")
    assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r'pip install "\.\[hf\]"'):
        rx.load_model("hf/nobody/nothing")


def test_half_precision_where_asked():
    options = {"weights": "random", "classes": ["a", "b"]}
    exact = rx.load_model("mobilenet_v3_small", **options)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for name in ("bfloat16", "float16"):
        model = rx.load_model("mobilenet_v3_small", precision=name, **options)
        assert model.dtype == getattr(torch, name)
        with torch.no_grad():
            torch.testing.assert_close(model(images).float(), exact(images), rtol=0.05, atol=0.05)
    with pytest.raises(OptionError, match="unknown precision 'int8'"):
        rx.load_model("mobilenet_v3_small", precision="int8", **options)


STUDY = ["mobilenet_v3_small", "vgg16", "resnet18", "resnet50", "vit_b_16"]


@pytest.mark.parametrize("name", STUDY)
def test_every_architecture_of_the_study(name):
    """With random weights: shapes, and gradients that are finite and not zero."""
    model = rx.load_model(name, weights="random")
    side = 224 if name == "vit_b_16" else 64
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).requires_grad_()
    output = model(images)
    assert output.shape == (1, 1000)
    (slope,) = torch.autograd.grad(output[0, :10].square().sum(), images)
    assert slope.isfinite().all()
    if name != "vit_b_16":  # torchvision starts the head of its transformers at zero
        assert slope.abs().max() > 0
    else:
        with pytest.raises(ModelError, match="224 x 224 pixels only, not 256 x 256"):
            model(torch.zeros(1, 3, 256, 256))

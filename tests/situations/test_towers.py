"""Image towers of timm and classifiers of transformers, small ones with random weights."""

from __future__ import annotations

import pytest
import timm
import torch
from tests.situations.conftest import explained, same, some_photos
from tests.situations.marks import situation

import rdexplain as rx
from rdexplain.errors import ModelError, OptionError, TargetError

SWIN = {"img_size": 32, "window_size": 4, "depths": (1, 1), "num_heads": (2, 2), "embed_dim": 16}
VIT = {"embed_dim": 24, "depth": 2, "num_heads": 2}


def tower(name, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(name, num_classes=5, **options).eval()


def check(network, photo, layer):
    """Explained as the network decides, by Grad-CAM at the last layer with places."""
    found = explained(network, photo, steps=1)
    with torch.no_grad():
        expected = network(photo).softmax(1).max(dim=1)
    torch.testing.assert_close(found.probability, expected.values, rtol=1e-3, atol=1e-4)
    assert found.target.tolist() == expected.indices.tolist()
    heat = rx.GradCAM(network).explain(photo)
    assert heat.options["layer"] == layer
    assert heat.picture.shape == (1, 1, *photo.shape[2:])
    assert bool(heat.scores[0].isfinite().all())


@situation(
    "Swin transformers, whose features have their channels last",
    source="pytorch-grad-cam#84",
    right="Grad-CAM finds the last grid by itself, without a reshape function",
)
@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"])
def test_swin(name):
    check(tower(name, **SWIN), some_photos(1, (32, 32)), "norm")


@situation(
    "Swin V2 has rectifiers in a table of positions, which has no gradient by the image",
    source="captum#199",
    right="Guided Backprop of the network's other rectifiers",
)
def test_swin_with_guided_backprop():
    heat = rx.GuidedBackprop(tower("swinv2_tiny_window8_256", **SWIN)).explain(some_photos(1, (32, 32)))
    assert bool(heat.scores[0].isfinite().all())
    assert float(heat.scores[0].abs().max()) > 0


@situation(
    "ConvNeXt, with layer norms over channels",
    source="pytorch-grad-cam#240",
    right="Grad-CAM at the last stage; LRP names the layer that it has no rule for",
)
def test_convnext():
    network = tower("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 8, 16, 16))
    check(network, some_photos(1, (64, 64)), "norm_pre")
    with pytest.raises(ModelError, match=r"LRP has no rule for .*LayerNorm"):
        rx.LRP(network).explain(some_photos(1, (64, 64)))


@situation(
    "DINOv2's vision transformer, with register tokens that are no patches",
    source="pytorch-grad-cam#509",
    right="Grad-CAM leaves out the class and register tokens by itself",
)
@pytest.mark.parametrize("name", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_dinov2(name):
    check(tower(name, img_size=56, **VIT), some_photos(1, (56, 56)), "blocks.1.norm1")


@situation(
    "CLIP's image tower",
    source="Imageomics/pybioclip#45",
    right="as any vision transformer; an embedding without classes is explained by a callable that reads it",
)
def test_clip():
    network, photo = tower("vit_base_patch16_clip_224", img_size=48, **VIT), some_photos(1, (48, 48))
    check(network, photo, "blocks.1.norm1")
    network.reset_classifier(0)
    with torch.no_grad():
        text = network(some_photos(1, (48, 48), seed=1))[0]
    found = explained(network, photo, [lambda embedding: torch.cosine_similarity(embedding, text, dim=0)], steps=1)
    with torch.no_grad():
        expected = torch.cosine_similarity(network(photo)[0], text, dim=0)
    torch.testing.assert_close(found.probability, expected[None], rtol=1e-3, atol=1e-4)


def vit(**options):
    from transformers import ViTConfig, ViTForImageClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        config = ViTConfig(**sizes, image_size=32, patch_size=8, num_labels=5, **options)
        return ViTForImageClassification(config).eval()


@situation(
    "A classifier of transformers returns an object with logits",
    source="pytorch-grad-cam#481",
    right="the explanation of the logits; hidden states beside them change nothing",
)
def test_outputs_of_transformers(photo):
    network = vit()
    expected = explained(network, photo)
    same(explained(lambda images: network(images).logits, photo), expected)
    same(explained(vit(output_hidden_states=True), photo), expected)
    assert rx.GradCAM(network).explain(photo).picture.shape == (1, 1, 32, 32)


@situation(
    "A network of transformers without a head for classes, or one that needs text too",
    source="pytorch-grad-cam#386",
    right="an error in one line that says what came, or what the network said",
)
def test_networks_of_transformers_without_classes(photo):
    with pytest.raises(TargetError, match=r"the shape \(1, 17, 24\), not .*\(n, classes\): give"):
        explained(vit().vit, photo)

    class NeedsText(torch.nn.Module):
        def forward(self, images, text=None):
            return images.mean((2, 3)) + text.shape[0]

    with pytest.raises(ModelError, match="AttributeError: 'NoneType' object has no attribute 'shape'"):
        explained(NeedsText(), photo)


@situation(
    "What a processor of transformers returns is given as images",
    source="pytorch-grad-cam#355",
    right="an OptionError: the pixel values are wanted, and not normalised, as the model does that",
)
def test_what_a_processor_returns(photo):
    from PIL import Image
    from transformers import ViTImageProcessor

    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    found = processor(Image.new("RGB", (40, 40), (200, 100, 50)), return_tensors="pt")
    with pytest.raises(OptionError, match=r'got BatchFeature: images\["pixel_values"\] is one'):
        explained(vit(), found)
    with pytest.raises(OptionError, match="normalisation belongs to the model"):
        explained(vit(), found["pixel_values"])


@situation(
    "A processor that scales bytes to [-1, 1], or normalises bytes themselves",
    source="lime#326",
    right="the model sees what the processor makes of the same photo",
)
@pytest.mark.parametrize(
    "options",
    [
        {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]},
        {"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]},
        {"do_rescale": False, "image_mean": [102, 127, 153], "image_std": [51, 64, 76]},
        {"rescale_factor": 1 / 127.5, "do_normalize": False},
    ],
)
def test_processors(options, tmp_path, monkeypatch):
    from PIL import Image
    from transformers import ViTImageProcessor

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    colours = (some_photos()[0].permute(1, 2, 0) * 255).byte().numpy()
    processor = ViTImageProcessor(size={"height": 32, "width": 32}, **options)
    vit().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    model = rx.load_model(f"hf/{tmp_path}")
    expected = processor(Image.fromarray(colours), return_tensors="pt")["pixel_values"]
    found = model.normalised(torch.from_numpy(colours).permute(2, 0, 1)[None] / 255)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)

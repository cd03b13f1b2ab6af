import subprocess
import sys

import pytest
import timm
import torch

import rdexplain.models
from rdexplain.errors import ModelError, OptionError
from rdexplain.models import ModelInfo, list_models, load_model, registry, torchvision_models


def test_importing_is_light():
    code = "import sys, rdexplain.work.explain; print({'timm', 'torchvision'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_public_names_are_there():
    assert all(hasattr(rdexplain.models, name) for name in rdexplain.models.__all__)


def test_the_list_builds_and_downloads_nothing(monkeypatch):
    monkeypatch.setattr(torchvision_models, "_build", None)
    monkeypatch.setattr(timm, "create_model", None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    models = list_models()
    assert len({info.name for info in models}) == len(models) > 80
    assert models[0] == ModelInfo("efficientnet_lite0", "EfficientNet-Lite", 256, "embedded", 1000)
    assert {info.weights for info in models} <= {
        "embedded",
        "installed",
        "cached",
        "to download",
        "not installed",
        "your own",
    }


def test_each_listed_name_has_one_source():
    for info in list_models():
        assert sum(source.matches(info.name) for source in registry.SOURCES) == 1


@pytest.mark.parametrize("name", ["resnet5", "efficientnet_lite9", "efficientnet-lite0", "nonsense!", ""])
def test_an_unknown_name_is_an_error(name):
    with pytest.raises(ModelError, match="unknown model") as caught:
        load_model(name)
    assert "\n" not in str(caught.value)
    if name.startswith("eff"):
        assert "efficientnet_lite0" in str(caught.value)


def test_normalisation_can_be_switched_off_or_replaced():
    name, options = "mobilenet_v3_small", {"weights": "random"}
    published = load_model(name, **options)
    assert published.mean == (0.485, 0.456, 0.406)
    assert load_model(name, **options, normalise=False).mean is None
    replaced = load_model(name, **options, mean=0.5)
    assert (replaced.mean, replaced.std) == ((0.5, 0.5, 0.5), published.std)
    assert load_model(name, **options, input_size=256).input_size == 256
    assert load_model(name, **options, activation="none").activation == "none"
    assert load_model(name, **options, device="cpu").device == torch.device("cpu")


@pytest.mark.parametrize(
    "options",
    [
        {"std": 0},
        {"mean": (1, 2)},
        {"activation": "relu"},
        {"input_size": -3},
        {"normalise": False, "mean": 0.5},
        {"device": "nowhere", "weights": "random"},
    ],
)
def test_a_bad_option_is_an_error_before_anything_is_downloaded(options, monkeypatch):
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    with pytest.raises(OptionError) as caught:
        load_model("squeezenet1_1", **options)
    assert "\n" not in str(caught.value)

import io
import re
import sys
import urllib.error
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision

from rdexplain.errors import ModelError
from rdexplain.models import load_model, torchvision_models, torchvision_weights

NAMES = torchvision.models.list_models(module=torchvision.models)
TORCH_HOME = Path(__file__).parents[2].parent / "shared" / "weights" / "torch-home"
STUDY = ["mobilenet_v3_small", "vgg16", "resnet18", "resnet50", "vit_b_16"]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty hub folder, and a download that fails without trying."""

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("the network is down")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def small():
    """A state dict of SqueezeNet 1.1, which is quick to build."""
    return load_model("squeezenet1_1", weights="random").network.state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_every_classifier_resolves_without_a_download(name):
    assert torchvision_models.CLASSIFIERS.matches(name)
    entry = torchvision_weights.find_entry(name)
    assert len(torchvision_models.class_names(entry)) == 1000
    assert torchvision_models.class_names(entry)[281].wnid == "n02123045"
    assert entry.url.startswith("https://")


def test_the_studys_models_have_the_studys_weights():
    for name in STUDY:
        entry = torchvision_weights.find_entry(name)
        assert entry.name == "IMAGENET1K_V1"
        assert entry.transforms().crop_size == [224]
    assert torchvision_weights.find_entry("vit_h_14").name == "IMAGENET1K_SWAG_E2E_V1"  # it has no V1
    assert torchvision_weights.find_entry("resnet50", "DEFAULT").name == "IMAGENET1K_V2"


def test_all_models_are_listed_with_what_is_cached(hub):
    hub.mkdir(parents=True)
    (hub / "vgg16-397923af.pth").touch()
    listed = {info.name: info for info in torchvision_models.CLASSIFIERS.list_models()}
    assert sorted(listed) == NAMES
    assert listed["vgg16"].weights == "cached"
    assert listed["resnet50"].weights == "to download"
    assert (listed["efficientnet_b1"].input_size, listed["efficientnet_b1"].classes) == (240, 1000)


@pytest.mark.skipif(not TORCH_HOME.is_dir(), reason="needs the weights beside the repository")
def test_published_weights_through_torchvisions_own_path(monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(TORCH_HOME))
    model = load_model("mobilenet_v2")
    assert (model.weights, model.input_size, model.fixed_size) == ("IMAGENET1K_V1", 224, False)
    assert (model.mean, model.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    x = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    reference = torchvision.models.mobilenet_v2(weights="IMAGENET1K_V1").eval()
    preset = torchvision.transforms.Normalize(model.mean, model.std)
    with torch.no_grad():
        assert torch.equal(model.network(x), reference(x))
        assert torch.allclose(model(x), reference(preset(x)), atol=1e-5)


def test_missing_weights_are_one_line_that_says_where_to_put_them(hub, capsys):
    with pytest.raises(ModelError) as caught:
        load_model("vgg16")
    text = str(caught.value)
    assert "\n" not in text
    for part in (
        "vgg16-397923af.pth",
        str(hub),
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "`weights`",
        "network is down",
    ):
        assert part in text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (urllib.error.HTTPError("https://x", 403, "Forbidden", None, io.BytesIO()), "Forbidden"),
        (TimeoutError("timed out"), "timed out"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (RuntimeError('invalid hash value (expected "397923af", got "abc")'), "the download is damaged"),
    ],
)
def test_other_failures_of_the_download(hub, monkeypatch, error, text):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(ModelError, match=re.escape(f"({text})" if "Perm" not in text else text)):
        load_model("vgg16")


def test_an_interrupted_download_stays_interrupted(hub, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.hub, "download_url_to_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_model("vgg16")


def test_a_download_is_checked_quiet_and_kept(hub, monkeypatch, capsys, small):
    calls = []

    def download(url, file, hash_prefix, progress):
        calls.append((url, hash_prefix, progress))
        torch.save(small, file)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert not sys.stderr.isatty()
    for _ in range(2):
        model = load_model("squeezenet1_1")
    assert calls == [("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", "b8a52dc0", False)]
    assert capsys.readouterr().out == ""
    assert model.name == "squeezenet1_1"
    assert all(torch.equal(value, small[key]) for key, value in model.network.state_dict().items())


def test_a_damaged_file_in_the_hub_folder(hub):
    hub.mkdir(parents=True)
    (hub / "vgg16-397923af.pth").write_bytes(b"half a file")
    with pytest.raises(ModelError, match="is damaged, delete it"):
        load_model("vgg16")


def test_versions(hub):
    with pytest.raises(ModelError, match=r"resnet50-11ad3fa6.pth"):
        load_model("resnet50@IMAGENET1K_V2")
    with pytest.raises(ModelError, match=r"resnet50-11ad3fa6.pth"):
        load_model("resnet50", weights="DEFAULT")
    with pytest.raises(ModelError, match=r"resnet50-0676ba61.pth"):
        load_model("resnet50")
    with pytest.raises(ModelError, match="unknown version of resnet50 'V3'"):
        load_model("resnet50@V3")
    with pytest.raises(ModelError, match="contradict"):
        load_model("resnet50@IMAGENET1K_V2", weights="IMAGENET1K_V1")
    with pytest.raises(ModelError, match="unknown version of vgg16 'IMAGENET1K_FEATURES'"):
        load_model("vgg16@IMAGENET1K_FEATURES")  # it has no classifier
    with pytest.raises(ModelError, match="no weights file IMAGENET1K_V9; the versions of vgg16 are IMAGENET1K_V1"):
        load_model("vgg16", weights="IMAGENET1K_V9")
    with pytest.raises(ModelError, match="2 class names for the 1000 classes"):
        load_model("vgg16", classes=["cat", "dog"])


def test_weights_from_a_file(tmp_path, small):
    safetensors.torch.save_file(dict(small), tmp_path / "w.safetensors")
    model = load_model("squeezenet1_1", weights=tmp_path / "w.safetensors")
    assert model.weights == str(tmp_path / "w.safetensors")
    assert all(torch.equal(value, small[key]) for key, value in model.network.state_dict().items())


def test_a_fine_tuned_file_with_its_own_classes(tmp_path):
    classes = ["cat", "dog", "cow"]
    torch.save(load_model("resnet18", weights="random", classes=classes).network.state_dict(), tmp_path / "w.pt")
    model = load_model("resnet18", weights=tmp_path / "w.pt", classes=classes)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
    assert model.find_class("cow") == 2
    with pytest.raises(ModelError, match=r"size mismatch for fc.weight"):
        load_model("resnet18", weights=tmp_path / "w.pt")


def test_densenets_published_keys(tmp_path):
    state = load_model("densenet121", weights="random").network.state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "w.pt")
    load_model("densenet121", weights=tmp_path / "w.pt")


@pytest.mark.parametrize("auxiliary", [False, True])
def test_googlenet_with_and_without_auxiliary_classifiers(tmp_path, auxiliary):
    options = {"weights": None, "init_weights": False, "aux_logits": auxiliary}
    with torch.random.fork_rng(devices=[]):
        network = torchvision.models.googlenet(**options, transform_input=True).eval()
    torch.save(network.state_dict(), tmp_path / "w.pt")
    model = load_model("googlenet", weights=tmp_path / "w.pt", normalise=False)
    x = torch.full((1, 3, 64, 64), 0.25)
    with torch.no_grad():
        assert torch.equal(model(x), network(x))  # transform_input is on, as with the published weights


def test_mnasnet_without_the_metadata_it_asks_for(tmp_path):
    state = load_model("mnasnet0_5", weights="random").network.state_dict()
    safetensors.torch.save_file(dict(state), tmp_path / "w.safetensors")
    load_model("mnasnet0_5", weights=tmp_path / "w.safetensors")


def test_random_weights_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    first, second = (load_model("mobilenet_v3_small", weights=name) for name in ("random", "none"))
    assert torch.equal(torch.get_rng_state(), before)
    assert (first.name, first.weights) == ("mobilenet_v3_small (random)", "random")
    states = first.network.state_dict(), second.network.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not any(module.training for module in first.network.modules())


def test_which_models_have_a_fixed_size():
    for name in ("vit_b_32", "maxvit_t"):
        model = load_model(name, weights="random")
        assert (model.fixed_size, model.input_size) == (True, 224)
        with pytest.raises(ModelError, match="224 x 224 pixels only, not 256 x 256"):
            model(torch.zeros(1, 3, 256, 256))
        with pytest.raises((RuntimeError, AssertionError)), torch.no_grad():
            model.network(torch.zeros(1, 3, 256, 256))
    swin = load_model("swin_t", weights="random")
    assert not swin.fixed_size
    with torch.no_grad():
        assert swin(torch.zeros(1, 3, 96, 96)).shape == (1, 1000)


def test_a_vision_transformers_size_is_that_of_its_version(monkeypatch):
    built = []

    def get_model(name, **options):
        built.append(options["image_size"])
        return torch.nn.Identity()

    monkeypatch.setattr(torchvision.models, "get_model", get_model)
    model = load_model("vit_b_16@IMAGENET1K_SWAG_E2E_V1", weights="random")
    assert (built, model.input_size) == ([384], 384)
    assert load_model("vit_b_16", weights="random", input_size=224).input_size == 224
    with pytest.raises(ModelError, match="224 x 224 pixels only"):
        load_model("vit_b_16", weights="random", input_size=256)

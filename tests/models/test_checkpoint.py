import pickle
import random

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from rdexplain.errors import ModelError
from rdexplain.models.checkpoint import load_state, own_random_state, read_state


def network():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 2))


def loaded(file):
    net = network()
    load_state(net, read_state(file), str(file), "net")
    return net.state_dict()


@pytest.fixture
def state():
    return {key: torch.full_like(value, 3) for key, value in network().state_dict().items()}


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_a_pytorch_file(tmp_path, state, wrap, prefix):
    torch.save(wrap({prefix + key: value for key, value in state.items()}), tmp_path / "w.pt")
    got = loaded(tmp_path / "w.pt")
    assert got.keys() == state.keys()
    assert all(torch.equal(got[key], state[key]) for key in state)


def test_a_safetensors_file_and_one_without_batch_counters(tmp_path, state):
    del state["1.num_batches_tracked"]
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    assert torch.equal(loaded(tmp_path / "w.safetensors")["2.weight"], state["2.weight"])


def test_names_and_shapes_that_differ_are_named(tmp_path, state):
    torch.save({"head.weight": torch.zeros(1), **state}, tmp_path / "more.pt")
    with pytest.raises(ModelError, match=r"does not fit net: it comes with an unexpected head.weight$"):
        loaded(tmp_path / "more.pt")
    torch.save({"2.bias": state["2.bias"]}, tmp_path / "fewer.pt")
    with pytest.raises(ModelError, match=r"it comes without 0.weight, 0.bias and 5 more$"):
        loaded(tmp_path / "fewer.pt")
    torch.save(state | {"2.bias": torch.zeros(7)}, tmp_path / "wider.pt")
    with pytest.raises(ModelError, match=r"size mismatch for 2.bias.*\[7\]"):
        loaded(tmp_path / "wider.pt")


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


@pytest.mark.parametrize("save", [torch.save, lambda thing, file: file.write_bytes(pickle.dumps(thing))])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, save):
    save({"a": Malicious(tmp_path / "ran")}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="never run") as caught:
        read_state(tmp_path / "w.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_files_that_hold_no_state_dict(tmp_path):
    with pytest.raises(ModelError, match="no weights file"):
        read_state(tmp_path / "absent.pt")
    torch.save({"lr": 0.1}, tmp_path / "number.pt")
    with pytest.raises(ModelError, match="'lr' is a float"):
        read_state(tmp_path / "number.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(ModelError, match="but a Tensor"):
        read_state(tmp_path / "tensor.pt")
    torch.save(network(), tmp_path / "module.pt")
    with pytest.raises(ModelError, match="state_dict"):
        read_state(tmp_path / "module.pt")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello, I am text", b"PK\x03\x04 and then nothing"])
def test_damaged_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_state(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_torchscript_archive_is_refused(tmp_path):
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(tmp_path / "w.pt"))
    with pytest.raises(ModelError, match="TorchScript"):
        read_state(tmp_path / "w.pt")


def test_own_random_state_is_the_same_each_time_and_leaves_the_global_one():
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    draws = []
    for _ in range(2):
        with own_random_state():
            draws.append(torch.rand(3))
    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]  # noqa: NPY002

import pytest
import torch
from torch import nn

from rdexplain.models import Model, frozen


@pytest.fixture
def network():
    """In train mode, but for one batch norm; one weight does not require gradients."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4), nn.Dropout()))
    net[1].eval()
    net[0].weight.requires_grad_(False)
    return net


def state(net):
    return [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]


def test_inside_everything_is_still_and_outside_as_before(network):
    before = state(network)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with frozen(network):
        assert state(network) == ([False] * 6, [False] * 6)
        x = torch.ones(2, 3, 2, 2, requires_grad=True)
        network(x).sum().backward()
    assert x.grad is not None
    assert state(network) == before
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in network.named_buffers())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_restored_after_an_exception(network):
    before = state(network)
    with pytest.raises(ZeroDivisionError), frozen(network):
        _ = 1 / 0
    assert state(network) == before


def test_nested_and_through_a_model(network):
    before = state(network)
    with frozen(Model(network)), frozen(network):
        pass
    assert state(network) == before


def test_an_overridden_train_is_not_called(network):
    class Merging(nn.Linear):
        def train(self, mode=True):
            raise AssertionError("has side effects")

    net = Merging(2, 2)
    with frozen(net):
        assert not net.training
    assert net.training


def test_a_plain_callable_is_left_alone():
    with frozen(torch.sin):
        pass


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_script_modules(network):
    scripted = torch.jit.script(network)
    before = state(scripted)
    with frozen(scripted):
        assert not any(map(any, state(scripted)))
    assert state(scripted) == before
    with frozen(torch.jit.freeze(torch.jit.script(network.eval()))):
        pass

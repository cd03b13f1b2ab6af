"""The network's pass as a CUDA graph. Here there is no GPU: what is tested is the plain path, and the bookkeeping."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.core.captured import Captured
from rdexplain.core.solver import Settings, solve


@pytest.fixture
def method():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    for number, parameter in enumerate(network.parameters()):
        parameter.data = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(number)) - 0.5
    return rx.CartoonX(network.eval(), internal_batch_size=6, batch_invariant=False)


def test_the_masks_are_the_same_to_the_last_bit_where_there_is_no_graph(method):
    images = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with method.problem(images) as problem:
        start = torch.ones(3, problem.objective.transform.count)
        found = [
            solve(replace(problem.objective, graph=graph), start, Settings(4, 4, 0.1, 20.0, power=2, block=2))
            for graph in (False, True)
        ]
    assert torch.equal(found[0].mask, found[1].mask)
    assert torch.equal(found[0].distortion, found[1].distortion)
    assert not torch.equal(found[0].mask, start)


def test_every_step_sends_the_same_shapes(method):
    shapes = []
    forward_hook = method.model.network.register_forward_hook(lambda module, given, out: shapes.append(given[0].shape))
    images = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with method.problem(images) as problem:
        objective, mask = problem.objective, torch.full((3, problem.objective.transform.count), 0.5)
        steps = []
        for step in range(3):
            shapes.clear()
            objective.gradient(mask, step, 4)
            steps.append(list(shapes))
    forward_hook.remove()
    assert steps[0] == steps[1] == steps[2]
    assert [shape[0] for shape in steps[0]] == [4, 4, 4]  # a row's draws do not fit twice into 6 images


class OnGPU:
    """Stands for a tensor on a GPU: it has a shape and a device, and a number that the work reads."""

    def __init__(self, number: float, count: int) -> None:
        self.number, self.shape, self.device = number, (count, 3, 8, 8), torch.device("cuda")


def double(images, rows):
    return images.number * 2, rows


def test_a_shape_is_captured_once_and_then_replayed():
    captures, replays = [], []

    def capture(work, images, rows):
        captures.append(images.shape[0])

        def replayed(images, rows):
            replays.append(images.number)
            return work(images, rows)

        return replayed

    captured = Captured(double, capture)
    results = [captured(OnGPU(number, count), "rows") for number, count in ((1, 4), (2, 4), (3, 2), (4, 4), (5, 2))]
    assert [value for value, _ in results] == [2, 4, 6, 8, 10]
    assert captures == [4, 2]
    assert replays == [2, 4, 5]  # the first pass of each shape is the plain one


def test_what_cannot_be_captured_is_done_as_it_is():
    def capture(work, images, rows):
        raise RuntimeError("operation not permitted when stream is capturing")

    captured = Captured(double, capture)
    with pytest.warns(RuntimeWarning, match="no CUDA graph of the network: operation not permitted"):
        assert captured(OnGPU(1, 4), "rows") == (2, "rows")
    assert captured(OnGPU(2, 4), "rows") == (4, "rows")  # and is not tried again: a second warning would be an error


def test_too_little_memory_for_a_graph_is_left_to_the_batch_limit():
    def capture(work, images, rows):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Captured(double, capture)(OnGPU(1, 4), "rows")

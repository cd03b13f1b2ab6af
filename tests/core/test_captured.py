"""A step's work as a CUDA graph. Here there is no GPU: what is tested is the plain path, and the bookkeeping."""

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


class OnGPU(torch.Tensor):
    """A tensor of which the code under test thinks that it is on a GPU."""

    @property
    def device(self):
        return torch.device("cuda")


def on_gpu(number: float, count: int) -> torch.Tensor:
    return torch.full((count,), float(number)).as_subclass(OnGPU)


def times(factor, values):
    return (factor * torch.tensor(values[0].item()),)


def recording(captures, replays, wrong=0.0):
    def capture(work, inputs):
        captures.append(len(inputs[0]))

        def replayed(values):
            replays.append(values[0].item())
            return tuple(one + wrong for one in work(values))

        return replayed

    return capture


def called(captured, calls):
    return [captured(how, on_gpu(number, count))[0].item() for how, number, count in calls]


def test_a_shape_and_a_way_to_work_are_captured_once_and_then_replayed():
    captures, replays = [], []
    captured = Captured(times, recording(captures, replays))
    calls = ((2, 1, 4), (2, 2, 4), (2, 3, 2), (3, 3, 2), (2, 4, 4), (2, 5, 2), (2, 6, 4), (3, 7, 2))
    assert called(captured, calls) == [2, 4, 6, 9, 8, 10, 12, 21]
    assert captures == [4, 2, 2]
    assert replays == [2, 4, 5, 6, 7]  # the first pass of each is the plain one; at the second both are compared


def test_a_graph_that_gives_something_else_is_not_used():
    captures, replays = [], []
    captured = Captured(times, recording(captures, replays, wrong=1.0))
    assert called(captured, [(2, number, 4) for number in (1, 2, 3, 4)]) == [2, 4, 6, 8]
    assert replays == [2]


def test_a_graph_that_gives_nan_is_not_used():
    captures, replays = [], []
    captured = Captured(times, recording(captures, replays, wrong=float("nan")))
    assert called(captured, [(2, number, 4) for number in (1, 2, 3)]) == [2, 4, 6]


def test_what_cannot_be_captured_is_done_as_it_is():
    tries = []

    def capture(work, inputs):
        tries.append(1)
        raise RuntimeError("operation not permitted when stream is capturing")

    assert called(Captured(times, capture), [(2, number, 4) for number in (1, 2, 3)]) == [2, 4, 6]
    assert len(tries) == 1


def test_too_little_memory_for_a_graph_is_left_to_the_batch_limit():
    def capture(work, inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    captured = Captured(times, capture)
    for _ in range(2):  # and nothing is kept
        with pytest.raises(torch.OutOfMemoryError):
            captured(2, on_gpu(1, 4))


def test_nothing_is_captured_where_there_is_no_gpu():
    captures = []
    captured = Captured(times, recording(captures, []))
    assert [captured(2, torch.ones(3))[0].item() for _ in range(3)] == [2, 2, 2]
    assert not captures

"""How work is cut into batches, and what happens when a batch does not fit."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rdexplain.core.memory import BatchLimit, batches
from rdexplain.errors import SolverError

IMAGES = torch.zeros(1, 3, 64, 64)


@given(st.integers(1, 9), st.integers(1, 20), st.integers(1, 50))
def test_batches_cover_every_draw_of_every_row_once(rows, draws, limit):
    covered = []
    for row, row_end, draw, draw_end in batches(rows, draws, limit):
        assert 0 < (row_end - row) * (draw_end - draw) <= limit
        assert row_end - row == 1 or (draw, draw_end) == (0, draws)
        covered += [(r, d) for r in range(row, row_end) for d in range(draw, draw_end)]
    assert covered == [(r, d) for r in range(rows) for d in range(draws)]


def test_batches_are_as_few_as_can_be():
    assert len(list(batches(1, 64, 64))) == 1
    assert len(list(batches(8, 8, 64))) == 1
    assert len(list(batches(3, 10, 4))) == 9


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to"),
    RuntimeError("MPS backend out of memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_halves_until_it_fits_and_stays_there(error):
    limit = BatchLimit(20, IMAGES)
    tried = []

    def work(size: int) -> str:
        tried.append(size)
        if size > 3:
            raise error
        return "done"

    with pytest.warns(RuntimeWarning, match="out of memory: going on with") as warned:
        assert limit.run(work) == "done"
    assert tried == [20, 10, 5, 2]
    assert str(warned[0].message) == ("out of memory: going on with 10 instead of 20 images in a batch")
    assert len(warned) == 3
    assert limit.run(work) == "done"
    assert tried[4:] == [2]


@pytest.mark.filterwarnings("ignore:out of memory")
def test_what_hangs_in_a_cycle_is_free_before_the_next_try():
    kept = []

    def work(size: int) -> bool:
        if kept:
            return kept[0]() is None
        network = torch.nn.Linear(2, 2)
        network.register_forward_hook(lambda *_: network)
        kept.append(weakref.ref(network))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    gc.disable()
    try:
        assert BatchLimit(2, IMAGES).run(work)
    finally:
        gc.enable()


def test_a_single_image_that_does_not_fit():
    def work(size: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(SolverError, match="out of memory with a single image") as caught:
        BatchLimit(1, IMAGES).run(work)
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_other_errors_pass():
    def work(size: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        BatchLimit(8, IMAGES).run(work)


@pytest.mark.parametrize(("side", "batch"), [(128, 16), (256, 4), (2048, 1)])
def test_without_a_size_the_batch_follows_the_pixels(side, batch):
    assert BatchLimit(None, torch.zeros(1, 3, side, side)).size == batch

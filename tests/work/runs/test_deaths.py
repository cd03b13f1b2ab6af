"""Workers that die, of every engine: they are replaced, and nothing is lost but what kills them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdexplain.work.runs import open_run

pytestmark = pytest.mark.workers

RAY = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"),
    # Ray opens sockets and processes that end after it.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.mark.parametrize("engine", ["--workers 2", pytest.param("--engine ray --workers 1", marks=RAY)])
def test_a_worker_that_dies_is_replaced(command, equal, engine):
    options = "--model run_test_nets:Once --photos-per-batch 2"
    done = command("run", "--out a", options, engine)
    assert done.status == 0, done.err
    assert Path("died").exists()
    assert len(open_run("a")) == 10
    # The network has died once, and does no more: the same run on this process.
    assert command("run", "--out b", options).status == 0
    assert equal("a", "b")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["--workers 2", pytest.param("--engine ray --workers 2", marks=RAY)])
def test_a_photo_that_workers_die_with_is_given_up_and_no_other(command, engine):
    Image.fromarray(np.full((12, 12, 3), 255, dtype=np.uint8)).save("photos/04.png")
    done = command("run", "--out a", "--model run_test_nets:Deadly --photos-per-batch 3", engine)
    assert done.status == 1, done.err
    run = open_run("a")
    assert run.failures == [("04.png", "pixel_rde", "04.png: 3 workers died with it", 1)]
    assert run.counts["done"] == 9

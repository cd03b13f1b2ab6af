"""The Ray engine: the same results, whatever dies."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rdexplain.runs import open_run

pytest.importorskip("ray")
# Ray opens sockets and processes that end after it.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_ray_gives_what_local_gives(command, equal):
    assert command("run", "--out local", "--photos-per-batch 3").status == 0
    done = command("run", "--out ray", "--photos-per-batch 3", "--engine ray --workers 2")
    assert done.status == 0, done.err
    assert equal("local", "ray")


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(command, equal):
    options = ("--model run_test_nets:Once", "--photos-per-batch 2", "--engine ray --workers 1")
    assert command("run", "--out a", *options).status == 0
    assert len(open_run("a")) == 10
    # The network has died once, and does no more: the same run on this process.
    assert command("run", "--out b", "--model run_test_nets:Once", "--photos-per-batch 2").status == 0
    assert equal("a", "b")


@pytest.mark.slow
def test_a_photo_that_workers_die_with_is_given_up_and_no_other(command):
    Image.fromarray(np.full((12, 12, 3), 255, dtype=np.uint8)).save("photos/04.png")
    done = command("run", "--out a", "--model run_test_nets:Deadly --photos-per-batch 3 --engine ray --workers 2")
    assert done.status == 1, done.err
    run = open_run("a")
    assert run.failures == [("04.png", "pixel_rde", "04.png: 3 workers died with it", 1)]
    assert run.counts["done"] == 9


def test_a_cluster_that_is_not_there(command):
    failed = command("run", "--out a", "--engine ray --address 127.0.0.1:1", "--photos-per-batch 2")
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "no Ray at 127.0.0.1:1" in failed.err[0]

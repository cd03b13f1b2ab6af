"""The Ray engine: the same results, whatever dies."""

from __future__ import annotations

import pytest

pytest.importorskip("ray")
# Ray opens sockets and processes that end after it.
pytestmark = [pytest.mark.workers, pytest.mark.filterwarnings("ignore")]


def test_ray_gives_what_local_gives(command, equal):
    assert command("run", "--out local", "--photos-per-batch 3").status == 0
    done = command("run", "--out ray", "--photos-per-batch 2", "--engine ray --workers 2")
    assert done.status == 0, done.err
    assert equal("local", "ray")


def test_a_cluster_that_is_not_there(command):
    failed = command("run", "--out a", "--engine ray --address 127.0.0.1:1", "--photos-per-batch 2")
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "no Ray at 127.0.0.1:1" in failed.err[0]

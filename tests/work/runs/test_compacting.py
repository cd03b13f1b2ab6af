"""A run that ends has a few large shards, whatever it was written in."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rdexplain.work.runs import compacting, open_run, shards
from rdexplain.work.runs.ledger import Ledger

OPTIONS = "--method pixel_rde,random_pixel --photos-per-batch 1"


@pytest.fixture
def _one_shard_a_batch(monkeypatch):
    monkeypatch.setattr("rdexplain.work.runs.execute.COMMIT_SECONDS", 0.0)


def files(folder="a"):
    return sorted(path.name for path in Path(folder, "shards").iterdir())


@pytest.mark.usefixtures("_one_shard_a_batch")
def test_many_small_shards_become_one(command, equal, monkeypatch):
    assert command("run", "--out whole", OPTIONS).status == 0
    assert files("whole") == ["00020.parquet", "00020.safetensors"]
    monkeypatch.setattr(compacting, "MANY", 1000)
    assert command("run", "--out a", OPTIONS).status == 0
    assert len(files()) == 40
    opened = open_run("a")
    before = [opened.mask(place) for place in range(len(opened))]
    orders = [getattr(one, "order", None) for one in opened]
    assert [order is not None for order in orders] == [True, False] * 10  # heatmaps have none
    table = opened.table()
    assert equal("a", "whole")
    # A run that was opened before its shards were joined is read all the same.
    monkeypatch.setattr(compacting, "MANY", 16)
    assert command("run", "a", small=False).status == 0
    assert files() == ["00020.parquet", "00020.safetensors"]
    assert all(opened.mask(place).equal(mask) for place, mask in enumerate(before))
    assert all(opened[place].order[0].equal(order[0]) for place, order in enumerate(orders) if order is not None)
    assert opened.table().equals(table)
    assert opened[-1].photos == ("09.png",)
    assert equal("a", "whole")


@pytest.mark.usefixtures("_one_shard_a_batch")
def test_shards_have_a_size(command, equal, monkeypatch):
    assert command("run", "--out whole", OPTIONS).status == 0
    size = Path("whole/shards/00020.safetensors").stat().st_size
    monkeypatch.setattr(compacting, "BYTES", size // 2)
    assert command("run", "--out a", OPTIONS).status == 0
    assert 4 < len(files()) < 40
    assert equal("a", "whole")


@pytest.mark.usefixtures("_one_shard_a_batch")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_while_shards_are_joined(command, equal, monkeypatch, moment):
    """Before the ledger knows the new shard, and after that, before the old ones are removed."""
    assert command("run", "--out whole", OPTIONS).status == 0
    real = Ledger.move

    def killed(self, done):
        if moment == "after":
            real(self, done)
        raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "move", killed)
    assert command("run", "--out a", OPTIONS).status == 130
    assert len(files()) == 42
    assert equal("a", "whole")
    monkeypatch.setattr(Ledger, "move", real)
    assert command("run", "a", small=False).status == 0
    assert len(files()) == 2
    assert equal("a", "whole")


@pytest.mark.usefixtures("_one_shard_a_batch")
def test_a_disk_too_full_to_join_shards_costs_nothing(command, equal, monkeypatch):
    assert command("run", "--out whole", OPTIONS).status == 0
    real = shards.write

    def full(folder, number, rows):
        if len(rows) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(folder, number, rows)

    monkeypatch.setattr(shards, "write", full)
    done = command("run", "--out a", OPTIONS)
    assert (done.status, done.err) == (0, [])
    assert len(files()) == 40
    assert equal("a", "whole")

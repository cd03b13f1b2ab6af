"""``rdexplain evaluate`` through several processes: the same numbers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from rdexplain.cli import main
from rdexplain.evaluation import load_evaluation

pytestmark = pytest.mark.workers

pytest.importorskip("pyarrow")

NETS = """
from cli_test_nets import Mean
from tests.dying import DiesElsewhere, DiesOnce

class Once(DiesOnce, Mean):
    pass

class Deadly(DiesElsewhere, Mean):
    def deadly(self, images):
        return bool((images.flatten(1).mean(dim=1) < 0.05).any())  # a dark photo
"""
SMALL = "--activation softmax --size 64 --steps 2 --percentages 0,50,100 --draws 1 --seed 3 --photos-per-batch 1"
METHODS = "--methods cartoonx,pixel_rde,random_pixel,lrp"
FILES = ("summary.csv", "differences.csv", "rows.parquet", "scores.parquet", "evaluation.json")


@pytest.fixture
def evaluate(place, capsys):
    (place / "more_nets.py").write_text(NETS)

    def call(text: str, model: str = "cli_test_nets:tiny"):
        status = main(f"evaluate {text} --model {model} {SMALL}".split())
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def same(one: str, other: str) -> bool:
    return all(Path(one, name).read_bytes() == Path(other, name).read_bytes() for name in FILES)


def test_two_workers_give_what_one_gives(evaluate):
    Path("photos/broken.png").write_bytes(b"nothing")
    status, out, err = evaluate(f"photos {METHODS} --out one")
    assert status == 1
    assert err.count("\n") == 2
    two = evaluate(f"photos {METHODS} --out two --workers 2")
    assert (two[0], two[1]) == (status, out.replace("in one", "in two"))
    assert sorted(two[2].splitlines()) == sorted(err.splitlines())
    assert same("one", "two")
    assert "lrp" in load_evaluation("two").not_applicable


def test_a_worker_that_dies_is_replaced(evaluate):
    status, _, err = evaluate("photos --methods pixel_rde --out two --workers 2", "more_nets:Once")
    assert (status, err) == (0, "")
    assert Path("died").exists()
    assert evaluate("photos --methods pixel_rde --out one", "more_nets:Once")[0] == 0
    assert same("one", "two")


@pytest.mark.slow
def test_a_photo_that_workers_die_with_is_given_up_and_no_other(evaluate, monkeypatch):

    monkeypatch.setenv("RDEXPLAIN_TEST_PID", str(os.getpid()))
    Image.new("RGB", (20, 20)).save("photos/dark.png")
    status, _, err = evaluate("photos --methods pixel_rde --workers 2 --photos-per-batch 4", "more_nets:Deadly")
    assert status == 1
    assert err == "rdexplain: error: photos/dark.png: 3 workers died with it\n"
    record = json.loads(Path("evaluation/evaluation.json").read_text())
    assert list(record["failed"]) == ["photos/dark.png"]
    assert len({entry.photo for entry in load_evaluation("evaluation").entries}) == 3


def test_explanations_by_two_workers(evaluate, run):
    assert run("explain photos", "--method pixel_rde --size 64 --out explained").status == 0
    assert evaluate("--explanations explained --out one")[0] == 0
    assert evaluate("--explanations explained --out two --workers 2")[0] == 0
    assert same("one", "two")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray opens sockets and processes that end after it
def test_ray_gives_what_one_worker_gives(evaluate):
    pytest.importorskip("ray")
    assert evaluate(f"photos {METHODS} --out one")[0] == 0
    assert evaluate(f"photos {METHODS} --out ray --engine ray --workers 2")[0] == 0
    assert same("one", "ray")


def test_ray_that_is_not_installed(evaluate, monkeypatch):

    monkeypatch.setitem(sys.modules, "ray", None)
    status, _, err = evaluate("photos --engine ray")
    assert status == 2
    assert err == (
        "rdexplain: error: --engine ray needs ray: install the extra `ray`: "
        'pip install ".[ray]" in the project\'s folder\n'
    )
    assert not Path("evaluation").exists()

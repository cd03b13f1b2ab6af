"""``rdexplain reproduce`` through several processes: the same numbers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import rdexplain as rx
from rdexplain.cli import main
from rdexplain.work.studies import Scale, budget

pytestmark = pytest.mark.workers

pytest.importorskip("pyarrow")
pytest.importorskip("captum")

NETS = '''
from torch import nn
from tests.dying import DiesElsewhere, DiesOnce

class Tiny(nn.Module):
    """Pools first, so that it is fast; with a ReLU, for Guided Backprop."""
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.AvgPool2d(5), nn.ReLU(), nn.Conv2d(3, 8, 3), nn.Tanh(),
                                    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    def forward(self, images):
        return 5 * self.layers(images)

class Once(DiesOnce, Tiny):
    pass

class Deadly(DiesElsewhere, Tiny):
    pass
'''


@pytest.fixture
def run(photos, tmp_path, monkeypatch, capsys):
    """Run the command in a folder with the networks' module, scaled to nearly nothing."""
    (tmp_path / "study_test_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(budget, "measure", lambda *_, **__: budget.Speed(1e-6, 1e-6))
    monkeypatch.setattr(budget, "fit", lambda _, groups, *__: dict.fromkeys(groups, Scale(2, 0.002, 12)))

    def call(text, network="Tiny"):
        status = main(
            f"reproduce {text} --photos photos --budget 1 --size 40 --model study_test_nets:{network}".split()
        )
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    yield call
    sys.modules.pop("study_test_nets", None)


def same(one: str, other: str) -> bool:
    """Whether two folders hold the same: the units' rows and masks, tables and verdicts."""
    kinds = ("units/*.json", "*.csv", "verdicts.*")
    names = [
        sorted(str(file.relative_to(folder)) for kind in kinds for file in Path(folder).glob(kind))
        for folder in (one, other)
    ]
    # An explanation's record says how long it took.
    texts = [name for name in names[0] if not name.endswith(".explanation.json")]
    masks = [name for name in names[0] if name.endswith(".explanation.json")]
    assert texts
    assert masks
    return (
        names[0] == names[1]
        and all(Path(one, name).read_bytes() == Path(other, name).read_bytes() for name in texts)
        and all(
            all(map(lambda a, b: a.equal(b), *(rx.load_explanation(Path(place, name)).mask for place in (one, other))))
            for name in masks
        )
    )


def test_two_workers_give_what_one_gives(run):
    status, out, err = run("figure-7 accuracy --out one")
    assert (status, err) == (0, "")
    two = run("figure-7 accuracy --out two --workers 2")
    assert two == (status, out.replace("are in one", "are in two"), err)
    assert same("one", "two")


def test_a_worker_that_dies_is_replaced(run):
    status, _, err = run("figure-7 --out two --workers 2", "Once")
    assert (status, err) == (0, "")
    assert Path("died").exists()
    assert run("figure-7 --out one", "Once")[0] == 0
    assert same("one", "two")


@pytest.mark.slow
def test_a_unit_that_workers_die_with_is_given_up_and_tried_again(run, monkeypatch):
    monkeypatch.setenv("RDEXPLAIN_TEST_PID", str(os.getpid()))
    status, _, err = run("figure-7 --out two --workers 2", "Deadly")
    assert status == 1
    lines = [line for line in err.splitlines() if " error: " in line]  # the progress is said each minute
    assert lines
    assert all(line.endswith("3 workers died with it") for line in lines)
    assert run("figure-7 --out two", "Deadly")[0] == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray opens sockets and processes that end after it
def test_ray_gives_what_one_worker_gives(run):
    pytest.importorskip("ray")
    assert run("figure-7 --out one")[0] == 0
    assert run("figure-7 --out ray --engine ray --workers 2")[0] == 0
    assert same("one", "ray")

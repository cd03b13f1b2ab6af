"""``rdexplain reproduce`` as a command: what it refuses, and that it goes on where it was."""

from __future__ import annotations

import json
import math
import os
import re
from unittest.mock import Mock

import pytest

from rdexplain.cli import main
from rdexplain.errors import OptionError
from rdexplain.models.registry import find_source
from rdexplain.work.lock import locked
from rdexplain.work.studies import Scale

pytest.importorskip("pyarrow")
pytest.importorskip("captum")


@pytest.fixture
def run(photos, scenes, load, monkeypatch, tmp_path, capsys):
    """Run the command on the tiny networks, scaled to nearly nothing."""
    from rdexplain.work import reproduce as reproducing
    from rdexplain.work.studies import budget
    from rdexplain.work.studies import loaded as study_networks

    monkeypatch.setattr(reproducing, "find_source", lambda name: None)
    monkeypatch.setattr(study_networks, "load_model", lambda name, **options: load(name))
    monkeypatch.setattr(budget, "measure", lambda *_, **__: budget.Speed(1e-6, 1e-6))
    monkeypatch.setattr(budget, "fit", lambda _, groups, *__: dict.fromkeys(groups, Scale(2, 0.002, 12)))

    def call(text, photos=str(tmp_path / "photos"), out="out"):
        argv = f"reproduce {text}".split()
        argv += ["--out", str(tmp_path / out), "--size", "40"] + (["--photos", photos] if photos else [])
        status = main(argv if "--model" in argv else [*argv, "--model", "tiny"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_reproduces_and_goes_on(run, tmp_path):
    status, out, err = run("figure-7 --budget 1")
    assert (status, err) == (0, "")
    assert "figure-7" in out
    assert "figure-7: scaled, 0.2 % of the steps and draws, 1 of 3 photos" in out
    assert (tmp_path / "out" / "figure-7.png").exists()
    unit = next((tmp_path / "out" / "units").glob("*.json"))
    stamp = unit.stat().st_mtime_ns
    assert run("figure-7 --budget 1")[0] == 0
    assert unit.stat().st_mtime_ns == stamp


def test_another_plan_in_the_same_folder_is_refused(run, tmp_path):
    assert run("figure-7 --budget 1")[0] == 0
    status, _, err = run("figure-7 --budget 1 --seed 4")
    assert status == 2
    assert "it differs in seed (0 there, 4 now)" in err
    assert run("figure-7 --budget 1 --seed 4 --overwrite")[0] == 0
    assert json.loads((tmp_path / "out" / "plan.json").read_text())["request"]["seed"] == 4


def test_an_effort_in_place_of_a_budget(run, tmp_path):
    status, out, _ = run("figure-7 --effort 0.002 --limit 1 --photos-per-batch 2")
    assert status == 0
    assert "figure-7: scaled, 0.2 % of the steps and draws, 1 of 3 photos" in out
    steps = {json.loads(file.read_text())["options"]["steps"] for file in tmp_path.glob("out/units/*.explanation.json")}
    assert steps == {6}
    assert "it differs in effort (0.002 there, None now)" in run("figure-7 --limit 1")[2]
    status, _, err = run("figure-7 --effort 0.5 --budget 1", out="other")
    assert (status, err.count("\n")) == (2, 1)
    assert "give --effort or --budget, not both" in err


DAMAGES = {
    "no JSON": lambda plan: "{",
    "a list": lambda plan: "[]",
    "no request": lambda plan: json.dumps({"scales": {}}),
    "no scale of its group": lambda plan: json.dumps(plan | {"scales": {}}),
    "scale": lambda plan: json.dumps(plan | {"scales": {"noise": {"effort": -1}}}),
    "time in words": lambda plan: json.dumps(plan | {"spent": {"seconds": "long"}}),
    "no number": lambda plan: json.dumps(plan | {"spent": {"seconds": math.nan}}),
    "time before the start": lambda plan: json.dumps(plan | {"spent": {"seconds": -1}}),
    "speeds": lambda plan: json.dumps(plan | {"speeds": 3}),
    "speed": lambda plan: json.dumps(plan | {"speeds": {"tiny": {"forward": -1, "backward": 1}}}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_plan_is_said(run, tmp_path, damage):
    assert run("figure-7 --budget 1")[0] == 0
    file = tmp_path / "out" / "plan.json"
    damaged = damage(json.loads(file.read_text()))
    file.write_text(damaged)
    status, _, err = run("figure-7 --budget 1")
    assert (status, err.count("\n")) == (2, 1)
    assert "plan.json is damaged: begin anew with --overwrite" in err
    assert file.read_text() == damaged


def test_a_budget_that_is_too_little_leaves_no_folder(run, tmp_path, monkeypatch):
    from rdexplain.work.studies import budget

    monkeypatch.setattr(budget, "fit", Mock(side_effect=OptionError("--budget 1 is too little")))
    status, _, err = run("figure-7 --budget 1")
    assert (status, err) == (2, "rdexplain: error: --budget 1 is too little\n")
    assert not (tmp_path / "out").exists()


def test_one_process_at_a_time(run, tmp_path):
    assert run("figure-7 --budget 1")[0] == 0
    with locked(tmp_path / "out" / "reproduction.lock"):
        status, _, err = run("figure-7 --budget 1")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{tmp_path / 'out'} is being worked on by process {os.getpid()}" in err
    assert run("figure-7 --budget 1")[0] == 0


def test_a_budget_that_was_not_enough_is_said_once(run, tmp_path):
    assert run("figure-7 --budget 1")[0] == 0
    file = tmp_path / "out" / "plan.json"
    plan = json.loads(file.read_text())
    next((tmp_path / "out" / "units").glob("*.safetensors")).with_suffix("").with_suffix(".json").unlink()
    late = {"seconds": 100.0, "measured": 50.0, "expected": 20.0, "finished": False}
    file.write_text(json.dumps(plan | {"spent": late}))
    status, _, err = run("figure-7 --budget 1")
    assert (status, err.count("\n")) == (0, 1)
    assert re.search(r"warning: 1 min 4\d s of work where --budget gave 1 min: parts took 2\.[56] times as long", err)
    assert run("figure-7 --budget 1")[2] == ""


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("figure-7 --models tiny", "--models is for figure-10, which is not among the targets"),
        ("figure-10 --models tiny,nope", "unknown model 'nope'"),
        ("figure-10 --models ,", "must be names with commas between them"),
    ],
)
def test_networks_of_figure_10_are_checked_first(run, tmp_path, monkeypatch, command, text):
    from rdexplain.work import reproduce as reproducing

    monkeypatch.setattr(reproducing, "find_source", lambda name: None if name == "tiny" else find_source(name))
    status, _, err = run(command)
    assert (status, err.count("\n")) == (2, 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def test_an_unknown_target_is_said_before_photos_are_asked_for(capsys):
    assert main(["reproduce", "figure-99"]) == 2
    assert "unknown target 'figure-99'" in capsys.readouterr().err


def test_a_file_is_no_folder(run, tmp_path):
    (tmp_path / "out").write_text("mine")
    status, _, err = run("figure-7 --budget 1")
    assert status == 2
    assert f"cannot write to --out {tmp_path / 'out'}: it is no folder" in err
    assert (tmp_path / "out").read_text() == "mine"


def test_overwrite_leaves_no_figure_of_the_plan_before(run, tmp_path):
    assert run("figure-7 figure-1 --budget 1")[0] == 0
    mine = tmp_path / "out" / "figure-1.notes.txt"
    mine.write_text("kept")
    assert run("figure-7 --budget 1 --overwrite")[0] == 0
    assert sorted(file.name for file in (tmp_path / "out").glob("figure-1*")) == ["figure-1.notes.txt"]


def test_overwrite_has_a_budget_as_well(run, tmp_path):
    assert run("figure-7 --budget 1 --overwrite")[0] == 0
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert plan["scales"] == {"noise": {"photos": 2, "effort": 0.002, "stride": 12}}
    assert plan["spent"]["finished"]


def test_what_was_spent_is_kept_with_the_speeds_that_it_is_compared_with(run, tmp_path, monkeypatch):
    from rdexplain.work.studies import budget

    assert run("figure-7 --budget 1")[0] == 0
    file = tmp_path / "out" / "plan.json"
    plan = json.loads(file.read_text())
    assert plan["speeds"] == {"tiny at 40 pixels": {"forward": 1e-6, "backward": 1e-6}}
    assert 0 < plan["spent"]["measured"] <= plan["spent"]["seconds"]
    file.write_text(json.dumps(plan | {"spent": plan["spent"] | {"finished": False}}))
    monkeypatch.setattr(budget, "measure", lambda *_, **__: pytest.fail("timed again"))
    assert run("figure-7 --budget 1")[0] == 0
    assert json.loads(file.read_text())["spent"] == plan["spent"]


def test_each_network_is_timed_by_itself(run, tmp_path, monkeypatch):
    from rdexplain.work.studies import budget

    timed = []
    monkeypatch.setattr(budget, "measure", lambda model, *_, **__: timed.append(model.name) or budget.Speed(1e-6, 1e-6))
    command = "figure-10 figure-8 --budget 1 --models tiny --segmenter regions"
    assert run(f"{command} --scenes {tmp_path / 'scenes'}")[0] == 0
    assert sorted(timed) == ["regions", "tiny"]


def test_other_tasks_need_no_classifier(run, tmp_path):
    command = f"figure-8 figure-9 --model unknown --segmenter regions --detector objects --scenes {tmp_path / 'scenes'}"
    status, out, err = run(f"{command} --budget 1", photos=None)
    assert (status, err) == (0, "")
    assert "the kept energy lies in" in " ".join(out.split())
    assert {file.name for file in (tmp_path / "out").glob("*.png")} == {"figure-8.png", "figure-9.png"}
    assert "# Verdicts: corrected protocol, regions, objects" in (tmp_path / "out" / "verdicts.md").read_text()
    status, _, err = run(f"{command} --budget 1 --detector-weights mine.pt", photos=None)
    assert status == 2
    assert "it differs in detector (objects at 40 pixels there, objects with mine.pt at 40 pixels now)" in err


def test_other_tasks_without_their_weights(run):
    status, out, err = run("figure-8 figure-9")
    assert (status, err) == (0, "")
    assert "--segmenter names another network" in " ".join(out.split())
    # One that was asked for is another matter: nothing is begun without it.
    for option in ("--segmenter mine", "--detector mine"):
        status, _, err = run(f"figure-8 {option}", out="new")
        assert (status, err) == (2, "rdexplain: error: the weights of mine are missing\n")


def test_an_unknown_target_names_the_nearest(run):
    status, _, err = run("figur-5")
    assert status == 2
    assert "unknown target 'figur-5': did you mean figure-5" in err


def test_missing_weights_offer_another_model(run):
    status, _, err = run("figure-7 --model mobilenet_v3_small")
    assert status == 2
    assert "the weights of mobilenet_v3_small are missing" in err
    assert "--model efficientnet_lite0" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ("reproduce figure-5 --out x", "--photos DIR is missing"),
        ("reproduce figure-5 figure-8 --scenes y --out x", "--photos DIR is missing"),
        ("reproduce figure-5 --photos x", "--out DIR is missing"),
        ("reproduce --photos x --out y", "which figures or tables?"),
    ],
)
def test_what_is_missing_is_named(argv, text, capsys):
    assert main(argv.split()) == 2
    assert text in capsys.readouterr().err


def test_a_folder_without_photos_is_refused(run, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, err = run("figure-5", photos=str(tmp_path / "empty"))
    assert status == 2
    assert "empty" in err


def test_list_needs_no_photos_and_no_weights(run, capsys):
    assert main(["reproduce", "--list", "--model", "tiny", "--size", "40"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("figure-1 ", "figure-21 ", "table-1 ", "accuracy ", "shearletx-hallucination "))
    assert "startgrad " in out

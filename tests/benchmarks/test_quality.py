"""The benchmark of objectives: its settings, its memory of runs, its arithmetic."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

import rdexplain as rx
from benchmarks import compare, quality, stability
from rdexplain.methods.presets import PAPER


def test_a_setting_is_a_preset_with_changes():
    presets = rx.CartoonX.presets
    assert quality.preset_of("paper", presets) == PAPER
    changed = quality.preset_of("paper,draws=8,step_size=0.5,betas=0.5:0.9,cut=1,guard=0.25,init=coarse", presets)
    assert (changed.draws, changed.step_size, changed.betas, changed.cut) == (8, 0.5, (0.5, 0.9), True)
    assert (changed.guard, changed.init, changed.steps) == (0.25, "coarse", 2000)
    with pytest.raises(SystemExit, match="no preset 'slow'"):
        quality.preset_of("slow", presets)
    with pytest.raises(SystemExit, match="a preset has no 'speed'"):
        quality.preset_of("fast,speed=3", presets)


def test_runs_are_kept_and_not_run_again(tmp_path, monkeypatch):
    settings = ["fast,steps=2,draws=1,retry=0", "paper,steps=1,draws=1"]

    def measured(said):
        results = quality.Results(tmp_path / "runs.json")
        return quality.measure(["sample:cat"], settings, [0], 32, results, said.append)

    first: list[str] = []
    rows = measured(first)
    assert len(first) == len(rows) == 2
    assert [row["evaluations"] for row in rows] == [2 * 1 + 8 + 4 * 16 + 1, 1]
    monkeypatch.setattr(rx.CartoonX, "explain", None)  # so that a second run would fail
    again: list[str] = []
    assert measured(again) == rows
    assert not again
    assert json.loads((tmp_path / "runs.json").read_text()) == rows
    assert [file.name for file in tmp_path.iterdir()] == ["runs.json"]


def test_photos_that_are_solved_together_have_rows_of_their_own():
    settings = ["fast,steps=2,draws=1,retry=0"]
    photos = ["sample:cat", "sample:coffee"]
    alone, both = (
        quality.measure(photos, settings, [0, 1], 32, quality.Results(None), lambda text: None, together=together)
        for together in (1, 2)
    )
    assert [(row["photo"], row["seed"]) for row in both] == [(row["photo"], row["seed"]) for row in alone]
    assert len({row["objective"] for row in both}) == 4
    for one, other in zip(alone, both, strict=True):
        assert one["objective"] == pytest.approx(other["objective"], rel=1e-3)
        assert one["evaluations"] == other["evaluations"]


def row(setting: str, photo: str, objective: float, collapsed: bool = False) -> dict:
    return {
        "setting": setting,
        "photo": photo,
        "size": 128,
        "seed": 0,
        "objective": objective,
        "evaluations": 10,
        "collapsed": collapsed,
    }


def test_the_summary_by_hand():
    rows = [row("a", "cat", 0.2), row("a", "dog", 0.4, True), row("b", "cat", 0.1), row("b", "dog", 0.4)]
    a, b = quality.summary(rows, "b")
    assert a["objective"] == pytest.approx(0.3)
    assert a["ratio_of_means"] == pytest.approx(0.6 / 0.5)
    assert a["worst_ratio"] == pytest.approx(2)
    assert (a["collapsed"], b["collapsed"], a["runs"]) == (1, 0, 2)
    assert 0.2 <= a["low"] < 0.3 < a["high"] <= 0.4
    assert quality.summary(rows[:2], "b")[0]["worst_ratio"] is None


def test_two_files_are_compared(tmp_path):
    machine = {"processor": "p", "cores": 2}
    step = {"model": "net", "method": "cartoonx", "step_over_floor": 0.8, "floor_ms_per_image": 3.0}
    for name, ratio in (("a", 0.8), ("b", 0.6)):
        peer = {"photo": "cat", "way": "published step x 64", "seconds": 100 * ratio, "area_pixels": None}
        content = {"machine": machine, "step": [{**step, "step_over_floor": ratio}], "peers": [peer]}
        (tmp_path / name).write_text(json.dumps(content))
    line, peer_line = compare.compare(tmp_path / "a", tmp_path / "b")
    assert line.split()[-3:] == ["0.800", "0.600", "0.75x"]
    assert peer_line.split()[-3:] == ["80.000", "60.000", "0.75x"]
    other = {"machine": {**machine, "cores": 4}, "step": []}
    (tmp_path / "c").write_text(json.dumps(other))
    assert list(compare.compare(tmp_path / "a", tmp_path / "c")) == [
        "not the same machine: cores differ, so compare ratios alone"
    ]


def test_stability_compares_the_seeds_of_a_photo(tmp_path, monkeypatch):
    """Against the definitions by hand: a mask and its picture are like themselves, and not like others."""
    settings = ["fast,steps=3,draws=1,retry=0"]

    def measured(keep):
        results = quality.Results(tmp_path / "runs.json")
        return stability.measure(["sample:cat"], settings, [0, 1, 2], 32, results, keep, lambda text: None)

    (row,) = measured(tmp_path / "kept")
    assert (row["photos"], len(list((tmp_path / "kept").glob("*.json")))) == (1, 3)
    made = [rx.load_explanation(file.with_suffix("")) for file in sorted((tmp_path / "kept").glob("*.json"))]
    masks = [torch.cat([band.flatten() for band in one.mask]).numpy() for one in made]
    pairs = [(0, 1), (0, 2), (1, 2)]
    kept = [set(np.flatnonzero(mask > 0.3)) for mask in masks]
    assert row["iou"] == pytest.approx(np.mean([len(kept[a] & kept[b]) / len(kept[a] | kept[b]) for a, b in pairs]))
    ranks = [pd.Series(mask).rank() for mask in masks]
    assert row["rank"] == pytest.approx(np.mean([ranks[a].corr(ranks[b]) for a, b in pairs]), abs=1e-6)
    assert stability.likeness(made[0], made[0]) == pytest.approx({"iou": 1, "rank": 1, "ssim": 1})
    assert 0 < row["ssim"] < 1
    monkeypatch.setattr(rx.CartoonX, "explain", None)  # so that a second run would fail
    assert measured(tmp_path / "kept") == [row]

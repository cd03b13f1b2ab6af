"""``rdexplain train-explainer``, and explainers in the other commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

TRAIN = "train-explainer photos --levels 1 --rounds 2 --model cli_test_nets:tiny --size 16"
LOOK = "explain photos/cat.jpg --method cartoonx --levels 1 --init explainer.safetensors"


@pytest.fixture
def train(run):
    def call(*more):
        return run(TRAIN, *more, small=False)

    return call


def test_trained_and_used(run, train):
    done = train()
    assert (done.status, done.err) == (0, [])
    first, second = done.out
    assert first.startswith("trained on 2 photos in ")
    assert first.endswith(": explainer.safetensors")
    assert re.fullmatch(
        r"on 1 photo it never saw: keeps \d+\.\d% with distortion \d\.\d{3}; nothing kept has \d\.\d{3}",
        second,
    )
    assert not Path("explainer.training").exists()
    look = run(f"{LOOK} --preset instant --out looks")
    assert look.status == 0
    record = json.loads(Path("looks/cat.cartoonx.json").read_text())
    assert record["network_evaluations"] == 2 + 1 or record["steps"] == 2  # `run` asks for 2 steps
    assert record["options"]["init"] == "explainer.safetensors"
    assert run(f"{LOOK} --out solved").status == 0


def test_what_does_not_fit_is_one_line(run, train):
    train()
    for options, reason in (
        ("--wavelet haar", "the explainer is for the representation wavelet, db3, 1, zero, not wavelet, haar, 1, zero"),
        ("--model cli_test_nets:Mean", "the explainer is for the network cli_test_nets:tiny, not cli_test_nets:Mean"),
    ):
        done = run(LOOK, options)
        assert (done.status, done.err) == (2, [f"rdexplain: error: {reason}"])
    done = run("explain photos/cat.jpg --method cartoonx --levels 1 --preset instant")
    assert done.err == [
        "rdexplain: error: preset instant needs an explainer: give --init the file that rdexplain train-explainer has "
        "written"
    ]
    done = run("evaluate photos/cat.jpg --methods cartoonx --preset instant", small=False)
    assert done.err == [
        "rdexplain: error: preset instant needs an explainer: explain the photos with it (rdexplain explain --preset "
        "instant --init FILE), and give that folder as --explanations"
    ]
    assert train().err == [
        "rdexplain: error: explainer.safetensors exists already: replace with --overwrite, or choose another --out"
    ]


def test_ctrl_c_says_how_to_go_on(train, monkeypatch):
    monkeypatch.setenv("PATIENCE", "3")
    done = train("--model cli_test_nets:Interrupted")
    assert (done.status, done.out) == (130, [])
    assert done.err == [
        "rdexplain: interrupted (what is there is kept in explainer.training: the same command goes on)"
    ]
    monkeypatch.setenv("PATIENCE", "1000000")
    assert train("--model cli_test_nets:Interrupted").status == 0


def test_a_run_starts_from_an_explainer(run, train):
    train()
    Path("run.yaml").write_text(
        "photos: photos\nmethod: cartoonx\nlevels: 1\nsize: 16\nmodel: cli_test_nets:tiny\nactivation: softmax\n"
        "preset: instant\ninit: explainer.safetensors\n"
    )
    done = run("run run.yaml --out run --device cpu", small=False)
    assert (done.status, done.err) == (0, [])
    assert "preset: instant" in Path("run/config.yaml").read_text()
    assert "init: explainer " in Path("run/config.yaml").read_text()

"""``rdexplain compare --models``: networks side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import rdexplain as rx
from rdexplain import render
from rdexplain.work import panel as compared

QUICK = "--size 16 --steps 2 --draws 1"
NAMES = "--models cli_test_nets:tiny,cli_test_nets:fixed,cli_test_nets:gone"


@pytest.fixture
def drawn(monkeypatch):
    """What was given to the last panel."""
    found = {}

    def comparison(titles, rows, foot=""):
        found.update(titles=list(titles), rows=list(rows), foot=foot)
        return render.comparison(titles, rows, foot)

    monkeypatch.setattr(compared, "comparison", comparison)
    return found


def files() -> list[str]:
    return sorted(path.name for path in Path("explanations").iterdir())


def test_a_column_for_each_network(run, drawn):
    done = run(f"compare photos/cat.jpg photos/dog.png {NAMES} --methods pixel_rde {QUICK} --sparsity 0", small=False)
    assert done.status == 0
    assert len(done.err) == 1
    assert done.err[0].startswith("rdexplain: warning: cli_test_nets:gone is not applicable: ")
    assert drawn["titles"] == ["cli_test_nets:tiny", "cli_test_nets:fixed", "cli_test_nets:gone"]
    assert drawn["foot"] == "Explanations by Pixel RDE"
    assert [row.label for row in drawn["rows"]] == ["cat", "dog"]
    for row in drawn["rows"]:
        tiny, fixed, gone = row.cells
        assert tiny.picture.shape[1:] == (16, 16)
        assert fixed.picture.shape[1:] == (12, 12)  # its own size, whatever --size says
        assert gone.picture is None
        assert gone.note in done.err[0]
    written = files()
    assert {"cat.cli_test_nets-tiny.pixel_rde.png", "dog.cli_test_nets-fixed.pixel_rde.json"} < set(written)
    assert len(written) == 2 + 4 * 3
    for row, photo in zip(drawn["rows"], ("cat", "dog"), strict=True):
        for cell, network in zip(row.cells, ("tiny", "fixed"), strict=False):
            one = rx.load_explanation(f"explanations/{photo}.cli_test_nets-{network}.pixel_rde")
            assert cell.label.startswith(f"{one.labels[0]}, ")
            copper = cell.picture.sum(dim=0)
            assert torch.equal(copper > copper.min(), one.picture[0, 0] > one.picture[0, 0].min())
    said = [line.split(" -> ")[0].rstrip() for line in done.out[:2]]
    assert said == ["cat, cli_test_nets:tiny", "dog, cli_test_nets:tiny"]
    again = run(f"compare photos/cat.jpg {NAMES} --methods pixel_rde {QUICK}", small=False)
    assert (again.status, "exists already" in again.err[-1]) == (2, True)


def test_a_row_for_each_network(run, drawn):
    pytest.importorskip("captum")
    methods = "--methods pixel_rde,occlusion,guided_backprop"
    done = run(f"compare photos {NAMES} {methods} {QUICK} --window 4 --target 1", small=False)
    assert done.status == 0
    assert drawn["titles"] == ["Pixel RDE", "Occlusion", "Guided Backprop"]
    names = ["cli_test_nets:tiny", "cli_test_nets:fixed", "cli_test_nets:gone"]
    assert [row.label for row in drawn["rows"]] == [f"{p}, {name}" for p in ("bird", "cat", "dog") for name in names]
    assert drawn["rows"][0].note.startswith("class 1, ")
    for row in drawn["rows"]:
        there = [cell.picture is not None for cell in row.cells]
        assert there == ([False] * 3 if row.label.endswith("gone") else [True, True, False])
        assert row.cells[2].note
    assert "Guided Backprop of cli_test_nets:fixed is not applicable: " in "".join(done.err)
    with Image.open("explanations/comparison.png") as picture:
        assert picture.height > picture.width


def test_cartoonx_unless_methods_are_given(run, drawn):
    command = "compare photos/cat.jpg --models cli_test_nets:tiny,cli_test_nets:double --levels 2 --wavelet haar"
    done = run(f"{command} {QUICK} --sparsity 0", small=False)
    assert (done.status, done.err) == (0, [])
    assert drawn["foot"] == "Explanations by CartoonX"
    record = json.loads(Path("explanations/cat.cli_test_nets-double.cartoonx.json").read_text())
    assert (record["method"], record["model"]) == ("cartoonx", "cli_test_nets:double")


def test_several_classes_are_rows(run, drawn):
    command = "compare photos/cat.jpg --models cli_test_nets:tiny,cli_test_nets:Corner --methods pixel_rde --top-k 2"
    assert run(f"{command} {QUICK}", small=False).status == 0
    assert [row.label for row in drawn["rows"]] == ["cat", "cat"]
    assert len({cell.label for row in drawn["rows"] for cell in row.cells[:1]}) == 2


def test_a_photo_that_cannot_be_read_is_said_once(run):
    Path("photos/broken.jpg").write_bytes(b"no photo")
    command = "compare photos --models cli_test_nets:tiny,cli_test_nets:fixed --methods random_pixel"
    done = run(f"{command} --size 16", small=False)
    assert done.status == 1
    assert len(done.err) == 1
    assert "broken.jpg" in done.err[0]


def test_a_photo_that_one_network_cannot_explain(run, drawn):
    photo = Image.open("photos/dog.png").convert("RGB")
    photo.putpixel((0, 0), (0, 0, 0))
    photo.save("photos/dark.png")
    command = "compare photos/dark.png --models cli_test_nets:tiny,cli_test_nets:Fragile --methods pixel_rde"
    done = run(f"{command} --steps 2 --size 16 --draws 1", small=False)
    assert done.status == 1
    (row,) = drawn["rows"]
    assert row.cells[0].picture is not None
    assert row.cells[1].picture is None
    assert row.cells[1].note.startswith("the loss is not finite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--models cli_test_nets:gone,cli_test_nets:broken --methods pixel_rde", "this factory is broken"),
        (
            "--models cli_test_nets:Flat,cli_test_nets:Map --methods pixel_rde --activation softmax",
            "the model's output has the shape",
        ),
        ("--models cli_test_nets:tiny,cli_test_nets:double --methods guided_backprop", "has no ReLU modules"),
        ("--models cli_test_nets:tiny --model cli_test_nets:double", "give either --model or --models, not both"),
        ("--models ,", "must be names with commas between them, not ','"),
        ("--models cli_test_nets:tiny,cli_test_nets:double --target 9 --methods pixel_rde", "target 9 is outside"),
    ],
)
def test_what_cannot_be(run, options, message):
    done = run(f"compare photos/cat.jpg --size 16 {options}", small=False)
    assert done.status == 2
    assert done.err[-1].startswith("rdexplain: error: ")
    assert message in done.err[-1]
    assert not Path("explanations").exists()

"""What is done with a run that is finished: evaluated, exported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from rdexplain import render
from rdexplain.evaluation.files import ROWS
from rdexplain.work.evaluating import source as evaluation_source
from rdexplain.work.outputs import Outputs
from rdexplain.work.requests import Evaluate
from rdexplain.work.runs import open_run

OPTIONS = (
    "--percentages 0,50,100 --draws 2 --scores sparseness --domains own --model run_test_nets:Mean "
    "--activation softmax --size 8"
)


def test_a_run_is_evaluated_without_being_explained_again(command):
    pytest.importorskip("skimage")
    assert command("run", "--out a").status == 0
    command("explain", "photos --model run_test_nets:Mean --method pixel_rde --size 8 --steps 2 --draws 2 --out files")
    for source, out in (("a", "one"), ("--explanations files", "two")):
        done = command("evaluate", source, OPTIONS, f"--out {out}")
        assert done.status == 0, done.err
        assert done.out[-1].startswith("10 of 10 evaluated")
    import pyarrow.parquet

    # The batches are the same, so the masks are, and all that is said of them.
    rows = [pyarrow.parquet.read_table(Path(out) / ROWS).to_pylist() for out in ("one", "two")]
    numbers = [[value for row in table for value in row.values() if isinstance(value, float)] for table in rows]
    assert len(numbers[0]) >= 30
    np.testing.assert_allclose(sorted(numbers[0]), sorted(numbers[1]), atol=1e-6)


def test_a_run_says_which_model_it_was_made_with(command):
    pytest.importorskip("skimage")
    assert command("run", "--out a --no-normalise").status == 0
    options = OPTIONS.replace("--model run_test_nets:Mean", "")
    done = command("evaluate", "a", options)
    assert (done.status, done.err) == (0, [])
    done = command("evaluate", "a", options, "--model efficientnet_lite0 --weights random --out other")
    assert done.status == 2
    assert done.err == [
        "rdexplain: error: the explanations in a are of run_test_nets:Mean, not of efficientnet_lite0 (random): "
        "give --model run_test_nets:Mean"
    ]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, ("net", "w.pt", (0.5, 0.5, 0.5), False)),
        ({"model": "other"}, ("other", None, None, False)),
        ({"model": "net", "weights": "v.pt"}, ("net", "v.pt", (0.5, 0.5, 0.5), False)),
        ({"no_normalise": True}, ("net", "w.pt", None, True)),
    ],
)
def test_what_is_given_of_the_model_goes_first(given, chosen, monkeypatch):
    monkeypatch.setattr(evaluation_source, "is_run", lambda folder: True)
    old = {"model": "net", "weights": "w.pt", "mean": "0.5", "steps": 3}
    monkeypatch.setattr(evaluation_source, "of_run", lambda folder: old)
    options = evaluation_source.choose_model(Evaluate(explanations="a", **given))
    assert (options.model, options.weights, options.mean, options.no_normalise) == chosen


def test_export(command):
    assert command("run", "--out a", "--method pixel_rde,cartoonx --levels 1 --top-k 2").status == 0
    run = open_run("a")
    for form in ("pictures", "numpy", "quantus"):
        done = command("export", f"a --to {form}")
        assert done.out == [f"40 explanations in a/export-{form}"]
    pictures = sorted(path.name for path in Path("a/export-pictures").iterdir())
    assert len(pictures) == 40
    name = f"00.{run[0].labels[0].replace(' ', '-')}.pixel_rde.png"
    shown = np.asarray(Image.open(f"a/export-pictures/{name}").convert("L"), dtype=float) / 255
    np.testing.assert_allclose(shown, run[0].picture[0, 0].numpy(), atol=1 / 255)

    masks = np.load("a/export-numpy/cartoonx.mask.npy")
    figures = list(csv.DictReader(Path("a/export-numpy/cartoonx.csv").read_text().splitlines()))
    assert len(masks) == len(figures) == 20
    places = [place for place in range(len(run)) if run[place].method == "cartoonx"]
    for row, place in enumerate(places):
        np.testing.assert_array_equal(masks[row], run.mask(place).numpy())
        assert figures[row]["photo"] == run[place].photos[0]
        assert float(figures[row]["distortion"]) == pytest.approx(float(run[place].distortion[0]))

    x, y, a = (np.load(f"a/export-quantus/pixel_rde.{name}_batch.npy") for name in "xya")
    assert x.shape == (20, 3, 8, 8)
    assert y.shape == (20,)
    assert a.shape == (20, 1, 8, 8)
    np.testing.assert_array_equal(a[0, 0], run[0].mask[0][0].numpy())
    assert y[:2].tolist() == [int(run[0].target[0]), int(run[1].target[0])]
    again = command("export", "a --to numpy")
    assert again.status == 2
    assert "is not empty" in again.err[0]


def test_a_run_for_fiftyone(command, place):
    """A sample a photo, whatever the methods and targets; a photo that is gone is told and left out."""
    assert command("run", "--out a", "--method pixel_rde,random_pixel --top-k 2").status == 0
    run = open_run("a")
    done = command("export", "a --to fiftyone")
    assert (done.status, done.out) == (0, ["40 explanations in a/export-fiftyone"])
    samples = json.loads(Path("a/export-fiftyone/samples.json").read_text())["samples"]
    assert len(samples) == 10
    first = samples[0]
    assert {"explained", "explained_2", "pixel_rde", "pixel_rde_2", "random_pixel", "random_pixel_2"} <= set(first)
    labels = {one.labels[0] for one in run if one.photos == ("00.png",)}
    assert {first["explained"]["label"], first["explained_2"]["label"]} == labels
    (place / "photos" / "07.png").unlink()
    done = command("export", "a --to fiftyone --out b")
    assert (done.status, done.out) == (1, ["36 explanations in b"])
    assert "07.png" in done.err[0]


def test_panels_show_the_photo_as_it_is(command, place, monkeypatch):
    """Not the square that the network sees, and no larger than a panel can show."""
    drawn = []
    monkeypatch.setattr(render, "save_panel", lambda one, path, original=None: drawn.append(original) or path.touch())
    for file in (place / "photos").iterdir():
        file.unlink()
    Image.new("RGB", (24, 12), (220, 20, 0)).save(place / "photos" / "a.png")
    Image.new("RGB", (2048, 512), (220, 20, 0)).save(place / "photos" / "b.png")
    assert command("run", "--out a").status == 0
    assert command("export", "a --to panels").status == 0
    assert [tuple(photo.shape) for photo in drawn] == [(3, 12, 24), (3, 256, 1024)]
    assert command("run", "--out b --fit crop").status == 0
    assert command("export", "b --to panels").status == 0
    assert drawn[2:] == [None, None]


def test_an_export_that_fails_leaves_nothing(command, place):
    assert command("run", "--out a").status == 0
    gone = place / "photos" / "07.png"
    gone.rename(place / "07.png")
    (place / "empty").mkdir()
    for folder in ("new/one", "empty"):
        failed = command("export", f"a --to quantus --out {folder}")
        assert (failed.status, len(failed.err)) == (2, 1)
        assert "07.png" in failed.err[0]
    assert not (place / "new").exists()
    assert list((place / "empty").iterdir()) == []
    killed = Outputs(place / "empty", "export")
    killed.staging.mkdir()
    killed.lock.touch()
    (place / "07.png").rename(gone)
    assert command("export", "a --to quantus --out empty").status == 0
    assert sorted(path.name for path in (place / "empty").iterdir()) == [
        f"pixel_rde.{name}_batch.npy" for name in "axy"
    ]


def test_an_open_run_does_not_grow(command):
    """The figures of all rows are no reason to hold their masks."""
    assert command("run", "--out a").status == 0
    run = open_run("a")
    first = run[2]
    assert run[2] is not first
    assert run[-1].photos == ("09.png",)
    with pytest.raises(IndexError):
        run[10]
    assert [one.photos[0] for one in run] == [f"{number:02}.png" for number in range(10)]


def test_how_an_output_was_read_is_said_and_recorded(command, place):
    """Whoever does the work; runs of old, which said "auto", go on."""
    text = "rdexplain: note: run_test_nets:Mean gives logits, read by a softmax: --activation sigmoid if its labels"
    (place / "a.yaml").write_text(
        "photos: photos\nmodel: run_test_nets:Mean\nmethod: pixel_rde\nsize: 8\nsteps: 2\ndraws: 2\nworkers: 2\n"
    )
    done = command("run", "a.yaml --out a", small=False)
    assert (done.status, done.err) == (0, [f"{text} exclude nothing"])
    config = yaml.safe_load(Path("a/config.yaml").read_text())
    assert config["resolved"]["methods"]["pixel_rde"]["activation"] == "softmax"
    assert {one.options["activation"] for one in open_run("a")} == {"softmax"}
    config["resolved"]["methods"]["pixel_rde"]["activation"] = "auto"
    Path("a/config.yaml").write_text(yaml.safe_dump(config))
    assert command("run", "a", small=False).status == 0
    done = command("evaluate", f"photos --out e {OPTIONS.replace('--activation softmax', '--methods random_pixel')}")
    assert (done.status, done.err) == (0, [f"{text} exclude nothing"])

"""``rdexplain evaluate`` from photos to files, on a tiny network and on a real one."""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from rdexplain.cli import main
from rdexplain.errors import ModelError, SolverError
from rdexplain.evaluation import CurveKey, Entry, files, load_evaluation
from rdexplain.evaluation.statistics import shown
from rdexplain.methods.cartoonx import CartoonX
from rdexplain.methods.pixel_rde import PixelRDE
from rdexplain.methods.registry import Method
from rdexplain.models import load_model
from rdexplain.render import files as render_files
from rdexplain.results import storage
from rdexplain.work.evaluating.boxes import by_source
from rdexplain.work.evaluating.complete import Explained, missing
from rdexplain.work.evaluating.explanations import ExplanationsWorker
from rdexplain.work.progress import Count
from rdexplain.work.values import percentages

FILES = [
    "agreement.png",
    "curves.log.png",
    "curves.own.log.png",
    "curves.own.png",
    "curves.png",
    "differences.csv",
    "evaluation.json",
    "rows.parquet",
    "scores.parquet",
    "summary.csv",
]
TINY = "--model cli_test_nets:tiny --activation softmax --size 64 --steps 2 --percentages 0,50,100 --draws 1 --seed 3"


class Unwilling(PixelRDE):
    """Not for this network."""

    name = "pixel_rde"

    def explain(self, *arguments, **options):
        raise ModelError("no rule for the layer Swish")


class Choosy(PixelRDE):
    """Fails on the second photo of a batch of several."""

    def explain(self, images, **options):
        if len(images) > 1:
            raise SolverError("image 1 of the batch: not finite", [1])
        return super().explain(images, **options)


class Impatient(PixelRDE):
    """The user loses patience at the second photo."""

    seen = 0

    def explain(self, images, **options):
        Impatient.seen += 1
        if Impatient.seen == 2:
            raise KeyboardInterrupt
        return super().explain(images, **options)


@pytest.fixture
def evaluate(place, capsys):
    def call(text: str, small: str = TINY):
        status = main(f"evaluate {text} {small}".split())
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def stand_in(monkeypatch):
    """Another class in the place of Pixel RDE."""

    def put(kind: type) -> None:
        monkeypatch.setattr(Method, "load", lambda method: kind if method.name == "pixel_rde" else CartoonX)

    return put


def test_from_photos_to_files(evaluate, place):
    status, out, err = evaluate("photos --methods cartoonx,pixel_rde --domains pixel,own --distortions kl,l2")
    assert (status, err) == (0, "")
    assert sorted(file.name for file in Path("evaluation").iterdir()) == FILES
    found = load_evaluation("evaluation")
    assert {Path(entry.photo).name for entry in found.entries} == {"bird.png", "cat.jpg", "dog.png"}
    assert {(e.method, e.domain, e.own) for e in found.entries} == {
        ("cartoonx", "wavelet", True),
        ("cartoonx", "pixel", False),
        ("pixel_rde", "pixel", True),
    }
    curve = next(iter(found.curves.values()))
    assert curve.percentages.tolist() == [0, 50, 100]
    assert set(curve.measures) == {"kl", "l2", "agreement", "probability"}
    assert "cartoonx" in out.splitlines()[0]
    assert "kl kept, pixels ↓" in out
    with open("evaluation/summary.csv") as lines:
        (line,) = (
            row
            for row in csv.DictReader(lines)
            if (row["method"], row["score"], row["mode"]) == ("pixel_rde", "l2", "keep")
        )
    assert line["photos"] == "3"
    record = json.loads(Path("evaluation/evaluation.json").read_text())
    assert record["finished"] is True
    assert record["model"] == "cli_test_nets:tiny"
    assert record["methods"]["cartoonx"]["steps"] == 2
    assert record["seed"] == 3

    status, out, err = evaluate("photos --methods pixel_rde")
    assert status == 2
    assert err.startswith("rdexplain: error: evaluation/rows.parquet exists already: replace with --overwrite")
    assert len(err.splitlines()) == 1
    assert load_evaluation("evaluation") == found
    again = "photos/cat.jpg --methods pixel_rde --overwrite --quiet --scores none --domains wavelet"
    assert evaluate(again)[:2] == (0, "")
    assert load_evaluation("evaluation").methods == ["pixel_rde"]
    # A figure of the photos of before would not be of these tables.
    assert sorted(file.name for file in Path("evaluation").iterdir()) == [x for x in FILES if ".own." not in x]


def test_what_the_field_asks(evaluate, place):
    """Every new score of a mask and of a method that is not random, and the figure of the randomised layers."""
    scores = "road,irof,cascade,seeds,small_changes"
    small = TINY.replace("--steps 2", "--steps 8")
    status, out, err = evaluate(f"photos --methods pixel_rde,occlusion --domains own --scores {scores}", small)
    assert (status, err) == (0, "")
    found = load_evaluation("evaluation")
    columns = {"cascade_rank", "cascade_ssim", "irof", "jpeg_rank", "jpeg_ssim", "road_lerf", "road_morf", "seeds_iou"}
    columns |= {"seeds_rank", "shift_rank", "shift_ssim"}
    for method in ("pixel_rde", "occlusion"):
        there = {key.score for key in found.scores if key.entry.method == method}
        # Of masks so short on their way nothing is kept, and they have nothing in common.
        assert columns - there <= ({"seeds_iou"} if method == "pixel_rde" else set())
        assert there <= columns
    steady = [value for (entry, name), value in found.scores.items() if entry.method == "occlusion" and "seeds" in name]
    assert set(steady) == {1}
    assert {key.mode for key in found.curves} == {"keep", "randomise", "cascade"}
    assert "cascade_ssim →0" in out
    assert "seeds_iou ↑" in out
    assert Path("evaluation/cascade.png").stat().st_size > 10_000
    # A photo's scores do not depend on the others of its batch.
    again = f"photos --methods pixel_rde,occlusion --domains own --scores {scores} --out apart --photos-per-batch 1"
    assert evaluate(again, small)[0] == 0
    apart = load_evaluation("apart")
    assert apart.scores.keys() == found.scores.keys()
    for key, value in found.scores.items():
        assert apart.scores[key] == pytest.approx(value, abs=1e-4), key
    assert evaluate("photos --methods pixel_rde --domains own --scores road --overwrite", small)[0] == 0
    assert not Path("evaluation/cascade.png").exists()


def test_one_process_at_a_time(evaluate, place):
    command, stepless = "photos --methods random_pixel --scores none", TINY.replace("--steps 2 ", "")
    code = """
import sys, time
from pathlib import Path
from rdexplain.work.lock import locked
Path("evaluation").mkdir()
with locked(Path("evaluation/evaluation.lock"), keep=False):
    print(flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        status, _, err = evaluate(command, stepless)
        other.kill()
    held = f"evaluation is being worked on by process {other.pid} on {os.uname().nodename}: wait until it ends"
    assert (status, err) == (2, f"rdexplain: error: {held}, or choose another folder\n")
    # Killed as it was, it holds nothing any more, though its file is there.
    assert evaluate(command, stepless)[0] == 0
    assert not Path("evaluation/evaluation.lock").exists()


@pytest.mark.parametrize("file", ["rows.parquet", "summary.csv", "evaluation.json", "curves.png", "agreement.png"])
def test_a_full_disk_is_told_with_the_file(file, evaluate, monkeypatch):
    stepless = TINY.replace("--steps 2 ", "")
    command = "photos --methods random_pixel --scores none"
    assert evaluate(command, stepless)[0] == 0
    before = {path: path.read_bytes() for path in Path("evaluation").iterdir()}
    real = storage.whole_file

    @contextlib.contextmanager
    def full(path):
        with real(path) as temporary:
            yield temporary
            if path.name == file:
                raise OSError(errno.ENOSPC, "No space left on device")

    for module in (storage, files, render_files):
        monkeypatch.setattr(module, "whole_file", full)
    status, _, err = evaluate(f"{command} --seed 4 --overwrite", stepless.replace("--seed 3", ""))
    assert (status, err) == (2, f"rdexplain: error: cannot write evaluation/{file}: No space left on device\n")
    assert {path: path.read_bytes() for path in Path("evaluation").iterdir()} == before


GREY = """
import torch

class Grey(torch.nn.Module):
    # Three classes for light, and one for dark; a photo of medium grey is a little of each.
    def forward(self, x):
        mean = x.mean(dim=(2, 3))
        return 20 * torch.cat((mean, 1 - mean[:, :1]), dim=1)
"""


def test_the_published_protocol(evaluate):
    """Pixels are replaced by clip(N(0, 1), 0, 1), whatever the photo, and areas are over what was asked for."""
    command = "photos --methods cartoonx,pixel_rde --scores none --domains own"
    Path("grey_nets.py").write_text(GREY)
    small = TINY.replace("--draws 1", "--draws 4").replace("cli_test_nets:tiny", "grey_nets:Grey")
    status, _, err = evaluate(f"{command} --protocol published", small)
    assert (status, err) == (0, "")
    assert evaluate(f"{command} --out corrected", small)[0] == 0
    assert json.loads(Path("evaluation/evaluation.json").read_text())["protocol"] == "published"
    found, corrected = load_evaluation("evaluation"), load_evaluation("corrected")
    network = load_model("grey_nets:Grey").network
    # The mean of clip(N(0, 1), 0, 1) is φ(0) - φ(1) + 1 - Φ(1), and the network sees the mean colour.
    grey = stats.norm.pdf(0) - stats.norm.pdf(1) + stats.norm.sf(1)
    with torch.no_grad():
        noise = network(torch.full((1, 3, 1, 1), float(grey))).softmax(1)[0]
    areas = {"cartoonx": [], "pixel_rde": []}
    for (entry, mode), curve in found.curves.items():
        if mode != "keep":
            continue
        areas[entry.method].append(np.trapezoid(curve.measures["l2"], [0, 0.5, 1]))
        if entry.method == "pixel_rde":
            expected = float(noise[int(entry.target)])
            assert curve.measures["probability"][0] == pytest.approx(expected, abs=0.02)
            adaptive = corrected.curves[CurveKey(entry, mode)].measures["probability"][0]
            assert abs(adaptive - expected) > 0.05
    with open("evaluation/summary.csv") as lines:
        for row in csv.DictReader(lines):
            if (row["score"], row["mode"]) == ("l2", "keep"):
                assert float(row["mean"]) == pytest.approx(np.mean(areas[row["method"]]), rel=1e-4)


def test_a_photo_alone_is_what_it_is_in_a_batch(evaluate):
    evaluate("photos --methods pixel_rde --out all")
    evaluate("photos/dog.png --methods pixel_rde --out one")
    together, alone = load_evaluation("all"), load_evaluation("one")
    for key, curve in alone.curves.items():
        assert together.curves[key].measures["l2"] == pytest.approx(curve.measures["l2"], abs=1e-4)


def test_a_method_that_is_not_applicable_is_not_left_out(evaluate, stand_in):
    stand_in(Unwilling)
    status, out, err = evaluate("photos --methods cartoonx,pixel_rde")
    assert status == 0
    assert "warning: pixel_rde is not applicable: no rule for the layer Swish" in err
    assert "not applicable" in out
    assert load_evaluation("evaluation").not_applicable == {"pixel_rde": "no rule for the layer Swish"}


def test_photos_that_fail_do_not_stop_the_others(evaluate, stand_in):
    stand_in(Choosy)
    Path("photos/broken.png").write_bytes(b"nothing")
    status, _, err = evaluate("photos --methods cartoonx,pixel_rde --scores none")
    assert status == 1
    assert "photos/broken.png is not an image that can be read" in err
    assert "rdexplain: error: photos/cat.jpg: " in err
    found = load_evaluation("evaluation")
    # Methods are compared on the same photos: what one cannot explain is in no other's figures.
    photos = {method: {e.photo for e in found.entries if e.method == method} for method in found.methods}
    assert photos["cartoonx"] == photos["pixel_rde"]
    assert len(photos["cartoonx"]) == 1
    assert len(json.loads(Path("evaluation/evaluation.json").read_text())["failed"]) == 3


@pytest.fixture
def watched(monkeypatch):
    """What each method has explained, batch by batch, and the steps of the bar."""
    seen, load = {}, Method.load

    def counting(method):
        kind = load(method)

        class Counting(kind):
            def explain(self, images, **options):
                seen.setdefault(method.name, []).append([Path(photo).stem for photo in options["photos"]])
                if method.name == "occlusion" and "photos/cat.jpg" in options["photos"]:
                    place = options["photos"].index("photos/cat.jpg")
                    raise SolverError.of([place], SolverError("a cat"))
                if method.name == "grad_cam":
                    raise ModelError("no layers")
                return super().explain(images, **options)

        return Counting

    steps, finish = [], Count.finish

    def count(bar, count, failed=False):
        steps.append(count)
        finish(bar, count, failed)

    monkeypatch.setattr(Method, "load", counting)
    monkeypatch.setattr(Count, "finish", count)
    return seen, steps


@pytest.mark.parametrize("per_batch", [2, 8])
def test_a_photo_that_fails_costs_the_others_nothing(per_batch, evaluate, watched):
    """No method explains a good photo again because of another method, and each step of the bar is counted once."""
    seen, steps = watched
    Path("photos/broken.png").write_bytes(b"nothing")
    stepless = TINY.replace("--steps 2 ", "")
    methods = "random_pixel,grad_cam,occlusion,random_wavelet"
    status, _, err = evaluate(f"photos --methods {methods} --photos-per-batch {per_batch} --scores none", stepless)
    assert status == 1
    assert "rdexplain: error: photos/cat.jpg: a cat\n" in err
    once, rest = [["bird"], ["cat", "dog"]], [["bird"], ["dog"]]
    if per_batch == 8:
        once, rest = [["bird", "cat", "dog"]], [["bird", "dog"]]
    assert seen["random_pixel"] == once
    assert seen["grad_cam"] == once[:1]
    # The method that fails has to begin again.
    assert seen["occlusion"] == ([*once, *rest[1:]] if per_batch == 2 else [*once, *rest])
    assert seen["random_wavelet"] == rest
    assert sum(steps) == 4 * 4
    found = load_evaluation("evaluation")
    for method in ("random_pixel", "occlusion", "random_wavelet"):
        assert {Path(e.photo).stem for e in found.entries if e.method == method} == {"bird", "dog"}
    assert list(found.not_applicable) == ["grad_cam"]


SHAKY = """
import torch
from cli_test_nets import Mean

class Shaky(Mean):
    # NaN for what is obfuscated of a bright photo.
    def forward(self, x):
        noisy = (x[..., 1:] - x[..., :-1]).abs().mean(dim=(1, 2, 3)) > 0.01
        bad = noisy & (x.mean(dim=(1, 2, 3)) > 0.9)
        return super().forward(x) * torch.where(bad, torch.nan, 1.0)[:, None]
"""


def test_a_photo_whose_curves_are_not_finite_fails(evaluate, run, watched):
    seen, _ = watched
    Path("shaky_nets.py").write_text(SHAKY)
    bright = Image.new("RGB", (64, 64), (255, 255, 255))
    bright.paste((225, 225, 225), (0, 0, 32, 64))
    bright.save("photos/bright.png")
    small = TINY.replace("--steps 2 ", "").replace("cli_test_nets:tiny", "shaky_nets:Shaky")
    status, _, err = evaluate("photos --methods random_pixel,random_wavelet --scores none", small)
    assert (status, err) == (
        1,
        "rdexplain: error: photos/bright.png: obfuscated, the network gives values that are not finite\n",
    )
    with open("evaluation/summary.csv") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["photos"] for row in rows} == {"3"}
    assert all(row["mean"] for row in rows)
    assert list(json.loads(Path("evaluation/evaluation.json").read_text())["failed"]) == ["photos/bright.png"]
    # What was explained need not be explained again.
    assert seen == {"random_pixel": [["bird", "bright", "cat", "dog"]], "random_wavelet": [["bird", "cat", "dog"]]}
    model = "--model shaky_nets:Shaky --size 64"
    assert run(f"explain photos --method random_pixel --out explained {model}", small=False).status == 0
    status, _, err = evaluate("--explanations explained --scores none --out saved", small.replace("--size 64", ""))
    assert (status, err) == (
        1,
        "rdexplain: error: bright.random_pixel.safetensors: obfuscated, the network gives values that are not finite\n",
    )


def test_what_is_finished_stays_when_the_user_loses_patience(evaluate, stand_in):
    stand_in(Impatient)
    Impatient.seen = 0
    status, _, err = evaluate("photos --methods pixel_rde --photos-per-batch 1")
    assert status == 130
    assert err == "rdexplain: interrupted (1 of 3 are evaluated, in evaluation)\n"
    assert sorted(file.name for file in Path("evaluation").iterdir()) == FILES
    assert {Path(entry.photo).name for entry in load_evaluation("evaluation").entries} == {"bird.png"}
    assert json.loads(Path("evaluation/evaluation.json").read_text())["finished"] is False

    Impatient.seen = 1
    status, _, err = evaluate("photos --methods pixel_rde --out other")
    assert (status, err) == (130, "rdexplain: interrupted\n")
    assert not Path("other").exists()


def test_explanations_that_are_there(evaluate, run):
    options = "--method cartoonx --size 64 --steps 2 --top-k 2 --out explained --model cli_test_nets:tiny"
    assert run("explain photos", options, small=False).status == 0
    small = "--model cli_test_nets:tiny --activation softmax --percentages 0,50,100 --draws 1"
    status, _, _ = evaluate("--explanations explained", small)
    assert status == 0
    found = load_evaluation("evaluation")
    assert len({(entry.photo, entry.target) for entry in found.entries}) == 6
    status, _, err = evaluate("--explanations explained --out other", small.replace("tiny", "Corner"))
    assert (status, err) == (
        2,
        "rdexplain: error: the explanations in explained are of cli_test_nets:tiny, not of cli_test_nets:Corner: "
        "give --model cli_test_nets:tiny\n",
    )
    status, _, err = evaluate("--explanations explained --out other --mean 0.9", small)
    assert status == 1  # of some classes the probability is the same
    assert "choose the same --model, weights and normalisation" in err
    assert len(json.loads(Path("other/evaluation.json").read_text())["failed"]) == len(err.splitlines()) > 0
    status, _, err = evaluate("--explanations explained --out another --methods lime", small)
    assert (status, err) == (2, "rdexplain: error: no explanation in explained is by lime\n")
    assert evaluate("--explanations nope --out another", "")[2] == "rdexplain: error: no such folder: nope\n"
    assert evaluate("--explanations photos --out another", small)[2] == (
        "rdexplain: error: no explanations (*.safetensors) in photos\n"
    )


def test_a_run_that_is_evaluated_is_not_called_explanations(evaluate):
    """The folder of a run may be given in the place of photos: then the user never wrote --explanations."""
    Path("run").mkdir()
    Path("run/ledger.sqlite").touch()
    status, _, err = evaluate("run --scores seeds")
    assert (status, "--explanations" in err) == (2, False)
    assert "seeds explains photos again, not saved explanations: give photos, or other --scores" in err


def test_explanations_by_a_method_that_is_not_the_study_s(evaluate, run):
    """What is there is evaluated, whatever the default methods of photos are."""
    options = "--method waveletx --size 64 --steps 2 --out explained --model cli_test_nets:tiny"
    assert run("explain photos", options, small=False).status == 0
    small = "--model cli_test_nets:tiny --activation softmax --percentages 0,50,100 --draws 1"
    assert evaluate("--explanations explained --scores none", small)[0] == 0
    assert {entry.method for entry in load_evaluation("evaluation").entries} == {"waveletx"}


def test_explanations_that_not_all_methods_have(evaluate, run, monkeypatch):
    """A photo that is missing for one method, or damaged, is left out for all; methods that are not asked for do not
    count."""
    for method in ("pixel_rde --steps 2", "random_pixel", "random_wavelet --wavelet haar --levels 2"):
        command = f"explain photos --method {method} --size 64 --out explained --model cli_test_nets:tiny"
        assert run(command, small=False).status == 0
    small = "--model cli_test_nets:tiny --activation softmax --percentages 0,50,100 --draws 1"
    small += " --methods pixel_rde,random_pixel"
    status, out, err = evaluate("--explanations explained --out all", small)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "6 of 6 evaluated, in all"
    # What one method alone has been evaluated of is no comparison yet.
    calls, load = [], ExplanationsWorker.work

    def interrupted(worker, loaded):
        calls.append(loaded[1])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return load(worker, loaded)

    with monkeypatch.context() as patience:
        patience.setattr(ExplanationsWorker, "work", interrupted)
        status, _, err = evaluate("--explanations explained --out some", small)
    assert (status, err) == (130, "rdexplain: interrupted (2 of 6 are evaluated, in some)\n")
    assert {Path(entry.photo).stem for entry in load_evaluation("some").entries} == {"bird"}
    Path("explained/cat.pixel_rde.safetensors").write_bytes(b"damaged")
    Path("explained/dog.random_pixel.safetensors").unlink()
    status, out, err = evaluate("--explanations explained", small)
    damaged, *left_out = err.splitlines()
    assert status == 1
    assert "explained/cat.pixel_rde.safetensors cannot be read" in damaged
    assert left_out == [
        "rdexplain: error: cat.random_pixel.safetensors: left out: nothing of its photo and class by pixel_rde",
        "rdexplain: error: dog.pixel_rde.safetensors: left out: nothing of its photo and class by random_pixel",
    ]
    assert out.splitlines()[-1] == "2 of 5 evaluated, in evaluation"
    found, whole = load_evaluation("evaluation"), load_evaluation("all")
    assert found.curves == {key: value for key, value in whole.curves.items() if "bird" in key.entry.photo}
    assert found.scores == {key: value for key, value in whole.scores.items() if "bird" in key.entry.photo}
    assert {entry.method for entry in found.entries} == {"pixel_rde", "random_pixel"}
    failed = json.loads(Path("evaluation/evaluation.json").read_text())["failed"]
    names = ["cat.pixel_rde", "cat.random_pixel", "dog.pixel_rde"]
    assert list(failed) == [f"{name}.safetensors" for name in names]
    # A damaged file counts for the method that its name says, also where it is the only one.
    Path("explained/bird.pixel_rde.safetensors").unlink()
    Path("explained/dog.pixel_rde.safetensors").unlink()
    status, _, err = evaluate("--explanations explained --out nothing", small)
    assert (status, len(err.splitlines())) == (2, 3)
    assert not Path("nothing").exists()


def test_scores_of_what_masks_keep(evaluate, run):
    """Of masks alone, and the same of explanations that are there as of those that are made for it."""
    asked = "--scores conciseness,hallucination --domains own"
    status, out, err = evaluate(f"photos --methods cartoonx,pixel_rde,random_pixel {asked}")
    assert (status, err) == (0, "")
    found = load_evaluation("evaluation").scores
    everywhere = {("cartoonx", "wavelet"), ("pixel_rde", "pixel")}
    in_pixels = {("cartoonx", "pixel"), ("pixel_rde", "pixel")}
    for score, where in (
        ("cp_entropy", everywhere),
        ("cp_l1", everywhere),
        ("cp_l1_pixel", in_pixels),
        ("hallucination", in_pixels),
    ):
        assert {(key.entry.method, key.entry.domain) for key in found if key.score == score} == where
    assert {key.score for key in found} == {"cp_entropy", "cp_l1", "cp_l1_pixel", "hallucination"}
    assert len({key.entry.photo for key in found}) == 3
    with open("evaluation/summary.csv") as lines:
        rows = [row for row in csv.DictReader(lines) if row["score"] in ("cp_l1_pixel", "hallucination")]
    assert {(row["score"], row["better"]) for row in rows} == {("cp_l1_pixel", "higher"), ("hallucination", "lower")}
    assert all(float(row["low"]) <= float(row["mean"]) <= float(row["high"]) for row in rows)
    (line,) = (line for line in out.splitlines() if line.startswith("hallucination ↓"))
    assert line.split()[-1] == "-"

    for method in ("cartoonx", "pixel_rde"):
        command = f"explain photos --method {method} --size 64 --steps 2 --seed 3 --out explained"
        assert run(command, "--model cli_test_nets:tiny --activation softmax", small=False).status == 0
    small = "--model cli_test_nets:tiny --activation softmax --percentages 0,50,100 --draws 1"
    assert evaluate(f"--explanations explained {asked} --out stored", small)[0] == 0
    stored = {
        (Path(key.entry.photo).name, *key[0][2:], key.score): v for key, v in load_evaluation("stored").scores.items()
    }
    fresh = {(Path(key.entry.photo).name, *key[0][2:], key.score): value for key, value in found.items()}
    assert stored.keys() == fresh.keys()
    for key, value in fresh.items():
        assert stored[key] == pytest.approx(value, rel=1e-4), key


def test_the_same_photo_by_its_name_or_its_pixels():
    one = Entry("a/cat.jpg", "0f", "3", "cat", "pixel_rde", "pixel", True)
    others = [
        one._replace(method="lime", photo="/home/a/cat.jpg"),
        one._replace(method="occlusion", key="0e"),
    ]
    assert missing([one, *others], {"pixel_rde", "lime"}) == {
        Explained.of(others[0]): ["occlusion"],
        Explained.of(others[1]): ["lime"],
    }
    other_class = one._replace(method="lime", target="4")
    assert set(missing([one, other_class], {"pixel_rde", "lime"})) == {Explained.of(one), Explained.of(other_class)}
    assert missing([one, *others[:1]], {"pixel_rde", "lime"}) == {}


def test_boxes(evaluate):
    Path("boxes.csv").write_text("photo,left,top,right,bottom\ncat.jpg,0,0,9,24\n")
    stepless = TINY.replace("--steps 2 ", "")
    assert evaluate("photos --methods random_pixel --boxes boxes.csv --scores none", stepless)[0] == 0
    found = {
        (Path(key.entry.photo).name, key.score): value for key, value in load_evaluation("evaluation").scores.items()
    }
    assert set(found) == {("cat.jpg", "pointing_game"), ("cat.jpg", "energy_in_box")}
    assert 0 < found["cat.jpg", "energy_in_box"] < 1
    for without in ("photo,left,top\ncat.jpg,0,0\n", "photo,left,top\n", ""):
        Path("boxes.csv").write_text(without)
        assert "boxes are a CSV file with the columns" in evaluate("photos --out other --boxes boxes.csv")[2]
    Path("boxes.csv").write_text("photo,left,top,right,bottom\nzebra.jpg,0,0,9,9\n")
    assert "has no box for any of the photos" in evaluate("photos --out other --boxes boxes.csv")[2]


def test_many_methods_have_tables_of_areas_and_of_scores(evaluate):
    methods = "random_pixel,random_wavelet,occlusion,lrp,grad_cam,smooth_grad"
    stepless = TINY.replace("--steps 2 ", "")
    for scores, tables in (("none", 2), ("sparseness", 3)):  # areas over p, over log p, scores
        _, out, _ = evaluate(f"photos --methods {methods} --scores {scores} --out {scores}", stepless)
        assert sum(line.startswith("method") for line in out.splitlines()) == tables


def test_boxes_of_photos_with_one_name(evaluate):
    head, stepless = "photo,left,top,right,bottom\n", TINY.replace("--steps 2 ", "")
    Path("more").mkdir()
    shutil.copy("photos/cat.jpg", "more/cat.jpg")
    command = "photos more --methods random_pixel --boxes boxes.csv --scores localisation --percentages 0,100"
    Path("boxes.csv").write_text(f"{head}cat.jpg,0,0,9,24\n")
    status, _, err = evaluate(command, stepless)
    assert (status, err) == (
        2,
        "rdexplain: error: boxes.csv: 2 photos are called cat.jpg: write their paths in its place\n",
    )
    Path("boxes.csv").write_text(f"{head}more/cat.jpg,0,0,9,24\n")
    assert evaluate(command, stepless)[0] == 0
    scores = load_evaluation("evaluation").scores
    assert {key.entry.photo for key in scores if key.score == "energy_in_box"} == {"more/cat.jpg"}


def test_a_name_that_is_a_path_is_no_other_photo_s(tmp_path):
    box, other = [(0.0, 0.0, 1.0, 1.0)], [(2.0, 2.0, 3.0, 3.0)]
    boxes = {"cat.jpg": box, "dog.jpg": other}
    found = by_source(tmp_path, boxes, ["cat.jpg", "more/cat.jpg", "more/dog.jpg"])
    assert found == {"cat.jpg": box, "more/dog.jpg": other}


def test_boxes_that_fit_badly(evaluate):
    head, stepless = "photo,left,top,right,bottom\n", TINY.replace("--steps 2 ", "")
    Path("boxes.csv").write_text(f"{head}cat.jpg,0,0,9,24\ncat.jpg,5,0,5,9\n")
    status, _, err = evaluate("photos --methods random_pixel --boxes boxes.csv", stepless)
    assert (status, err) == (
        2,
        "rdexplain: error: boxes.csv, row 2: the box 5, 0, 5, 9 is empty: left must be below right, and top below "
        "bottom\n",
    )
    for row, text in (("cat.jpg,0,0,9,24,7\n", "row 1: more values than columns"), ("cat.jpg,nan,0,9,9\n", "numbers")):
        Path("boxes.csv").write_text(head + row)
        assert text in evaluate("photos --methods random_pixel --boxes boxes.csv", stepless)[2]
    # A byte-order mark, a box smaller than a pixel, one that rounding made larger than its photo, one partly outside
    # of its photo, one of no photo.
    rows = "cat.jpg,0.01,0.01,0.02,0.02\ncat.jpg,0,0,18.04,24\ndog.png,5,5,16.5,16\nzebra.jpg,0,0,9,9\n"
    Path("boxes.csv").write_text(head + rows, encoding="utf-8-sig")
    status, _, err = evaluate("photos --methods random_pixel --boxes boxes.csv --scores none", stepless)
    assert (status, err.splitlines()) == (
        1,
        [
            "rdexplain: warning: boxes.csv: 2 of 3 photos have boxes; 1 row names no photo",
            "rdexplain: error: photos/dog.png: the box 5, 5, 16.5, 16 reaches beyond the image, which is 16 pixels "
            "wide and 16 high",
        ],
    )
    assert {Path(key.entry.photo).name for key in load_evaluation("evaluation").scores} == {"cat.jpg"}


@pytest.mark.parametrize("kind", [Unwilling, "lrp"])
def test_nothing_applicable_is_an_error(kind, evaluate, stand_in):
    if kind is Unwilling:  # only when it explains
        stand_in(kind)
        status, _, err = evaluate("photos --methods pixel_rde")
    else:
        status, _, err = evaluate(f"photos --methods {kind}", TINY.replace("--steps 2 ", ""))
    assert status == 2
    assert "rdexplain: error: none of the methods is applicable: " in err.splitlines()[-1]
    assert not Path("evaluation").exists()


def test_small_numbers_are_not_printed_as_nothing():
    assert [shown(value) for value in (0, 0.5, 0.0123, 0.00123, 0.0000123, -0.0004)] == [
        "0.000",
        "0.500",
        "0.012",
        "0.0012",
        "1.2e-05",
        "-0.0004",
    ]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "give either photos or --explanations"),
        ("photos --explanations photos", "give either photos or --explanations"),
        ("photos --methods cartonx", "unknown method 'cartonx': did you mean cartoonx?"),
        ("photos --percentages 0", "must be at least two rising numbers from 0 to 100, not '0'"),
        ("photos --percentages 0:100:1e-9", "must be at most 10000 percentages, not '0:100:1e-9'"),
        ("photos --percentages 0:100", "must be FROM:TO:STEP, such as 0:100:5, not '0:100'"),
        ("photos --percentages 50,20", "must be at least two rising numbers"),
        ("photos --scores insertion,gini", "unknown score 'gini'"),
        ("photos --scores localisation", "give --boxes"),
        ("--explanations photos --scores randomisation", "randomisation explains photos again, not saved"),
        (
            "--explanations photos --scores road,seeds,small_changes,cascade",
            "seeds and small_changes and cascade explain photos again, not saved explanations: give photos, or other "
            "--scores",
        ),
        ("photos --boxes gone.csv", "cannot read the boxes in gone.csv: No such file or directory"),
        ("photos --size 4", "an image of 4 x 4 is too small for db3"),
        ("gone.jpg", "no such file or folder: gone.jpg"),
    ],
)
def test_bad_input(command, message, evaluate):
    small = "--model cli_test_nets:tiny"
    status, _, err = evaluate(command, small if "--size" in command else f"{small} --size 64")
    assert status == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("evaluation").exists()


def test_percentages():
    assert percentages("0:100:25") == (0, 25, 50, 75, 100)
    assert percentages("0,2.5,9") == (0, 2.5, 9)
    assert percentages("0:1:0.1")[-1] == pytest.approx(1)


def test_methods_take_those_options_that_they_have(evaluate):
    """The random order has no steps, and solves for no mask."""
    options = "--methods pixel_rde,random_pixel --scores none --no-batch-invariant"
    assert evaluate(f"photos/cat.jpg {options}")[0] == 0
    record = json.loads(Path("evaluation/evaluation.json").read_text())["methods"]
    assert (record["pixel_rde"]["steps"], record["pixel_rde"]["batch_invariant"]) == (2, False)
    assert "batch_invariant" not in record["random_pixel"]
    status, _, err = evaluate("photos/cat.jpg --methods random_pixel --no-batch-invariant --overwrite")
    assert (status, "is an option of none of random_pixel" in err) == (2, True)


def test_a_real_network(place, capsys):
    argv = "evaluate sample:cat sample:rocket --size 64 --steps 3 --draws 1 --percentages 0,20,100 --out real"
    assert main([*argv.split(), "--methods", "cartoonx,pixel_rde"]) == 0
    found = load_evaluation("real")
    assert len(found.entries) == 2 * 2 * 2
    for (_, mode), curve in found.curves.items():
        untouched = -1 if mode == "keep" else 0
        assert abs(curve.measures["l2"][untouched]) < 1e-5
        assert curve.measures["agreement"][untouched] == 1
        assert curve.share.tolist() == pytest.approx([0, 0.2, 1], abs=1e-3)
    assert "2 of 2 evaluated, in real" in capsys.readouterr().out
    assert torch.is_grad_enabled()

"""The re-enacted published step against its definition and the solver; areas; the page, its tables, its memory."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks.machine import Peak
from benchmarks.published import STEP_SIZE, Published

import rdexplain as rx
from benchmarks import __main__ as page
from benchmarks import gpu, growth, parts, peers, quality, tables
from rdexplain.core.philox import OPTIMISE, Stream, normal
from rdexplain.core.solver import Settings, solve
from rdexplain.methods.registry import METHODS
from rdexplain.models import frozen


@pytest.fixture
def model():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 5, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LazyLinear(3)
    )
    network(torch.zeros(1, 3, 32, 32))
    for number, parameter in enumerate(network.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)) * 0.3
    return rx.as_model(network.eval())


def test_published_steps_are_those_of_the_solver_with_the_same_noise(model):
    """Autograd through everything and PyTorch's Adam against the closed form and our Adam."""
    image, draws, steps = rx.load_photo("sample:cat", 32).pixels[None], 4, 3
    with rx.CartoonX(model, preset="paper", accelerate=False).problem(image) as problem:
        objective, key = problem.objective, problem.run.keys[0]
        start = torch.ones(1, objective.transform.count)
        expected = solve(objective, start, Settings(steps, draws, STEP_SIZE, 20.0))
        half, _ = objective.gradient(start / 2, 0, draws)
    numbers = iter((*range(steps), 0))

    def noise(shape):
        step = next(numbers)
        streams = [Stream(0, key, step, draw, OPTIMISE) for draw in range(draws)]
        return normal(streams, shape[1] * shape[2], torch.float32).view(shape)

    with frozen(model):
        published = Published(model, image, draws, noise)
        losses = [published.step() for _ in range(steps)]
        found = published.mask.detach().clone()
        published.mask.data.fill_(0.5)  # where the distortion has a slope
        published.step()
    assert torch.allclose(found, expected.mask[0], atol=1e-5)
    assert losses == pytest.approx((expected.distortion + 20 * expected.non_sparsity)[:, 0].tolist(), rel=1e-4)
    slope = published.mask.grad - 20 / len(found)
    assert float((slope - half[0]).norm()) < 1e-3 * float(half.norm())
    assert float(half.norm()) > 1e-3


def test_what_decides_comes_first_in_a_smaller_area(monkeypatch):
    """A network that sees the upper half alone, at 0, 50 and 100 %: with it first the distortions are d, 0, 0, and with
    it last d, d, 0."""
    weight = torch.randn(3, 3 * 16 * 32, generator=torch.Generator().manual_seed(2)) / 10
    model = rx.as_model(lambda images: images[:, :, :16].flatten(1) @ weight.T, activation="softmax")
    found = METHODS["occlusion"].load()(model).explain(rx.load_photo("sample:cat", 32).pixels[None])
    half = torch.zeros(1, 32, 32)
    half[:, :16] = 1
    monkeypatch.setattr(peers, "PERCENTAGES", (0, 50, 100))
    first, last = (peers.areas(model, replace(found, scores=[scores])) for scores in (half, 1 - half))
    assert first[0] > 0.01
    assert last[0] == pytest.approx(3 * first[0], rel=1e-5)
    assert first[1] < last[1]
    assert first[1] != pytest.approx(first[0], rel=0.01)  # other components


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a peak has no beginning")
def test_a_peak_is_of_what_came_after_its_beginning():
    """Not of what the process held before, nor of what it holds then. `getrusage` counts its parent's peak, too."""
    before = torch.ones(64, 2**20)
    del before
    peak = Peak(torch.device("cpu"))
    assert peak.mib() < 20
    now = torch.ones(32, 2**20)
    del now
    assert 108 < peak.mib() < 148


def test_the_page_keeps_what_it_measured_and_does_not_measure_it_again(tmp_path, monkeypatch, capsys):
    calls = []

    def measure(options, say, known):
        calls.append(options.rounds)
        return [{"library": "rdexplain", "size": 256, "ms_per_image": 1.5, "over_rdexplain": 1.0}]

    transform = parts.PARTS["transform"]
    monkeypatch.setitem(parts.PARTS, "transform", replace(transform, measure=measure))
    monkeypatch.setattr(page, "SHORT", {"transform": {"rounds": 5}})
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    for arguments in ([], [], ["--rounds", "2"], ["--again", "--rounds", "2"]):
        monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
        page.main()
    assert calls == [5, 2, 2]
    assert "transform: wavelet analysis and synthesis (measured before, in 0.0 s)" in capsys.readouterr().out
    (file,) = (tmp_path / "results").iterdir()
    found = json.loads(file.read_text())
    assert found["transform"][0]["ms_per_image"] == 1.5
    assert found["options"]["transform"] == {"rounds": 2, "device": "cpu"}
    assert page.kept(file, {**found["machine"], "cores": -1}) == {}


def test_a_part_that_was_cut_off_goes_on_with_its_next_row(tmp_path, monkeypatch, capsys):
    def measure(options, say, known):
        for library in ("a", "b", "c"):
            if library == "b" and not known:
                raise KeyboardInterrupt
            if library not in [row["library"] for row in known]:
                yield {"library": library, "size": 256, "ms_per_image": 1.0, "over_rdexplain": len(known)}

    transform = parts.PARTS["transform"]
    monkeypatch.setitem(parts.PARTS, "transform", replace(transform, measure=measure))
    options, file = argparse.Namespace(rounds=5, device="cpu"), tmp_path / "page.json"
    with pytest.raises(KeyboardInterrupt):
        page.measure_part("transform", options, {}, file)
    cut = json.loads(file.read_text())
    assert [row["library"] for row in cut["transform"]] == ["a"]
    assert cut["unfinished"] == ["transform"]
    page.measure_part("transform", options, cut, file)
    whole = json.loads(file.read_text())
    assert [(row["library"], row["over_rdexplain"]) for row in whole["transform"]] == [("a", 0), ("b", 1), ("c", 1)]
    assert whole["unfinished"] == []
    assert capsys.readouterr().out.count("transform:") == 1


def test_what_is_given_goes_before_the_short_selection(monkeypatch):
    given = argparse.Namespace(rounds=2, draws=None, photos=None)
    options = page.filled(given, {"rounds": 5, "draws": 8})
    assert (options.rounds, options.draws, options.photos) == (2, 8, ["sample:cat"])


def test_sizes_of_peers():
    assert list(parts._sizes(["a", "128", "b", "c"])) == [(256, ["a"]), (128, ["b", "c"])]


def test_columns_are_as_wide_as_their_texts():
    lines = list(tables.aligned(("name", "px", "ms"), [("a long name (random)", "128", "3.1"), ("b", "64", "12.25")]))
    assert lines == [
        "name                   px     ms",
        "a long name (random)  128    3.1",
        "b                      64  12.25",
    ]


def test_the_tables_of_what_is_kept():
    """A photo alone bears no interval; hours are hours; what was reckoned says so."""
    row = {"photo": "cat", "size": 128, "way": "published step x 64", "seconds": 4369.7, "evaluations": 128000}
    areas = {"area_pixels": None, "area_wavelets": None}
    _, line, star = tables.peers([{**row, **areas, "timed_steps": 2}])
    assert line.split() == ["cat", "128", "published", "step", "x", "64", "128,000", "1", "h", "12", "min*", "-", "-"]
    assert star == "* all steps, reckoned from 2"
    run = {"setting": "fast", "photo": "cat", "size": 128, "seed": 0, "objective": 0.25, "evaluations": 781}
    _, line = tables.quality(quality.summary([{**run, "collapsed": False}], "fast"))
    assert line.split() == ["fast", "1", "781", "0.250", "-", "1.00", "1.00", "0"]


def test_the_page_has_several_photos_and_every_kind_of_growth():
    for part in ("quality", "stability"):
        photos = page.filled(argparse.Namespace(photos=None, seeds=None), parts.SHORT[part]).photos
        assert len(photos) > 2
        assert all(rx.load_photo(photo, 32).pixels.shape == (3, 32, 32) for photo in photos)
    for key in growth.VARIED:
        assert len({case[key] for case in growth.cases()}) == len(growth.VARIED[key])


def test_paths_that_were_given_are_not_kept(tmp_path, monkeypatch):
    stability = parts.PARTS["stability"]
    monkeypatch.setitem(
        parts.PARTS, "stability", replace(stability, measure=lambda *_: [], lines=lambda rows: iter(()))
    )
    options = argparse.Namespace(**dict.fromkeys(stability.reads) | {"photos": [str(tmp_path / "zebra.jpg")]})
    page.measure_part("stability", options, {}, tmp_path / "page.json")
    kept = (tmp_path / "page.json").read_text()
    assert json.loads(kept)["options"]["stability"]["photos"] == ["zebra"]
    assert str(tmp_path) not in kept


def test_results_that_are_kept_hold_no_paths_of_a_machine():
    for file in Path(page.RESULTS).glob("*.json"):
        text = file.read_text()
        assert len(text) < 50_000
        assert not any(place in text for place in ("/home", "/tmp", "/work", "/root", "/Users", ":\\\\"))


def test_without_a_gpu_nothing_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for arguments in ([], ["--device", "cpu"]):
        monkeypatch.setattr("sys.argv", ["gpu", *arguments])
        assert gpu.main() == 1
        assert capsys.readouterr().out.count("\n") == 1


def test_the_gpu_script_on_a_cpu_is_no_measurement(tmp_path, monkeypatch, capsys):
    some = [one for one in gpu.VARIANTS if one.name in ("float32", "bf16 channels last", "float32, no graph")]
    monkeypatch.setattr(gpu, "VARIANTS", some)
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cpu", "--quick", "--json", str(tmp_path / "gpu.json")])
    assert gpu.main() == 0
    assert "NO MEASUREMENT" in capsys.readouterr().out
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["measurement"] is False
    variants = {row["variant"]: row for row in found["gpu"]}
    assert not [row["left_out"] for row in found["gpu"] if "left_out" in row]
    assert len(variants) == 3
    assert all(row["network_share"] > 0 for row in found["gpu"])
    assert variants["float32"]["over_float32"] == 1

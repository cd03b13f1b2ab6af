"""The re-enacted published step against its definition and the solver; heatmaps as masks; the page and its memory."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from benchmarks.published import STEP_SIZE, Published

import rdexplain as rx
from benchmarks import __main__ as page
from benchmarks import gpu, parts, peers
from rdexplain.core.philox import OPTIMISE, Stream, normal
from rdexplain.core.solver import Settings, solve
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


def test_a_heatmap_as_a_mask_is_the_best_share_of_its_first_pixels(model):
    image = rx.load_photo("sample:cat", 32).pixels[None]
    scores = torch.rand(32, 32, generator=torch.Generator().manual_seed(1))
    share, found = peers.as_mask(model, image, scores)
    weight = rx.PixelRDE(model).options.settings.sparsity
    with rx.PixelRDE(model).problem(image) as problem:
        threshold = scores.flatten().sort(descending=True).values[max(0, round(share * 1024) - 1)]
        mask = (scores >= threshold).float().view(1, -1) * (share > 0)
        distortion, _ = problem.objective.measure(mask, 256)
    assert share in peers.SHARES
    assert found == pytest.approx(float(distortion) + weight * share, abs=weight / 1024)


def test_the_page_keeps_what_it_measured_and_does_not_measure_it_again(tmp_path, monkeypatch, capsys):
    calls = []

    def measure(options, say, known):
        calls.append(options.rounds)
        return [{"library": "rdexplain", "ms_per_image": 1.5, "over_rdexplain": 1.0}]

    transform = parts.PARTS["transform"]
    monkeypatch.setitem(parts.PARTS, "transform", parts.Part(measure, transform.lines, transform.reads))
    monkeypatch.setattr(page, "SHORT", {"transform": {"rounds": 5}})
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    for arguments in ([], [], ["--rounds", "2"], ["--again", "--rounds", "2"]):
        monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
        page.main()
    assert calls == [5, 2, 2]
    assert "transform, 0 s, measured before" in capsys.readouterr().out
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
                yield {"library": library, "ms_per_image": 1.0, "over_rdexplain": len(known)}

    transform = parts.PARTS["transform"]
    monkeypatch.setitem(parts.PARTS, "transform", parts.Part(measure, transform.lines, transform.reads))
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
    assert capsys.readouterr().out.count("transform,") == 1


def test_what_is_given_goes_before_the_short_selection(monkeypatch):
    given = argparse.Namespace(rounds=2, draws=None, photos=None)
    options = page.filled(given, {"rounds": 5, "draws": 8})
    assert (options.rounds, options.draws, options.photos) == (2, 8, ["sample:cat"])


def test_sizes_of_peers():
    assert list(parts._sizes(["a", "128", "b", "c"])) == [(256, ["a"]), (128, ["b", "c"])]


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

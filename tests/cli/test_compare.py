"""``rdexplain explain`` with baselines, and ``rdexplain compare``."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import rdexplain as rx
from rdexplain.cli import main

pytest.importorskip("captum")
pytest.importorskip("skimage")

SMALL = "--model cli_test_nets:tiny --size 16"


def files(folder: str | Path = "explanations") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_baseline(run):
    done = run(
        f"explain photos/cat.jpg {SMALL} --method occlusion --window 4 --stride 2 --seed 3 --activation softmax",
        small=False,
    )
    assert (done.status, done.err) == (0, [])
    assert files() == ["cat.occlusion.json", "cat.occlusion.png", "cat.occlusion.safetensors"]
    (line,) = done.out
    heatmap = rx.load_heatmap("explanations/cat.occlusion")
    assert line.startswith(f"cat -> {heatmap.labels[0]} ")
    assert "distortion" not in line
    assert "sparsity" not in line
    assert f"{float(heatmap.probability[0]):.1%}" in line
    assert heatmap.scores[0].shape == (1, 16, 16)
    assert (heatmap.seed, heatmap.options["window"], heatmap.options["stride"]) == (3, 4, 2)
    record = json.loads(Path("explanations/cat.occlusion.json").read_text())
    assert record["photo"] == "photos/cat.jpg"
    assert record["options"]["fit"] == "squash"
    assert record["method"] == "occlusion"
    assert "distortion" not in record


def test_a_folder_and_several_targets(run):
    command = f"explain photos {SMALL} --method random_wavelet --wavelet haar --levels 2 --top-k 2 --original-size"
    done = run(command, small=False)
    assert done.status == 0
    assert len(done.out) == 7
    assert len(files()) == 24


def test_the_masks_options_are_not_a_baseline_s(run):
    done = run(f"explain photos/cat.jpg {SMALL} --method grad_cam --samples 2", small=False)
    assert (done.status, done.err) == (2, ["rdexplain: error: --samples shows what a mask keeps: grad_cam has none"])
    done = run(f"explain photos/cat.jpg {SMALL} --method lime --preset paper", small=False)
    masks = "cartoonx, pixel_rde, waveletx, shearletx and smooth_pixel_rde"
    assert done.err == [f"rdexplain: error: --preset is an option of {masks}, not of lime"]


def test_a_network_that_a_method_cannot_do(run):
    done = run(f"explain photos/cat.jpg {SMALL} --method guided_backprop", small=False)
    assert done.status == 2
    assert done.err == [
        "rdexplain: error: cli_test_nets:tiny has no ReLU modules: "
        "Guided Backprop would be the plain gradient of its output"
    ]
    assert not Path("explanations").exists()


def test_a_missing_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    done = run(f"explain photos/cat.jpg {SMALL} --method lime", small=False)
    assert done.status == 2
    assert done.err == [
        "rdexplain: error: Lime needs captum: install the extra `evaluation`: "
        'pip install ".[evaluation]" in the project\'s folder'
    ]


def test_compare(run):
    command = f"compare photos {SMALL} --methods pixel_rde,Guided-Backprop,smooth_grad,random_pixel --out panel"
    done = run(f"{command} --steps 1 --draws 1 --n-samples 2 --spread 0.1 --sparsity 0", small=False)
    assert done.status == 0
    assert done.err == [
        "rdexplain: warning: Guided Backprop is not applicable: cli_test_nets:tiny has no ReLU modules: "
        "Guided Backprop would be the plain gradient of its output"
    ]
    assert len(done.out) == 10
    assert done.out[-1].endswith("panel/comparison.png  panel/comparison.pdf")
    written = files("panel")
    assert {"comparison.pdf", "comparison.png"} < set(written)
    for method in ("pixel_rde", "smooth_grad", "random_pixel"):
        for photo in ("bird", "cat", "dog"):
            assert {f"{photo}.{method}.{end}" for end in ("json", "png", "safetensors")} < set(written)
    assert len(written) == 2 + 27
    assert rx.load_explanation("panel/cat.pixel_rde").steps == 1
    assert rx.load_heatmap("panel/cat.smooth_grad").options["n_samples"] == 2
    with Image.open("panel/comparison.png") as picture:
        assert picture.width > picture.height > 600
    again = run(f"compare photos {SMALL} --methods random_pixel --out panel", small=False)
    assert again.status == 2
    assert "exists already" in again.err[0]
    assert run(f"compare photos {SMALL} --methods random_pixel --out panel --overwrite", small=False).status == 0


def test_a_full_disk_keeps_the_comparison_of_before(run, monkeypatch):
    """Both of its files, or neither."""
    assert run(f"compare photos {SMALL} --methods random_pixel --out panel", small=False).status == 0
    both = [Path("panel", name) for name in ("comparison.pdf", "comparison.png")]
    before = [path.read_bytes() for path in both]
    real = Figure.savefig

    def full(figure, path, **options):
        real(figure, path, **options)
        if path.suffix == ".pdf":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    done = run(f"compare photos {SMALL} --methods random_pixel --seed 1 --out panel --overwrite", small=False)
    assert (done.status, done.err) == (
        2,
        ["rdexplain: error: cannot write panel/comparison.pdf: No space left on device"],
    )
    assert [path.read_bytes() for path in both] == before
    assert not [name for name in files("panel") if name.startswith(".")]


def test_compare_several_classes_and_a_broken_photo(run):
    Path("photos/broken.jpg").write_bytes(b"no photo")
    done = run(f"compare photos {SMALL} --methods random_pixel,occlusion --top-k 2", small=False)
    assert done.status == 1
    assert len([line for line in done.out if " -> " in line]) == 12
    assert len(done.err) == 1  # not once for each method


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--methods grad_cam,lrpp", "unknown method 'lrpp': did you mean lrp?"),
        ("--methods ,", "unknown method ','"),
        ("--methods grad_cam,lrp --layer conv --steps 3", "--steps is an option of cartoonx, pixel_rde, waveletx, "),
        ("--methods grad_cam,lrp --wavelet haar", "not of grad_cam and lrp"),
        ("--methods guided_backprop", "has no ReLU modules"),
        (
            "--methods guided_backprop,lrp --model cli_test_nets:Map --activation softmax",
            "the model's output has the shape",
        ),
        ("--methods random_pixel --target 9", "target 9 is outside the model's 4 outputs"),
        ("--samples 2", "unknown option '--samples'"),
    ],
)
def test_compare_what_cannot_be(run, options, message):
    model = "" if "--model" in options else "--model cli_test_nets:tiny"
    done = run(f"compare photos/cat.jpg --size 16 {model} {options}", small=False)
    assert done.status == 2
    assert done.err[-1].startswith("rdexplain: error: ")
    assert message in done.err[-1]
    assert not Path("explanations").exists()


def test_a_real_network(tmp_path, capsys, monkeypatch):
    """All methods on the bundled cat; each finds more in the photo than outside its middle."""
    monkeypatch.chdir(tmp_path)
    methods = "cartoonx,pixel_rde,integrated_gradients,smooth_grad,guided_backprop,grad_cam,lrp,lime,occlusion"
    quick = "--steps 2 --draws 2 --references 1 --n-samples 20 --segments 20 --levels 3 --window 24 --stride 24"
    argv = f"compare sample:cat --size 96 --methods {methods},random_pixel,random_wavelet {quick} --out out"
    monkeypatch.setattr("rdexplain.methods.outcome.FRESH_DRAWS", 2)
    monkeypatch.setattr("rdexplain.methods.outcome.EMPTY_DRAWS", 2)
    assert main(argv.split()) == 0
    assert "not applicable" not in capsys.readouterr().err
    heat = rx.load_heatmap("out/cat.lrp")
    assert heat.labels == ("Egyptian cat",)
    assert heat.options["weights"].startswith("efficientnet-lite0")
    share = float(heat.picture[0, 0, 16:80, 16:80].sum() / heat.picture.sum())
    assert share > 64**2 / 96**2
    assert torch.equal(rx.load_heatmap("out/cat.random_pixel").images, rx.load_photo("sample:cat", 96).pixels[None])

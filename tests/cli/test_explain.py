"""``rdexplain explain``: what it writes and says when all is well."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import rdexplain as rx
from rdexplain.cli import main
from rdexplain.work.lock import locked
from rdexplain.work.outputs import Outputs

KEYS = {
    *("photo", "model", "method", "target", "distortion", "non_sparsity", "objective", "steps", "draws"),
    *("network_evaluations", "seconds", "seed", "device", "options", "versions"),
}


def files(folder: str | Path = "explanations") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def picture_size(path: str) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def record(name: str, folder: str = "explanations") -> dict:
    return json.loads(Path(folder, f"{name}.json").read_text())


def test_a_photo(run):
    done = run("explain photos/cat.jpg --seed 7 --draws 3 --sparsity 0")
    assert (done.status, done.err) == (0, [])
    assert files() == ["cat.pixel_rde.json", "cat.pixel_rde.png", "cat.pixel_rde.safetensors"]
    (line,) = done.out
    one = rx.load_explanation("explanations/cat.pixel_rde")
    assert line.startswith(f"cat -> {one.labels[0]} ")
    assert line.endswith(" s  explanations/cat.pixel_rde.png")
    for text in (f"{float(one.distortion):.4f}", f"{float(one.non_sparsity):.4f}", f"{float(one.probability):.1%}"):
        assert text in line
    written = record("cat.pixel_rde")
    assert written.keys() >= KEYS
    assert written["target"].keys() >= {"kind", "index", "label", "probability"}
    assert written["photo"] == "photos/cat.jpg"
    assert (written["steps"], written["draws"], written["seed"]) == (2, 3, 7)
    assert written["options"]["fit"] == "squash"
    assert picture_size("explanations/cat.pixel_rde.png") == (16, 16)


@pytest.mark.parametrize(("flag", "sampled"), [("", True), (" --no-sampled", False)])
def test_shearlets_with_and_without_sampling(run, flag, sampled):
    assert run(f"explain photos/cat.jpg --method shearletx --scales 2 --size 16{flag}").status == 0
    assert record("cat.shearletx")["options"]["sampled"] is sampled
    found = rx.load_explanation("explanations/cat.shearletx")
    assert len(found.mask) == (1 + 4 + 8 if sampled else 3)


def test_cartoonx_is_the_default_and_its_panel_is_drawn(place, capsys):
    options = "--model cli_test_nets:tiny --size 16 --levels 1 --steps 1 --samples 2 --sparsity 0 --activation softmax"
    assert main(["explain", "photos/cat.jpg", *options.split()]) == 0
    assert files() == [f"cat.cartoonx.{end}" for end in ("json", "png", "safetensors", "samples.png")]
    assert min(picture_size("explanations/cat.cartoonx.png")) > 300
    assert capsys.readouterr().err == ""


def test_a_folder_with_failures_and_batches(run):
    Path("photos/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    done = run("explain photos --photos-per-batch 2 --sparsity 0")
    assert done.status == 1
    assert len(done.out) == 3
    assert done.err[0].startswith("rdexplain: error: ")
    assert "photos/broken.jpg" in done.err[0]
    assert done.err[1:] == ["rdexplain: explained 3 of 4 photos, 1 failed"]
    assert len(files()) == 9
    alone = run("explain photos/dog.png --out alone --sparsity 0")
    assert alone.status == 0
    batched, single = rx.load_explanation("explanations/dog.pixel_rde"), rx.load_explanation("alone/dog.pixel_rde")
    assert torch.equal(batched.mask[0], single.mask[0])


def test_a_mask_worse_than_none_is_said(run):
    """The class has a probability of 0.5 at most by its nature, so a mask that keeps half costs more than losing it."""
    done = run("explain photos/cat.jpg --sparsity 40")
    (warning,) = done.err
    assert "the mask for" in warning
    assert "costs more than it explains, keeping nothing has the lower objective: " in warning
    assert record("cat.pixel_rde")["worse_than_empty"] is True
    found = run("explain photos/cat.jpg --max-distortion 0.0001 --out bounded")
    assert not any("costs more" in line for line in found.err)


def test_repeats(run):
    done = run("explain photos/cat.jpg --repeats 3 --seed 2 --sparsity 0")
    assert (done.status, done.err) == (0, [])
    one = rx.load_explanation("explanations/cat.pixel_rde")
    assert "agreement undefined" in done.out[0]  # all of them keep everything
    assert "cat.pixel_rde.repeats.png" in files()
    written = record("cat.pixel_rde")
    assert (written["repeats"], written["agreement"]) == (3, None)
    masks = []
    for seed in (2, 3, 4):
        assert run(f"explain photos/cat.jpg --seed {seed} --out seed{seed} --sparsity 0").status == 0
        masks.append(rx.load_explanation(f"seed{seed}/cat.pixel_rde").mask[0] > 0.3)
    assert torch.equal(one.selection_frequency[0], torch.stack(masks).float().mean(0))
    found = run("explain photos/cat.jpg --repeats 2 --sparsity 0 --init random --out some")
    share = float(rx.load_explanation("some/cat.pixel_rde").agreement)
    assert f"agreement {share:.2f}" in found.out[0]
    assert record("cat.pixel_rde", "some")["agreement"] == pytest.approx(share)
    refused = run("explain photos/cat.jpg --repeats 3 --method grad_cam", small=False)
    assert refused.status == 2
    assert "--repeats" in refused.err[0]


def test_the_lines_of_a_folder_are_aligned_and_summed_up(run):
    done = run("explain photos --classes names.txt")
    assert len({line.index("distortion") for line in done.out[:3]}) == 1
    assert done.out[3].startswith("explained 3 photos in ")


def test_a_line_is_folded_on_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    for columns, lines in ((200, 1), (70, 2)):
        monkeypatch.setenv("COLUMNS", str(columns))
        done = run("explain photos/cat.jpg --overwrite")
        assert len(done.out) == lines
        assert all(line.startswith("    ") for line in done.out[1:])


def test_quiet(run):
    done = run("explain photos --quiet --sparsity 1e6")
    assert (done.status, done.out, done.err) == (0, [], [])


def test_the_same_command_twice(run):
    for out in ("one", "two"):
        assert run(f"explain photos/cat.jpg --out {out}").status == 0
    one, two = (rx.load_explanation(f"{out}/cat.pixel_rde") for out in ("one", "two"))
    assert all(torch.equal(a, b) for a, b in zip(one.mask, two.mask, strict=True))


def test_several_targets_name_the_files(run):
    done = run("explain photos/cat.jpg --classes names.txt --target zebra --target Tabby_Cat --target 1 --target 2")
    assert done.status == 0
    assert [name for name in files() if name.endswith(".json")] == [
        f"cat.{slug}.pixel_rde.json" for slug in ("crane-2", "tabby-cat", "zebra")
    ]
    assert record("cat.zebra.pixel_rde")["target"]["index"] == 1


def test_one_target_does_not_name_the_file(run):
    assert run("explain photos/cat.jpg --classes names.txt --target zebra").status == 0
    assert record("cat.pixel_rde")["target"]["label"] == "zebra"


def test_auto_beside_other_targets(run):
    assert run("explain photos --target auto --target 0 --target 3").status == 0
    for name in ("bird", "cat", "dog"):
        found = {
            record(file.removesuffix(".json"))["target"]["index"]
            for file in files()
            if file.startswith(name) and file.endswith("json")
        }
        predicted = run(f"explain photos/{name}.* --out alone --overwrite")
        assert predicted.status == 0
        assert found == {0, 3, record(f"{name}.pixel_rde", "alone")["target"]["index"]}


def test_top_k(run):
    assert run("explain photos --top-k 2 --classes names.txt").status == 0
    assert len(files()) == 3 * 2 * 3
    again = run("explain photos/cat.jpg --top-k 1 --classes names.txt")  # named after no class
    assert again.status == 0
    again = run("explain photos/cat.jpg --top-k 3 --classes names.txt")
    assert again.status == 2
    assert "exists already" in again.err[0]


def test_wnid_target(run):
    done = run("explain photos/cat.jpg --target n02123045 --model resnet18 --weights random --size 32 --steps 1")
    assert done.status == 0
    assert record("cat.pixel_rde")["target"]["index"] == 281
    assert record("cat.pixel_rde")["target"]["label"] == "tabby"


def test_names_that_collide_get_a_hash(run):
    Path("more").mkdir()
    Path("more/cat.png").write_bytes(Path("photos/dog.png").read_bytes())
    assert run("explain photos more").status == 0
    pictures = [name for name in files() if name.endswith(".png")]
    hashed = [name for name in pictures if name.startswith("cat-")]
    assert len(hashed) == 2
    assert len(pictures) == 4
    assert run("explain more photos --out again").status == 0
    assert files("again") == files()


def test_overwrite(run):
    assert run("explain photos").status == 0
    before = {name: Path("explanations", name).read_bytes() for name in files()}
    done = run("explain photos/cat.jpg photos/dog.png --seed 1")
    assert done.status == 2
    assert done.err == [
        "rdexplain: error: explanations/cat.pixel_rde.json exists already (and 5 more of these results): "
        "replace with --overwrite, or choose another --out"
    ]
    assert {name: Path("explanations", name).read_bytes() for name in files()} == before
    assert run("explain photos/cat.jpg --seed 1 --overwrite").status == 0
    assert Path("explanations/cat.pixel_rde.safetensors").read_bytes() != before["cat.pixel_rde.safetensors"]


def test_one_process_at_a_time_writes_a_photo_s_explanations_by_a_method(run):
    Path("explanations").mkdir()
    lock = Outputs(Path("explanations"), "pixel_rde", names=["cat"]).lock
    with locked(lock, keep=False):
        done = run("explain photos/cat.jpg")
        assert (done.status, files()) == (2, [lock.name])
        assert done.err == [
            f"rdexplain: error: explanations is being worked on by process {os.getpid()} on {os.uname().nodename}: "
            "wait until it ends, or choose another folder"
        ]
        compared = "compare photos/cat.jpg --methods pixel_rde,random_pixel --draws 1 --model cli_test_nets:tiny"
        assert run(compared, "--size 16 --steps 2", small=False).status == 2
        assert (
            run("explain photos/cat.jpg --method random_pixel", "--model cli_test_nets:tiny", small=False).status == 0
        )
        assert run("explain photos/dog.png").status == 0  # as `xargs --max-procs` has it
    assert run("explain photos/cat.jpg").status == 0
    assert not [name for name in files() if name.endswith(".lock")]


def test_a_photo_is_never_replaced(run):
    Path("photos/cat.pixel_rde.png").write_bytes(Path("photos/dog.png").read_bytes())
    done = run("explain photos --out photos --overwrite")
    assert done.status == 2
    assert done.err == [
        "rdexplain: error: the results would replace the photo photos/cat.pixel_rde.png: choose another --out"
    ]


def test_samples_and_the_original_size(run):
    assert run("explain photos/cat.jpg --samples 3 --original-size --out deep/er").status == 0
    assert files("deep/er") == [
        f"cat.pixel_rde.{end}" for end in ("json", "original.png", "png", "safetensors", "samples.png")
    ]
    assert picture_size("deep/er/cat.pixel_rde.original.png") == (18, 24)
    assert rx.load_explanation("deep/er/cat.pixel_rde").samples.shape == (1, 3, 3, 16, 16)
    done = run("explain photos/cat.jpg --samples 1 --out deep/er")
    assert done.status == 2


def test_a_long_name_is_shortened(run):
    long = Path("photos/cat.jpg").rename("photos/" + "ö" * 100 + ".jpg")
    assert run(f"explain {long}").status == 0
    assert all(len(name.encode()) < 160 and name.startswith("öööö") for name in files())


def test_normalisation(run):
    for options, mean in (
        ("--mean 0.5", [0.5] * 3),
        ("--mean 0.485,0.456,0.406 --std 0.2", [0.485, 0.456, 0.406]),
        ("--no-normalise", None),
        ("--no-normalize", None),
        ("", None),
    ):
        assert run(f"explain photos/cat.jpg --overwrite {options}").status == 0
        assert record("cat.pixel_rde")["options"]["mean"] == mean


def test_weights(run):
    state = {"linear.weight": torch.zeros(4, 3), "linear.bias": torch.tensor([0.0, 0.0, 9.0, 0.0])}
    save_file(state, "net.safetensors")
    assert run("explain photos/cat.jpg --weights net.safetensors").status == 0
    written = record("cat.pixel_rde")
    assert written["target"]["index"] == 2
    assert written["options"]["weights"] == "net.safetensors"


def test_sizes(run):
    done = run(
        "explain photos/cat.jpg --model cli_test_nets:fixed --method pixel_rde --steps 1 --fit crop", small=False
    )
    assert done.status == 0
    assert record("cat.pixel_rde")["size"] == [12, 12]
    assert record("cat.pixel_rde")["options"]["fit"] == "crop"
    done = run("explain photos/cat.jpg --model cli_test_nets:fixed --size 16")
    assert done.err == ["rdexplain: error: fixed takes photos of 12 x 12 pixels only: leave out --size"]


def test_a_network_in_double_precision(run):
    assert run("explain photos/cat.jpg --model cli_test_nets:double").status == 0
    assert rx.load_explanation("explanations/cat.pixel_rde").mask[0].dtype == torch.float64


def test_an_earlier_explanation_to_start_from(run):
    wavelet = "--method cartoonx --levels 1 --steps 1"
    assert run(f"explain photos/cat.jpg {wavelet}").status == 0
    start = "--init explanations/cat.cartoonx.safetensors"
    assert run(f"explain photos {wavelet} --step-size 1e-9 {start} --out next").status == 0
    first, then = (rx.load_explanation(f"{out}/cat.cartoonx") for out in ("explanations", "next"))
    for a, b in zip(first.mask, then.mask, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)
    assert record("cat.cartoonx", "next")["options"]["init"] == "explanations/cat.cartoonx.safetensors"
    for options, reason in (
        ("--wavelet haar", "is a mask for wavelet db3, not haar"),
        ("--size 18", "is a mask for 16 x 16 pixels, not 18 x 18"),
    ):
        done = run(f"explain photos {wavelet} {start} {options} --out next")
        assert done.status == 2
        assert done.err[0].endswith(reason)


def test_names_with_hyphens_and_in_capitals(run):
    done = run("explain photos/cat.jpg --method Pixel-RDE --distortion weighted-l2 --noise-scaling inverse-linear")
    assert done.status == 0
    assert record("cat.pixel_rde")["options"]["distortion"] == "weighted_l2"


def test_options_stand_anywhere(run):
    done = run("explain --seed 1 photos/cat.jpg --draws 1 photos/dog.png")
    assert done.status == 0
    assert len(files()) == 6


def test_an_unlikely_class_gets_a_sparsity_to_try():
    """λk scaled by the cost of the empty mask, p²: a class of 10 % at λk = 20 is one of 100 % at 0.2."""
    from types import SimpleNamespace

    from rdexplain.work.remarks import _advice

    explanation = SimpleNamespace(
        options={"distortion": "label"},
        sparsity=[20.0],
        empty_distortion=[0.011],
        probability=[0.1],
        target_kind="label",
    )
    unlikely = "the class is unlikely: try `sparsity` 0.4, or ask why it rather than another (`against`)"
    assert _advice(explanation) == unlikely
    explanation.probability = [0.69]  # steps were too few: the class is likely, however little the empty mask costs
    assert _advice(explanation) == "try more `steps`, `preset` best, or a lower `sparsity`"
    explanation.probability, explanation.target_kind = [0.1], "object"
    assert _advice(explanation) == "try more `steps`, `preset` best, or a lower `sparsity`"
    explanation.options["rate"] = 0.1
    assert "--sparsity" not in _advice(explanation)


def test_a_collapsed_mask_is_reported(run):
    command = "explain photos/cat.jpg --model cli_test_nets:Corner --sparsity 1e6 --step-size 1 --classes names.txt"
    done = run(command)
    assert done.status == 0
    assert record("cat.pixel_rde")["collapsed"]
    label = record("cat.pixel_rde")["target"]["label"]
    assert done.err == [
        f"rdexplain: warning: cat: the mask for {label!r} keeps nothing that the model uses: "
        "try more --steps, --preset best, or a lower --sparsity"
    ]
    assert run(f"{command} --overwrite --quiet").err == []


def test_an_explanation_of_nothing_is_reported(run, place):
    (place / "blind.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Constant(nn.Module):\n"
        "    def forward(self, x):\n        return 0 * x.mean((2, 3)) + torch.tensor([1.0, 2.0, 3.0])\n"
        "class Falling(nn.Module):\n"
        '    """Grad-CAM cuts off what speaks against a class."""\n'
        "    def __init__(self):\n        super().__init__()\n        self.map = nn.Conv2d(3, 1, 1)\n"
        "        nn.init.ones_(self.map.weight)\n        nn.init.ones_(self.map.bias)\n"
        "    def forward(self, x):\n        y = self.map(x).mean((2, 3))\n        return torch.cat((-y, -2 * y), 1)\n"
    )
    done = run("explain photos/cat.jpg --model blind:Constant")
    assert done.status == 0
    assert done.err == [
        "rdexplain: warning: cat: the model's answer for 'class 2' does not depend on what is shown: "
        "there is nothing to explain, at least in a photo of 16 pixels: try a larger --size"
    ]
    options = "--method grad_cam --size 16 --activation softmax"
    done = run(f"explain photos/cat.jpg --model blind:Falling {options}", small=False)
    assert (done.status, len(done.err)) == (0, 1)
    assert "cat: every score is zero" in done.err[0]
    done = run("explain photos/cat.jpg --model cli_test_nets:Corner --classes names.txt --overwrite")
    assert not any("every score" in line or "depend" in line for line in done.err)


def test_the_label_of_a_class_without_a_name_is_a_target(run):
    assert run("explain photos/cat.jpg --target class~2").status == 0
    assert record("cat.pixel_rde")["target"] | {"probability": 0, "kept_probability": 0} == {
        "kind": "label",
        "index": 2,
        "label": "class 2",
        "probability": 0,
        "kept_probability": 0,
    }


def test_a_bound_that_is_missed_is_reported(run):
    command = "explain photos/cat.jpg --model cli_test_nets:Corner --rate 1e-9 --steps 2 --classes names.txt"
    done = run(command)
    assert done.status == 0
    found = record("cat.pixel_rde")
    assert found["non_sparsity"] > 1e-9
    label = found["target"]["label"]
    assert done.err == [
        f"rdexplain: warning: cat: no mask for {label!r} was found within a rate of 1e-09: this one comes nearest"
    ]
    assert run(f"{command.replace('1e-9', '1')} --overwrite").err == []


def test_too_little_memory_is_one_line(run):
    done = run("explain photos/cat.jpg --model cli_test_nets:Hungry --internal-batch-size 4")
    assert done.status == 0
    assert done.err[0] == "rdexplain: warning: out of memory: going on with 2 instead of 4 images in a batch"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_bar_on_a_terminal_alone(run, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    done = run("explain photos --steps 30")
    assert any("explaining 1-3 of 3" in line for line in done.err) == terminal
    assert len(done.out) == 4
    assert not any("explaining" in line for line in done.out)
    if terminal:
        assert run("explain photos --steps 30 --overwrite --quiet").err == []

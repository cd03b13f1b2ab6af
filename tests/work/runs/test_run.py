"""Runs from the command line: what they leave, and how they are configured."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest
import torch
import yaml
from PIL import Image

import rdexplain as rx
from rdexplain.work import requests
from rdexplain.work.export import DATA_SETS
from rdexplain.work.runs import open_run, shards, sources, view
from rdexplain.work.runs.export import FORMS


def test_names_are_those_of_the_library():
    assert ("auto", *sources.LAYOUTS) == requests.LAYOUTS
    assert set(sources.LAYOUTS) == set(sources._LISTINGS)
    assert requests.MASKS == shards.MASKS
    assert (*FORMS, *DATA_SETS) == requests.FORMATS


def test_a_run_is_what_explain_gives(command):
    done = command("run", "--out a", "--photos-per-batch 3", "--method pixel_rde,cartoonx", "--levels 1 --wavelet haar")
    assert done.status == 0, done.err
    assert done.out[-1].startswith("explained 20 of 20")
    run = open_run("a")
    assert len(run) == 20
    assert run.counts == {"pending": 0, "running": 0, "done": 20, "failed": 0}
    model = rx.load_model("run_test_nets:Mean")
    methods = (rx.PixelRDE(model, steps=2, draws=2), rx.CartoonX(model, steps=2, draws=2, levels=1, wavelet="haar"))
    images = torch.stack([rx.load_photo(f"photos/{number:02}.png", 8).pixels for number in range(3)])
    for place, method in enumerate(methods):
        expected = method.explain(images)
        for row in range(3):
            found = run[2 * row + place]
            assert found.method == method.name
            assert found.photos == (f"{row:02}.png",)
            assert all(a.equal(b[row : row + 1]) for a, b in zip(found.mask, expected.mask, strict=True))
            for name in ("images", "picture", "distortion", "objective", "target", "probability", "collapsed"):
                torch.testing.assert_close(getattr(found, name), getattr(expected, name)[row : row + 1])
            assert found.options == expected.options | {"fit": "squash"}
            assert found.record()["target"] == expected.record(row)["target"]
    frame = run.frame()
    assert list(frame["photo"])[:4] == ["00.png", "00.png", "01.png", "01.png"]
    assert list(frame["height"]) == [12] * 20


def test_masks_are_the_same_with_any_batch_in_a_folder_and_alone(command, equal, place):
    """A network whose sums depend on how many images it sees, as those of a library's kernels may."""
    options = "--model run_test_nets:Uneven --method pixel_rde --size 8 --steps 6 --draws 4 --seed 3 --sparsity 0.1"
    for size in (1, 3, 10):
        done = command("run", f"--out run{size} --photos-per-batch {size} {options}")
        assert done.status == 0, done.err
    assert equal("run1", "run3")
    assert equal("run1", "run10")
    run = open_run("run3")
    assert command("explain", f"photos --out folder --photos-per-batch 4 {options}", small=False).status == 0
    method = rx.PixelRDE(rx.load_model("run_test_nets:Uneven"), steps=6, draws=4, seed=3, sparsity=0.1)
    for number in range(10):
        alone = method.explain(rx.load_photo(f"photos/{number:02}.png", 8).pixels[None])
        assert alone.mask[0].std() > 1e-3
        assert torch.equal(run[number].mask[0], alone.mask[0])
        assert torch.equal(run[number].order[0], alone.order[0])
        folder = rx.load_explanation(f"folder/{number:02}.pixel_rde")
        assert torch.equal(folder.mask[0], alone.mask[0])
        assert torch.equal(folder.objective, alone.objective)


def test_a_baseline_comes_back(command):
    pytest.importorskip("captum")
    assert command("run", "--out a", "--method occlusion", "--steps", small=False).status == 2
    options = "--photos photos --model run_test_nets:Mean --size 8 --method occlusion --window 2 --masks uint8"
    assert command("run", f"--out a {options}", small=False).status == 0
    model = rx.load_model("run_test_nets:Mean")
    expected = rx.Occlusion(model, window=2).explain(rx.load_photo("photos/07.png", 8).pixels[None])
    found = open_run("a")[7]
    assert isinstance(found, rx.Heatmap)
    span = float(expected.scores[0].max() - expected.scores[0].min())
    assert float((found.scores[0] - expected.scores[0]).abs().max()) <= span / 510 * 1.01
    assert found.labels == expected.labels


def _changed(monkeypatch, mask=None, **figures):
    """Rows of shards as they are read, with another mask or other figures."""
    read_masks, read_rows = view.read_masks, view.read_rows

    def masks(*given):
        ((packed, order),), headers = read_masks(*given)
        return [(packed if mask is None else torch.full_like(packed, mask), order)], headers

    def rows(*given):
        table = read_rows(*given)
        for name, value in figures.items():
            place = table.column_names.index(name)
            column = pa.array([value] * table.num_rows, table.schema.field(name).type)
            table = table.set_column(place, name, column)
        return table

    monkeypatch.setattr(view, "read_masks", masks)
    monkeypatch.setattr(view, "read_rows", rows)


@pytest.mark.parametrize("value", [math.nan, 1.5])
def test_a_damaged_mask_is_not_shown(command, monkeypatch, value):
    """As `load_explanation` refuses it: no picture that is made of it looks wrong."""
    assert command("run", "--out a").status == 0
    _changed(monkeypatch, mask=value)
    with pytest.raises(rx.RDExplainError, match=r"safetensors is damaged: the mask has values outside \[0, 1\]"):
        open_run("a")[0]


@pytest.mark.parametrize("value", [math.nan, None])
def test_a_figure_that_is_missing_is_left_out_of_the_gallery(command, monkeypatch, value):
    assert command("run", "--out a").status == 0
    _changed(monkeypatch, distortion=value, probability=value)
    assert open_run("a")[0].distortion.isnan().all()
    assert command("report", "a").status == 0
    data = Path("a/report/data.js").read_text()
    assert "NaN" not in data
    assert '"distortion"' not in data
    assert data.count('"non_sparsity"') == len(open_run("a"))


def test_no_order_is_kept_where_none_is_wanted(command):
    assert command("run", "--out a", "--order none").status == 0
    assert all(one.order is None for one in open_run("a"))


@pytest.mark.parametrize(("kind", "most"), [("float32", 0.0), ("bf16", 2**-8), ("uint8", 1 / 510 + 1e-7)])
def test_masks_are_kept_as_exactly_as_the_documentation_says(kind, most):
    mask = torch.rand(1000, generator=torch.Generator().manual_seed(1))
    packed = shards.pack(mask, kind)
    assert packed.nbytes == 1000 * {"float32": 4, "bf16": 2, "uint8": 1}[kind]
    assert float((shards.unpack(packed) - mask).abs().max()) <= most
    edges = torch.tensor([0.0, 1.0])
    assert shards.unpack(shards.pack(edges, kind)).equal(edges)


def test_a_configuration_file_says_what_options_say(command, equal, place):
    assert command("run", "--out a", "--target 1 --target 2", "--seed 3", "--no-accelerate").status == 0
    (place / "b.yaml").write_text(
        "photos: photos\nmodel: run_test_nets:Mean\nactivation: softmax\nmethod: [pixel_rde]\n"
        "size: 8\nsteps: 2\ndraws: 2\nmasks: float32\ntarget: [1, 2]\nseed: 4\naccelerate: false\nout: b\n"
    )
    # An option on the command line comes before the file's.
    assert command("run", "b.yaml --seed 3", small=False).status == 0
    assert equal("a", "b")
    one, other = (yaml.safe_load(Path(name, "config.yaml").read_text()) for name in "ab")
    assert one == other
    assert one["identity"] == other["identity"]
    assert one["accelerate"] is False
    assert len(open_run("a")) == 20


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stepz: 3", "unknown key 'stepz': did you mean steps"),
        ("steps: many", "steps must be a whole number of at least 1, not 'many'"),
        ("quiet: true", "c.yaml: quiet is for the command line alone, not for a configuration"),
        ("dry_run: true", "c.yaml: dry_run is for the command line alone, not for a configuration"),
        ("method: cartonx", "c.yaml: unknown method 'cartonx': did you mean cartoonx"),
        ("model: [a, b]", "model takes one value, not a list"),
        ('out: ""', "out is empty"),
        ("photos: photos\ntarget: label", "--target label: no photo in photos has a label (folder)"),
        ("preset: quick", "unknown preset 'quick'"),
        ("no_normalise: 3", "no_normalise must be true or false"),
        ("- steps", "has no keys"),
        ("steps: [", "is no YAML file"),
        ("steps: 3", "name the photos"),
        ("photos: photos\nlayer: a", "--layer is an option of grad_cam"),
    ],
)
def test_a_configuration_that_cannot_be(command, place, text, says):
    (place / "c.yaml").write_text(text)
    failed = command("run", "c.yaml", small=False)
    assert failed.status == 2
    assert len(failed.err) == 1
    assert says in failed.err[0]
    assert not (place / "run").exists()


def test_a_changed_configuration_is_refused_with_the_difference(command):
    assert command("run", "--out a").status == 0
    before = Path("a/config.yaml").read_text()
    for change, shown in {
        "--steps 3": "methods.pixel_rde.steps: 2 there, 3 here",
        "--seed 1": "methods.pixel_rde.seed: 0 there, 1 here",
        "--size 9": "size: 8 there, 9 here",
        "--masks uint8": 'masks: "float32" there, "uint8" here',
        "--top-k 2": "top_k: null there, 2 here",
        "--target 2": 'targets: ["auto"] there, ["2"] here',
        "--model run_test_nets:Slow": 'model: "run_test_nets:Mean" there, "run_test_nets:Slow" here',
    }.items():
        failed = command("run", "--out a", change)
        assert failed.status == 2
        assert len(failed.err) == 1
        assert shown in failed.err[0]
    assert Path("a/config.yaml").read_text() == before
    # What changes no results is no other configuration.
    assert command("run", "--out a", "--internal-batch-size 1 --no-accelerate --photos-per-batch 2").status == 0


def test_weights_with_other_numbers_are_another_configuration(command, place):
    assert command("run", "--out a").status == 0
    text = (place / "run_test_nets.py").read_text()
    import sys

    sys.modules.pop("run_test_nets")
    (place / "run_test_nets.py").write_text(text.replace("manual_seed(3)", "manual_seed(44)"))
    failed = command("run", "--out a")
    assert failed.status == 2
    assert "weights: " in failed.err[0]


def test_photos_that_came_since_are_added(command, place):
    assert command("run", "--out a").status == 0
    (place / "photos" / "00.png").rename(place / "photos" / "10.png")
    (place / "photos").rename(place / "moved")
    assert command("run", "--out a --photos moved").status == 0
    run = open_run("a")
    assert len(run) == 11
    assert list(run.frame()["photo"])[-1] == "10.png"
    with pytest.raises(rx.RDExplainError, match=r"00\.png"):
        run[0]  # its photo is gone; its mask is not
    assert run.mask(0).shape == (64,)


def test_a_dry_run_says_what_it_costs_and_writes_nothing(command, place):
    before = sorted(place.rglob("*"))
    done = command("run", "--out a", "--dry-run")
    assert done.status == 0
    assert done.out[0].startswith("10 photos, 10 explanations (a photo: pixel_rde ")
    assert [line.split()[0] for line in done.out[1:]] == ["time", "memory", "disk"]
    assert [path for path in sorted(place.rglob("*")) if "__pycache__" not in path.parts] == before


def test_parts_are_merged(command, equal, place):
    options = "--photos-per-batch 1"
    assert command("run", "--out whole", options).status == 0
    for part in (1, 2, 3):
        assert command("run", f"--out part{part} --part {part}/3", options).status == 0
    assert [len(open_run(f"part{part}")) for part in (1, 2, 3)] == [4, 3, 3]
    rx.merge_runs(["part1", "part2", "part2"], "some")
    assert len(open_run("some")) == 7
    rx.merge_runs(["part1", "part2", "part3"], "all")
    one, whole = open_run("all"), open_run("whole")
    assert list(one.frame()["photo"]) == list(whole.frame()["photo"])
    assert all(one.mask(row).equal(whole.mask(row)) for row in range(len(whole)))
    rx.merge_runs(["part3", "part1", "part2"], "again")
    assert open_run("again").frame().drop(columns="seconds").equals(one.frame().drop(columns="seconds"))
    assert one[0].images.equal(whole[0].images)
    # A merged run is a run: it goes on.
    assert command("run", "--out some", options).status == 0
    assert len(open_run("some")) == 10
    assert command("run", "--out other --steps 3", options).status == 0
    with pytest.raises(rx.RDExplainError, match=r"cannot be merged: .*steps: 2 in part1, 3 in other"):
        rx.merge_runs(["part1", "other"], "none")
    with pytest.raises(rx.RDExplainError, match="exists already"):
        rx.merge_runs(["part1"], "all")
    assert not (place / "none").exists()


def test_status_of_what_is_no_run(command, place):
    failed = command("status", "photos")
    assert failed.status == 2
    assert failed.err == ["rdexplain: error: photos is no run: it has no ledger"]


def test_photos_where_a_run_is_expected(command, place):
    failed = command("run", "photos --out somewhere")
    assert failed.status == 2
    assert failed.err == ["rdexplain: error: photos is no run that could go on; photos in it are named with --photos"]
    assert not (place / "somewhere").exists()


def test_bars_of_a_letterbox_are_left_out(command, place):
    for file in (place / "photos").iterdir():
        file.unlink()
    Image.new("RGB", (24, 12), (220, 20, 0)).save(place / "photos" / "wide.png")
    assert command("run", "--out a", "--fit letterbox", "--method pixel_rde,occlusion --window 4").status == 0
    explain = "photos --model run_test_nets:Mean --method pixel_rde --size 8 --steps 2 --fit letterbox --out b"
    assert command("explain", explain).status == 0
    assert rx.load_explanation("b/wide.pixel_rde").frame == (2, 0, 4, 8)
    for one in open_run("a"):
        assert (one.frame, one.options["fit"]) == ((2, 0, 4, 8), "letterbox")
        torch.testing.assert_close(one.picture_at(4, 8), one.picture[..., 2:6, :])


def test_labels_alone(command, place):
    (place / "maps.py").write_text(
        "from rdexplain.models import as_model\n"
        "def maps():\n    return as_model(lambda images: images, name='maps', task='segmentation')\n"
    )
    done = command("run", "--out a", "--model maps:maps")
    assert (done.status, len(done.err)) == (2, 1)
    assert "run explains class labels only: maps is for segmentation" in done.err[0]
    assert not Path("a").exists()
    assert "unknown option '--segment'" in command("run", "--out a", "--segment cow").err[0]

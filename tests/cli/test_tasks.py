"""Contrasts, regions and objects on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import rdexplain as rx

NETS = '''
import torch
from torch import nn
from rdexplain.models import Model, as_model

class Regions(nn.Module):
    def forward(self, x):
        return {"out": 20 * torch.cat((torch.full_like(x[:, :1], 0.5), x[:, :2]), dim=1)}

def regions():
    return Model(Regions(), name="regions", task="segmentation", classes=["background", "red", "green"])

class Objects(nn.Module):
    """Sees how red the left half is, and how green the right half."""
    def forward(self, x):
        w = x.shape[3] // 2
        red, green = x[:, 0, :, :w].mean((1, 2)), x[:, 1, :, w:].mean((1, 2))
        rest = torch.zeros_like(red)
        rows = [[4, 8, 8, 12, red, 1, 0], [12, 8, 8, 12, green, 0, 1]] + [[8, 8, 2, 2, 0, 0, 0]] * 6
        return torch.stack([torch.stack([rest + value for value in row], 1) for row in rows], 1)

def objects():
    model = as_model(Objects(), name="objects", task="detection", classes=["cat", "dog"])
    return model.with_options(input_size=16)
'''


@pytest.fixture
def scenes(place: Path) -> Path:
    (place / "task_nets.py").write_text(NETS)
    pixels = torch.zeros(16, 16, 3, dtype=torch.uint8)
    pixels[2:14, :7, 0] = 220
    pixels[4:12, 9:, 1] = 220
    Image.fromarray(pixels.numpy()).save(place / "both.png")
    pixels[..., 1] = 0
    Image.fromarray(pixels.numpy()).save(place / "red.png")
    return place


def names() -> list[str]:
    return sorted(path.name for path in Path("explanations").glob("*.png"))


def test_why_one_rather_than_another(run):
    done = run("explain photos/cat.jpg --classes names.txt --target zebra --against tabby~cat --sparsity 0")
    assert (done.status, done.err) == (0, [])
    assert "zebra rather than tabby cat" in done.out[0]
    assert json.loads(Path("explanations/cat.pixel_rde.json").read_text())["target"]["kind"] == "contrast"
    assert run("explain photos/cat.jpg --against 1 --top-k 2").status == 2
    assert run("explain photos/cat.jpg --target 0 --target 2 --against 1").status == 2


def test_a_region(run, scenes):
    done = run("explain both.png --model task_nets:regions --segment green --sparsity 0")
    assert (done.status, done.err) == (0, [])
    assert names() == ["both.pixel_rde.png"]
    record = json.loads(Path("explanations/both.pixel_rde.json").read_text())
    assert (record["target"]["label"], record["target"]["kind"]) == ("green", "region")
    assert 0 < record["inside"]["area"] < 0.5
    assert rx.load_explanation("explanations/both.pixel_rde").region.shape == (1, 16, 16)


def test_all_regions_of_several_photos(run, scenes):
    done = run("explain both.png red.png --model task_nets:regions --segment all")
    assert done.status == 0
    assert names() == ["both.green.pixel_rde.png", "both.red.pixel_rde.png", "red.red.pixel_rde.png"]


def test_an_absent_region_fails_its_photo_alone(run, scenes):
    done = run("explain both.png red.png --model task_nets:regions --segment green")
    assert done.status == 1
    assert "red.png: no green in the prediction; there is background" in done.err[0]
    assert names() == ["both.pixel_rde.png"]
    assert run("explain red.png --model task_nets:regions --segment green").status == 2
    done = run("explain red.png --model task_nets:regions --target green")
    assert "regions is for segmentation: ask with --segment, not --target" in done.err[0]
    assert "unknown class 'blue'" in run("explain red.png --model task_nets:regions --segment blue").err[0]


def test_a_classifier_has_no_regions(run):
    done = run("explain photos/cat.jpg --classes names.txt --segment cow")
    assert done.status == 2
    assert done.err == [
        "rdexplain: error: cli_test_nets:tiny is a classifier, with classes but no regions: ask with --target"
    ]


def test_objects_are_listed_and_drawn(run, scenes):
    done = run("detect both.png red.png --model task_nets:objects", small=False)
    assert (done.status, done.err) == (0, [])
    assert done.out[0] == "both: 2 objects with a confidence of 0.25 or more"
    assert [line.split()[:2] for line in done.out[2:4]] == [["0", "cat"], ["1", "dog"]]
    assert names() == ["both.detected.png", "red.detected.png"]
    done = run("detect red.png --model task_nets:objects --confidence 0.99", small=False)
    assert (done.status, done.out) == (0, ["red: no objects with a confidence of 0.99 or more"])


def test_what_is_no_detector_and_a_size_that_is_none_of_its(run, place):
    done = run("detect photos/cat.jpg --model cli_test_nets:tiny --size 16 --activation softmax", small=False)
    assert (done.status, len(done.err)) == (2, 1)
    assert "is no detector, it gives a tensor (1, 4); detectors are yolov5s" in done.err[0]
    done = run("detect photos/cat.jpg --model yolov5n --weights random --size 100", small=False)
    assert done.status == 2
    assert done.err == ["rdexplain: error: YOLOv5 takes images whose sides are multiples of 32 pixels, not 100 x 100"]
    assert not Path("explanations").exists()


def test_objects_are_explained(run, scenes):
    done = run("explain both.png --model task_nets:objects --object all --sparsity 0")
    assert (done.status, done.err) == (0, [])
    assert names() == ["both.cat-0.pixel_rde.png", "both.dog-1.pixel_rde.png"]
    record = json.loads(Path("explanations/both.dog-1.pixel_rde.json").read_text())
    assert (record["target"]["kind"], record["options"]["fit"]) == ("object", "letterbox")
    assert run("explain both.png --model task_nets:objects --object 0 --out one").status == 0
    assert Path("one/both.pixel_rde.png").is_file()
    assert run("explain both.png --model task_nets:objects --object anchors --out two").status == 0
    assert Path("two/both.pixel_rde.json").is_file()


def test_objects_that_are_not_there(run, scenes):
    done = run("explain red.png --model task_nets:objects --object dog")
    assert (done.status, done.out) == (2, [])
    assert "red.png: no dog is detected; there is 0 cat" in done.err[0]
    done = run("explain red.png --model task_nets:objects --confidence 0.99")
    assert "nothing is detected with a confidence of 99 % or more" in done.err[0]
    assert "no detector" in run("detect red.png", "--model cli_test_nets:tiny", small=False).err[0]
    assert run("detect red.png --model task_nets:objects --confidence 2", small=False).status == 2


def test_the_bars_of_a_letterbox_are_left_out(run, scenes):
    Image.new("RGB", (30, 15), (220, 220, 0)).save("wide.png")
    done = run("explain wide.png --model task_nets:objects --confidence 0.1 --original-size --sparsity 0")
    assert (done.status, done.err) == (0, [])
    one = rx.load_explanation("explanations/wide.pixel_rde")
    assert one.frame == (4, 0, 8, 16)
    assert torch.allclose(one.images[0, :, 0], torch.tensor(114 / 255))
    with Image.open("explanations/wide.pixel_rde.original.png") as picture:
        assert picture.size == (30, 15)
    torch.testing.assert_close(one.picture_at(8, 16), one.picture[..., 4:12, :])


def test_baselines_and_the_evaluation_have_labels_alone(run, scenes):
    pytest.importorskip("captum")
    done = run("explain both.png --model task_nets:regions --method smooth_grad", "--size 16", small=False)
    assert (done.status, done.err) == (
        2,
        [
            "rdexplain: error: smooth_grad explains class labels only: a region of a segmentation is for "
            "methods with a mask"
        ],
    )
    done = run("explain both.png --model task_nets:objects --method lime", small=False)
    assert "lime explains class labels only: a detected object is for" in done.err[0]
    command = "explain photos/cat.jpg --target 0 --against 1 --method random_pixel --model cli_test_nets:tiny"
    assert (
        "random_pixel explains class labels only: a contrast (one class rather than another) is for"
        in run(command, small=False).err[0]
    )
    assert run("explain both.png --model task_nets:regions").status == 0
    for what in ("both.png", "--explanations explanations"):
        done = run(f"evaluate {what} --model task_nets:regions", small=False)
        assert done.err == ["rdexplain: error: the evaluation measures class labels only: regions is for segmentation"]
    done = run("evaluate --explanations explanations --model cli_test_nets:tiny", small=False)
    assert done.status == 2
    assert "the evaluation measures class labels only, not a region of a segmentation" in done.err[0]


def test_tasks_are_compared_by_what_can(run, scenes):
    pytest.importorskip("captum")
    command = "compare both.png --model task_nets:objects --methods pixel_rde,random_pixel --object all"
    done = run(command, "--steps 2 --draws 1 --sparsity 0", small=False)
    assert done.status == 0
    assert done.err[0].startswith("rdexplain: warning: Random pixels is not applicable: random_pixel explains class ")
    assert names() == ["both.cat-0.pixel_rde.png", "both.dog-1.pixel_rde.png", "comparison.png"]


def test_a_heatmap_of_a_letterboxed_photo(run, place):
    """The bars are no part of the picture, of whatever method."""
    pytest.importorskip("captum")
    Image.new("RGB", (32, 16), (220, 20, 0)).save("wide.png")
    command = "explain wide.png --method occlusion --window 4 --stride 4 --fit letterbox --original-size"
    done = run(command, "--model cli_test_nets:tiny --size 16 --activation softmax", small=False)
    assert (done.status, done.err) == (0, [])
    one = rx.load_heatmap("explanations/wide.occlusion")
    assert (one.frame, one.target_kind) == ((4, 0, 8, 16), "label")
    torch.testing.assert_close(one.picture_at(8, 16), one.picture[..., 4:12, :])
    with Image.open("explanations/wide.occlusion.original.png") as picture:
        assert picture.size == (32, 16)

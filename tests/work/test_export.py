"""Data sets for FiftyOne and for COCO's tools: what is in their files, and what `pycocotools` says of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import rdexplain as rx
from rdexplain.cli import main
from rdexplain.errors import RDExplainError
from rdexplain.work.exporting.coco import run_lengths
from rdexplain.work.exporting.photos import DATA

SIZE = 16
LEFT, TOP, RIGHT, BOTTOM = 2.0, 4.0, 10.0, 12.0


class Mean(torch.nn.Module):
    def forward(self, images):
        weight = torch.randn(4, images[0].numel(), generator=torch.Generator().manual_seed(5))
        return images.flatten(1) @ weight.T


@pytest.fixture(scope="module")
def explained():
    """A class, a box in a letterbox whose bars are three rows above and below, and a region of another photo."""
    model = rx.as_model(Mean(), name="mean", activation="softmax")
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    found = rx.PixelRDE(model, steps=2, draws=2, init="ones").explain(images, photos=["in/a b.jpg", "in/ä.jpg"])
    box = torch.tensor([[LEFT, TOP, RIGHT, BOTTOM]])
    region = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    region[0, 4:8, 2:5] = True
    region[0, 7, 5] = True
    framed = found[0].options | {"fit": "letterbox", "frame": [3, 0, 10, 16]}
    boxed = replace(found[0], box=box, target=torch.tensor([[7, 0]]), labels=("hot dog 0",), target_kind="object")
    regional = replace(found[1], region=region, labels=("grass",), target_kind="region")
    return {"class": found[0], "box": replace(boxed, options=framed, method="cartoonx"), "region": regional}


@pytest.fixture
def place(tmp_path, monkeypatch, explained):
    (tmp_path / "explanations").mkdir()
    for name, one in explained.items():
        one.save(tmp_path / "explanations" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path):
    return json.loads(Path(path).read_text())


def test_coco(place, explained):
    """Boxes and regions in pixels of the pictures beside; the class alone, which has neither, is not there."""
    found = rx.export("explanations", to="coco")
    assert (found.folder, found.count, found.failures) == (Path("explanations/export-coco"), 2, {})
    labels = read(found.folder / "labels.json")
    assert [(one["id"], one["name"]) for one in labels["categories"]] == [(1, "hot dog"), (2, "grass")]
    images = {one["id"]: one for one in labels["images"]}
    assert [(one["width"], one["height"]) for one in images.values()] == [(16, 10), (16, 16)]
    for one in images.values():
        with Image.open(found.folder / DATA / one["file_name"]) as image:
            assert image.size == (one["width"], one["height"])
    box, region = labels["annotations"]
    assert images[box["image_id"]]["file_name"] == "in-a-b.png"
    assert box["bbox"] == pytest.approx([2, 1, 8, 8])
    assert box["segmentation"] == [pytest.approx([2, 1, 10, 1, 10, 9, 2, 9])]
    assert box["area"] == pytest.approx(64)
    assert region["bbox"] == pytest.approx([2, 4, 4, 4])
    assert region["area"] == 13
    for one, name in ((box, "box"), (region, "region")):
        record = explained[name].record()
        assert one["inside"] == record["inside"]["kept"]
        assert one["score"] == pytest.approx(record["target"]["probability"])
        assert one["distortion"] == record["distortion"]
        assert one["method"] == record["method"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools.*")
def test_coco_is_read_by_its_own_tools(place, explained):
    tools = pytest.importorskip("pycocotools.coco")
    rx.export("explanations", to="coco")
    data = tools.COCO("explanations/export-coco/labels.json")
    box, region = data.loadAnns(data.getAnnIds())
    np.testing.assert_array_equal(data.annToMask(region).astype(bool), explained["region"].region[0].numpy())
    inside = np.zeros((10, 16), bool)
    inside[1:9, 2:10] = True
    np.testing.assert_array_equal(data.annToMask(box).astype(bool), inside)
    assert data.getImgIds(catIds=data.getCatIds(["grass"])) == [region["image_id"]]


def test_run_lengths():
    """Column by column, zeros first."""
    assert run_lengths(np.array([[1, 0], [1, 1]], bool)) == [0, 2, 1, 1]
    assert run_lengths(np.zeros((2, 2), bool)) == [4]


def test_fiftyone(place, explained):
    """A sample a photo, a field for each method and figure; every field that a sample has is declared."""
    found = rx.export("explanations", to="fiftyone", out="data")
    assert found.count == 3
    samples, fields = read("data/samples.json")["samples"], read("data/metadata.json")["sample_fields"]
    assert [one["filepath"] for one in samples] == ["data/in-a-b.png", "data/in-ä.png"]
    first, second = samples
    assert (first["explained_2"]["label"], second["explained"]["label"]) == (explained["class"].labels[0], "grass")
    (box,), (region,) = (one["detections"] for one in (first["cartoonx_objects"], second["pixel_rde_objects"]))
    assert box["bounding_box"] == pytest.approx([2 / 16, 1 / 10, 8 / 16, 8 / 10])
    assert region["bounding_box"] == pytest.approx([2 / 16, 4 / 16, 4 / 16, 4 / 16])
    assert region["inside"] == explained["region"].record()["inside"]["kept"]
    with Image.open(Path("data") / second["pixel_rde"]["map_path"]) as heat:
        np.testing.assert_allclose(np.asarray(heat) / 255, explained["region"].picture[0, 0], atol=1 / 255)
    assert second["pixel_rde_distortion"] == pytest.approx(float(explained["region"].distortion[0]))
    declared = {one["name"]: one for one in fields}
    assert len(declared) == len(fields)
    for name, value in [pair for sample in samples for pair in sample.items()]:
        kind = declared[name]["ftype"].rpartition(".")[2]
        expected = {"str": "StringField", "float": "FloatField", "bool": "BooleanField", "list": "ListField"}
        assert kind == expected.get(type(value).__name__, "EmbeddedDocumentField"), name
        if isinstance(value, dict):
            assert declared[name]["embedded_doc_type"].endswith("." + value["_cls"])
            known = {"_cls", *(one["db_field"] for one in declared[name]["fields"])}
            assert set(value) <= known


@pytest.mark.parametrize("form", ["fiftyone", "coco"])
def test_nothing_is_written_of_damaged_explanations_alone(place, explained, form, capsys):
    for file in (place / "explanations").glob("*.safetensors"):
        file.write_bytes(b"damaged")
    assert main(["export", "explanations", "--to", form, "--out", "data"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(explained) + 1  # each file, and the end
    assert lines[-1] == "rdexplain: error: no explanation in explanations can be read"
    assert not (place / "data").exists()


def test_what_has_no_box_is_said(place, explained, capsys):
    for name in ("box", "region"):
        (place / "explanations" / f"{name}.safetensors").unlink()
    with pytest.raises(RDExplainError, match="none of these explanations has one"):
        rx.export("explanations", to="coco")
    assert not (place / "explanations" / "export-coco").exists()
    assert main(["export", "explanations", "--to", "pictures"]) == 2
    assert "is no run" in capsys.readouterr().err

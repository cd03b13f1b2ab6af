"""The gallery: its page, its data and its pictures, what it replaces, and what is said of photos that are gone."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image

import rdexplain as rx
from rdexplain.cli import main
from rdexplain.errors import OptionError, OutputError
from rdexplain.work.outputs import Outputs
from rdexplain.work.progress import Silent
from rdexplain.work.reporting.folder import NAMES
from rdexplain.work.reporting.items import FIGURES
from rdexplain.work.reporting.pictures import LARGE, THUMBNAIL, write_pictures
from rdexplain.work.reporting.truth import is_right, true_class

NASTY = '<b>"it\'s" & </script>\nodd'
VOID = {"meta", "link", "input", "img", "br"}


class Page(HTMLParser):
    """Elements that are opened and closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.files, self.texts, self.labels = [], [], [], 0
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), tag
        self.files += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


class Mean(torch.nn.Module):
    def forward(self, images):
        weight = torch.randn(4, images[0].numel(), generator=torch.Generator().manual_seed(5))
        return images.flatten(1) @ weight.T


class Told(Silent):
    def __init__(self):
        self.places, self.warnings, self.failures = [], [], []

    def advance(self, place, total, text, figures="", left=None):
        self.places.append((place, total))

    def warning(self, text):
        self.warnings.append(text)

    def failed(self, text):
        self.failures.append(text)


@pytest.fixture(scope="module")
def explained():
    """Two explanations and a heatmap of a larger photo, of one row each."""
    model = rx.as_model(Mean(), name="mean", activation="softmax")
    coarse = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    images, large = (torch.nn.functional.interpolate(coarse, size=side, mode="bilinear") for side in (16, 200))
    pixel = rx.PixelRDE(model, steps=2, draws=2).explain(images, photos=["a.png", NASTY])
    heat = rx.RandomPixel(model).explain(large[1:], photos=["a.png"])
    return [pixel[0], replace(pixel[1], labels=(NASTY,)), heat]


@pytest.fixture
def place(tmp_path, monkeypatch, explained):
    """The current folder, with `explanations` inside."""
    (tmp_path / "explanations").mkdir()
    for number, one in enumerate(explained):
        one.save(tmp_path / "explanations" / f"{number} <&'\"#%.{one.method}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data(report):
    text = (Path(report) / "data.js").read_text()
    return json.loads(re.fullmatch(r"window\.REPORT = (.*);\n", text, re.DOTALL)[1])["entries"]


def opened(path):
    with Image.open(path) as image:
        assert image.format == "JPEG"
        image.load()
        return image


def files(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def test_a_folder_of_explanations(place, explained):
    told = Told()
    found = rx.report("explanations", progress=told)
    assert (found.folder, found.count, found.missing, found.failures) == (Path("explanations/report"), 3, {}, {})
    assert (told.places, told.warnings) == ([(1, 3), (2, 3), (3, 3)], [])
    entries = data(found.folder)
    for entry, one in zip(entries, explained, strict=True):
        record = one.record()
        said = {**record, **record["target"]}
        assert {name: entry.get(name) for name in FIGURES} == {name: said.get(name) for name in FIGURES}
        assert (entry["photo"], entry["label"]) == (one.photos[0], one.labels[0])
        assert (entry["method"], entry["model"], entry["target"]) == (one.method, "mean", record["target"]["index"])
        links = {name: found.folder / unquote(link) for name, link in entry["links"].items()}
        assert json.loads(links["record"].read_text()) == json.loads(json.dumps(record))
        assert torch.equal(rx.results.loading.load_result(links["explanation"]).picture, one.picture)
        assert "right" not in entry
    assert [entry["group"] for entry in entries] == [0, 1, 0]
    assert {path.name for path in found.folder.iterdir()} == set(NAMES) - {"records"}


def test_pictures(place, explained):
    report = rx.report("explanations").folder
    for entry, one in zip(data(report), explained, strict=True):
        for kind, shown in (("image", one.images[0]), ("picture", one.picture[0])):
            picture = entry[kind]
            small, large = (opened(report / picture[size]) for size in ("small", "large"))
            assert small.size == (picture["width"], picture["height"])
            assert max(small.size) == min(THUMBNAIL, shown.shape[-1])
            assert max(large.size) == min(LARGE, shown.shape[-1])
            assert small.mode == ("RGB" if kind == "image" else "L")
            array = shown.numpy()[0] if kind == "picture" else shown.numpy().transpose(1, 2, 0)
            assert np.abs(np.asarray(large) / 255 - array).mean() < 0.05
    assert len({entry["image"]["small"] for entry in data(report)}) == 3


def test_a_squashed_photo_gets_its_shape_back(tmp_path):
    (tmp_path / "images").mkdir()
    photo = torch.rand(3, 300, 300)
    found = write_pictures(photo, (100, 400), tmp_path)
    assert (found["width"], found["height"]) == (160, 40)
    assert opened(tmp_path / found["large"]).size == (300, 75)
    assert write_pictures(photo.clone(), (100, 400), tmp_path) == found
    assert len(list((tmp_path / "images").iterdir())) == 2
    empty = write_pictures(torch.full((1, 4, 4), torch.nan), None, tmp_path)
    assert opened(tmp_path / empty["small"]).getextrema() == (0, 0)


def test_the_page(place):
    Path("explanations").rename("a & <b>")
    report = rx.report("a & <b>").folder
    text = (report / "index.html").read_text()
    page = Page(text)
    assert "Explanations of a & <b>" in page.texts
    assert "<b>" not in text
    assert sorted(page.files) == sorted(["data.js", *(f"assets/{path.name}" for path in (report / "assets").iterdir())])


def test_nothing_is_asked_of_the_network_and_names_are_no_markup(place):
    report = rx.report("explanations").folder
    for path, content in files(report).items():
        if path.suffix in (".html", ".js", ".css"):
            text = content.decode().replace("http://www.w3.org/2000/svg", "")
            assert "http" not in text, path
            assert not re.search(r"fetch\(|import |innerHTML|url\(|//[a-z]+\.", text), path
    assert "<" not in (report / "data.js").read_text()
    assert data(report)[1]["label"] == NASTY


def test_what_is_replaced(place):
    Path("out").mkdir()
    first = rx.report("explanations", out="out").folder
    before = files(first)
    (first / "notes.txt").write_text("mine")
    next(Path("explanations").glob("2*.safetensors")).unlink()
    assert rx.report("explanations", out="out").count == 2
    assert len(files(first)) == len(before) - 4 + 1
    assert (first / "notes.txt").read_text() == "mine"
    Path("other").mkdir()
    Path("other/index.html").write_text("mine")
    Path("other/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="other is no report, and not empty") as refused:
        rx.report("explanations", out="other")
    assert "\n" not in str(refused.value)
    assert len(files("other")) == 2
    Path("other/images").mkdir()
    with pytest.raises(OutputError, match="would replace the folder other/images: choose another `out`"):
        rx.report("explanations", out="other", overwrite=True)
    Path("other/images").rmdir()
    rx.report("explanations", out="other", overwrite=True)
    assert Path("other/notes.txt").read_text() == "mine"
    assert "mine" not in Path("other/index.html").read_text()


def test_what_is_interrupted_leaves_nothing(place, monkeypatch):
    class Stops(Told):
        def advance(self, place, total, text, figures="", left=None):
            if place == 2:
                raise rx.Cancelled

    with pytest.raises(rx.Cancelled):
        rx.report("explanations", out="new/report", progress=Stops())
    assert not Path("new").exists()
    report = rx.report("explanations").folder
    before = files(report)
    with pytest.raises(rx.Cancelled):
        rx.report("explanations", progress=Stops())
    assert files(report) == before
    Outputs(report, "report").staging.mkdir()  # of one that was killed
    rx.report("explanations")
    assert files(report) == before


def test_a_damaged_file_does_not_stop_the_others(place, capsys):
    Path("explanations/bad.safetensors").write_bytes(b"nothing")
    told = Told()
    found = rx.report("explanations", progress=told)
    assert (found.count, list(found.failures)) == (3, ["explanations/bad.safetensors"])
    assert told.failures == list(found.failures.values())
    assert main(["report", "explanations"]) == 1
    assert capsys.readouterr().out == "3 explanations in explanations/report/index.html\n"
    first, *others = sorted(Path("explanations").glob("[0-9]*.safetensors"))
    for path in others:
        path.unlink()
    assert main(["report", "explanations"]) == 1
    assert capsys.readouterr().out == "1 explanation in explanations/report/index.html\n"
    first.unlink()
    with pytest.warns(RuntimeWarning, match="bad"), pytest.raises(rx.RDExplainError, match="nothing in explanations"):
        rx.report("explanations", out="again")
    assert not Path("again").exists()


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({}, OptionError, "name the folder of a run"),
        ({"folder": "nowhere"}, OptionError, "no such folder: nowhere"),
        ({"folder": "file"}, OptionError, "file is no folder"),
        ({"folder": "empty"}, OptionError, "no explanations in empty"),
        ({"folder": "explanations", "photos": "photos"}, OptionError, "`photos` is for runs"),
        ({"folder": "explanations", "out": "file"}, OutputError, "cannot write to `out` file: it is no folder"),
        ({"folder": "explanations", "out": "file/in"}, OutputError, "cannot write to `out` file/in"),
    ],
)
def test_what_cannot_be(place, given, error, text):
    Path("empty").mkdir()
    Path("file").write_text("mine")
    with pytest.raises(error) as refused:
        rx.report(**given)
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)
    assert Path("file").read_text() == "mine"


def test_a_disk_that_is_full(place, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"cannot write the report: .*No space left"):
        rx.report("explanations")
    assert not Path("explanations/report").exists()


def test_scores_that_lie_beside_are_shown(place):
    Path("explanations/evaluation").mkdir()
    Path("explanations/evaluation/summary.csv").write_text('method,mean\n"<i>&",0.25\n')
    text = (rx.report("explanations").folder / "index.html").read_text()
    assert "0.25" not in text
    Path("explanations/evaluation/evaluation.json").write_text("{}")
    page = Page((rx.report("explanations").folder / "index.html").read_text())
    assert {"Evaluation evaluation", "<i>&", "0.25"} <= set(page.texts)


def test_several_rows_in_a_file_and_photos_without_names(place, explained):
    shutil.rmtree("explanations")
    Path("explanations").mkdir()
    both = rx.PixelRDE(rx.as_model(Mean(), activation="softmax"), steps=1, draws=1).explain(torch.rand(2, 3, 8, 8))
    both.save("explanations/both")
    entries = data(rx.report("explanations").folder)
    assert [entry["group"] for entry in entries] == [0, 1]
    assert [entry["distortion"] for entry in entries] == both.distortion.tolist()
    assert "photo" not in entries[0]


@pytest.fixture
def run(place):
    """A run of two photos by two methods; the first one's label is the class that is explained."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("yaml")
    (place / "report_test_nets.py").write_text(
        "import torch\nclass Mean(torch.nn.Module):\n"
        "    def forward(self, x):\n        return x.mean(dim=(2, 3)) @ torch.eye(3, 4).to(x)\n"
    )
    (place / "photos").mkdir()
    for name, colour in (("a", (200, 10, 10)), ("b", (10, 200, 10))):
        Image.new("RGB", (24, 12), colour).save(place / "photos" / f"{name}.png")
    (place / "names.txt").write_text("red_one\ngreen\nblue\nnone\n")
    (place / "photos.csv").write_text("photo,label,id\nphotos/a.png,Red one,a\nphotos/b.png,blue,b\n")
    (place / "moved").mkdir()
    return place


OPTIONS = {"model": "report_test_nets:Mean", "activation": "softmax", "size": 8, "classes": "names.txt"}


def test_a_run(run, monkeypatch, capsys):
    monkeypatch.syspath_prepend(run)
    options = {"method": ["pixel_rde", "random_pixel"], "steps": 2, "draws": 2, "masks": "float32"}
    rx.run(photos="photos.csv", **options, **OPTIONS)
    found = rx.report("run")
    view, entries = rx.open_run("run"), data(found.folder)
    assert found.count == len(view) == len(entries) == 4
    for entry, one, row in zip(entries, view, view.table().to_pylist(), strict=True):
        assert {name: entry[name] for name in FIGURES if name in entry} == {
            name: row[name] for name in FIGURES if row.get(name) is not None
        }
        assert (entry["photo"], entry["label"], entry["true"]) == (row["photo"], row["label"], row["true_name"])
        record = json.loads((found.folder / entry["links"]["record"]).read_text())
        assert record == json.loads(json.dumps(one.record() | {"true": row["true_name"]}))
        assert (entry["picture"]["width"], entry["picture"]["height"]) == (8, 4)
    assert [entry["right"] for entry in entries] == [True, True, False, False]
    assert [entry["group"] for entry in entries] == [0, 0, 1, 1]

    Path("photos/a.png").rename("moved/a.png")
    told = Told()
    gone = rx.report("run", progress=told)
    assert len(told.warnings) == 1
    assert told.warnings[0].startswith("a photo is left out of the report: no such file")
    assert list(gone.missing) == ["a"]
    now = data(gone.folder)
    assert ["image" in entry for entry in now] == [False, False, True, True]
    assert [entry["distortion"] for entry in now[::2]] == [entry["distortion"] for entry in entries[::2]]
    assert json.loads((gone.folder / now[0]["links"]["record"]).read_text())["distortion"] == now[0]["distortion"]
    Path("there/photos").mkdir(parents=True)
    for path in (Path("moved/a.png"), Path("photos/b.png")):
        shutil.copy(path, f"there/photos/{path.name}")
    assert main(["report", "run", "--photos", "there", "--out", "again"]) == 0
    assert capsys.readouterr() == ("4 explanations in again/index.html\n", "")
    assert data("again") == entries


def test_a_run_without_results(run, monkeypatch):
    monkeypatch.syspath_prepend(run)
    Path("photos.csv").write_text("photo\nphotos/gone.png\n")
    rx.run(photos="photos.csv", method="random_pixel", progress=Told(), **OPTIONS)
    with pytest.raises(rx.RDExplainError, match="run has no finished explanations yet"):
        rx.report("run")


@pytest.mark.parametrize(
    ("label", "target", "name", "index", "right"),
    [
        ("cat", 3, None, None, None),
        ("cat", 3, None, 3, True),
        ("cat", 3, None, 4, False),
        ("cat", 3, "Cat", None, True),
        ("sea-lion", 3, "Sea_lion", 7, True),
        ("cat", 3, "dog", 3, False),
        ("class 3", 3, "anything", 3, True),
        ("class 3", 3, "anything", None, None),
        ("value", [1, 2], None, 3, None),
        ("tench", 0, "n01440764", None, True),
        ("tench", 0, "Tinca tinca", 5, True),
        ("tench", 0, "n01443537", None, False),
        ("tench", 0, "a name of nothing", None, None),
        ("tench", 3, "tench", None, True),
    ],
)
def test_whether_the_class_is_the_true_one(label, target, name, index, right):
    assert is_right(label, target, name, index) is right


def test_the_true_class_in_words():
    assert true_class("n01440764", 7) == "tench"
    assert true_class("n00000000", None) == "n00000000"
    assert true_class("dog", 1) == "dog"
    assert (true_class(None, 4), true_class(None, None)) == ("class 4", None)

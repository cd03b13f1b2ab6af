"""Photos from everywhere: each source lists them, and each place leads to the same pixels."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

import rdexplain as rx
from rdexplain.work.runs import open_run
from rdexplain.work.runs.sources import list_photos, read


def pixels(listing, row, root=None):
    return read(listing.entries[row], root or listing.root, 8, "squash").pixels


def photo(number):
    return rx.load_photo(f"photos/{number:02}.png", 8).pixels


def test_folder(place):
    listing = list_photos("photos")
    assert listing.layout == "folder"
    assert [entry.photo for entry in listing.entries] == [f"{number:02}.png" for number in range(10)]
    assert pixels(listing, 3).equal(photo(3))
    assert [entry.photo for entry in list_photos("photos/0[12].png").entries] == ["photos/01.png", "photos/02.png"]
    assert pixels(list_photos("sample:cat"), 0).equal(rx.load_photo("sample:cat", 8).pixels)


def test_tree_is_torchvisions(place):
    folder = pytest.importorskip("torchvision.datasets")
    for number, name in enumerate(("zebra", "ant/deep", "ant", "zebra")):
        (place / "tree" / name).mkdir(parents=True, exist_ok=True)
        (place / "photos" / f"{number:02}.png").rename(place / "tree" / name / f"{number:02}.png")
    (place / "tree" / "zebra" / "notes.txt").write_text("")
    listing = list_photos("tree")
    theirs = folder.ImageFolder("tree")
    assert listing.layout == "tree"
    ours = {entry.photo: entry.label["index"] for entry in listing.entries}
    assert ours == {str(Path(path).relative_to("tree")): label for path, label in theirs.samples}
    assert [entry.label["name"] for entry in listing.entries] == ["ant", "ant", "zebra", "zebra"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_manifest(place, command, kind):
    rows = [
        {"photo": "photos/03.png", "id": "three", "target": "1|2", "label": "0"},
        {"photo": str(place / "photos" / "04.png"), "id": "four", "target": "", "label": ""},
    ]
    if kind == "csv":
        Path("list.csv").write_text("photo,id,target,label\n" + "".join(",".join(row.values()) + "\n" for row in rows))
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), "list.parquet")
    listing = list_photos(f"list.{kind}")
    assert [entry.photo for entry in listing.entries] == ["three", "four"]
    assert pixels(listing, 0).equal(photo(3))
    assert pixels(listing, 1).equal(photo(4))
    assert command("run", f"--photos list.{kind} --out a").status == 0
    run = open_run("a")
    assert [one.photos[0] for one in run] == ["three", "three", "four"]
    assert [int(one.target[0]) for one in run][:2] == [1, 2]
    assert run.frame()["true_index"].tolist()[:2] == [0, 0]
    # Its own label, for those that have one.
    Path("labels.csv").write_text("photo,label\nphotos/03.png,2\nphotos/04.png,\nphotos/05.png,9\n")
    failed = command("run", "--photos labels.csv --out b --target label")
    assert failed.status == 1
    assert [int(one.target[0]) for one in open_run("b")] == [2]
    assert [name for name, *_ in open_run("b").failures] == ["photos/04.png", "photos/05.png"]


def test_a_manifest_that_cannot_be(place):
    Path("a.csv").write_text("image\nphotos/03.png\n")
    with pytest.raises(rx.RDExplainError, match="row 1: no photo"):
        list_photos("a.csv")
    Path("b.csv").write_text("photo\nphotos/03.png\nphotos/03.png\n")
    with pytest.raises(rx.RDExplainError, match=r"twice, such as photos/03\.png: give a manifest with a column id"):
        list_photos("b.csv")
    with pytest.raises(rx.RDExplainError, match="no such file"):
        list_photos("none")


def make_tar(path, numbers, mode="w"):
    with tarfile.open(path, mode) as tar:
        for number in numbers:
            for name, content in (
                (f"deep/{number:02}.small.png", Path(f"photos/{number:02}.png").read_bytes()),
                (f"deep/{number:02}.png", Path(f"photos/{number:02}.png").read_bytes()),
                (f"deep/{number:02}.cls", str(number % 4).encode()),
            )[number == 0 :]:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def test_webdataset(place, command):
    (place / "tars").mkdir()
    make_tar("tars/0.tar", range(3))
    make_tar("tars/1.tar", range(3, 5))
    listing = list_photos("tars")
    assert listing.layout == "webdataset"
    assert [entry.photo for entry in listing.entries] == [
        *(f"0/deep/{number:02}" for number in range(3)),
        *(f"1/deep/{number:02}" for number in (3, 4)),
    ]
    assert all(pixels(listing, row).equal(photo(row)) for row in range(5))
    assert [entry.label for entry in listing.entries] == [{"index": number % 4} for number in range(5)]
    assert [entry.photo for entry in list_photos("tars/1.tar").entries] == ["deep/03", "deep/04"]
    assert command("run", "--photos tars --out a --target label").status == 0
    run = open_run("a")
    assert [int(one.target[0]) for one in run] == [0, 1, 2, 3, 0]
    assert run[4].images[0].equal(photo(4))
    whole = Path("tars/1.tar").read_bytes()
    Path("tars/1.tar").write_bytes(whole[: run._entries[4].place["offset"] + 100])  # cut off
    with pytest.raises(rx.RDExplainError, match="deep/04"):
        run[4]
    make_tar("packed.tar.gz", range(2), "w:gz")
    with pytest.raises(rx.RDExplainError, match=r"packed\.tar\.gz is no tar file that can be read where it lies"):
        list_photos("packed.tar.gz")


def test_hugging_face(place, command):
    """Written by hand in the form that `save_to_disk` has."""
    import pyarrow

    folder = place / "set"
    folder.mkdir()
    rows = [
        {"image": {"bytes": Path(f"photos/{number:02}.png").read_bytes(), "path": None}, "label": number % 2}
        for number in range(4)
    ]
    rows.append({"image": {"bytes": None, "path": str(place / "photos" / "04.png")}, "label": -1})
    files = [{"filename": "data-0.arrow"}, {"filename": "data-1.arrow"}]
    for one, part in zip(files, (rows[:3], rows[3:]), strict=True):
        table = pyarrow.Table.from_pylist(part)
        with (
            pyarrow.OSFile(str(folder / one["filename"]), "wb") as file,
            pyarrow.ipc.new_stream(file, table.schema) as out,
        ):
            out.write_table(table, max_chunksize=2)
    features = {"label": {"names": ["ant", "zebra"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    (folder / "state.json").write_text(json.dumps({"_data_files": files, "_indices_data_files": None}))
    listing = list_photos("set")
    assert listing.layout == "huggingface"
    assert all(pixels(listing, row).equal(photo(row)) for row in range(5))
    assert [entry.label and entry.label["name"] for entry in listing.entries] == ["ant", "zebra", "ant", "zebra", None]
    assert command("run", "--photos set --out a").status == 0
    assert open_run("a").frame()["true_name"].tolist()[:4] == ["ant", "zebra", "ant", "zebra"]
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(rx.RDExplainError, match="several splits: name one, such as set/train"):
        list_photos("set")


def test_hugging_face_as_datasets_writes_it(place):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "zebra"])})
    rows = {"image": [f"photos/{number:02}.png" for number in range(3)], "label": [0, 1, 0]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk("set")
    listing = list_photos("set")
    assert all(pixels(listing, row).equal(photo(row)) for row in range(3))
    assert [entry.label["name"] for entry in listing.entries] == ["ant", "zebra", "ant"]


def test_a_name_that_is_no_text_is_one_photos_error(command, place):
    try:
        os.rename("photos/03.png", os.fsdecode(b"photos/03\xff.png"))
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    end = command("run", "--out a")
    assert end.status == 1
    assert "rdexplain: error: 03\\udcff.png: its name is not valid UTF-8: rename it" in end.err
    run = open_run("a")
    assert run.counts["done"] == 9
    assert run.counts["failed"] == 1

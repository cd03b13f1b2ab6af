"""Explanations on disk."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import rdexplain.results.storage as storage
from rdexplain import (
    CartoonX,
    Explanation,
    PixelRDE,
    RandomPixel,
    RDExplainError,
    ShearletX,
    as_model,
    load_explanation,
    load_heatmap,
)

SETTINGS = {"steps": 2, "draws": 2, "sparsity": 0.3}


def network(images):
    return torch.cat((images.mean((2, 3)), -images.mean((2, 3))), dim=1) * 5


@pytest.fixture(scope="module")
def photos():
    return torch.rand(2, 3, 20, 23, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def explanation(photos):
    method = CartoonX(network, levels=2, wavelet="haar", **SETTINGS)
    return method.explain(photos, [[1, 2], [0, 5]], samples=2, photos=["Katze ü.jpg", None])


def assert_equal(one: Explanation, other: Explanation) -> None:
    for item in dataclasses.fields(Explanation):
        a, b = getattr(one, item.name), getattr(other, item.name)
        assert type(a) is type(b), item.name
        if isinstance(a, torch.Tensor):
            assert a.dtype == b.dtype, item.name
            assert torch.equal(a, b), item.name
        elif item.name in ("mask", "order"):
            assert len(a) == len(b)
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        elif item.name == "history":
            assert a.keys() == b.keys()
            assert all(torch.equal(a[name], b[name]) for name in a)
        else:
            assert a == b, item.name


def test_round_trip(explanation, tmp_path):
    paths = explanation.save(tmp_path / "cat")
    assert paths == (tmp_path / "cat.safetensors", tmp_path / "cat.json")
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    found = load_explanation(tmp_path / "cat")
    assert_equal(found, explanation)
    assert torch.equal(found.picture_colour, explanation.picture_colour)
    assert found.record(1) == explanation.record(1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_round_trip_of_others(photos, tmp_path, dtype):
    """Tuples as targets, no samples, more bands than ten, another type."""
    maps = PixelRDE(as_model(lambda images: images, activation="softmax"), **SETTINGS).explain(
        photos.double(), (0, 3, 4)
    )
    maps.save(tmp_path / "maps")
    assert_equal(load_explanation(tmp_path / "maps"), maps)
    waves = ShearletX(network, scales=2, steps=2, draws=2).explain(photos, 0)
    assert len(waves.mask) == 13
    converted = dataclasses.replace(
        waves, mask=[torch.full_like(b, i / 13, dtype=dtype) for i, b in enumerate(waves.mask)]
    )
    converted.save(tmp_path / "many")
    assert_equal(load_explanation(tmp_path / "many"), converted)


def test_one_row_that_is_a_view(explanation, tmp_path):
    explanation[1].save(tmp_path / "row")
    assert_equal(load_explanation(tmp_path / "row"), explanation[1])
    # The others' numbers are not in the file.
    whole, row = explanation.save(tmp_path / "whole")[0].stat().st_size, (tmp_path / "row.safetensors").stat().st_size
    assert row < 0.4 * whole


def test_record_for_people(explanation, tmp_path):
    explanation.save(tmp_path / "all")
    record = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert record == {"explanations": [explanation.record(row) for row in range(4)]}
    explanation[2].save(tmp_path / "one")
    assert json.loads((tmp_path / "one.json").read_text(encoding="utf-8")) == explanation.record(2)


def test_no_pickle_and_readable_without_rdexplain(explanation, tmp_path):
    path, _ = explanation.save(tmp_path / "cat")
    data = path.read_bytes()
    assert b"pickle" not in data
    assert not data.startswith((b"\x80", b"PK"))
    with safe_open(path, framework="np") as content:
        assert (content.get_tensor("mask.0") == explanation.mask[0].numpy()).all()
        header = json.loads(content.metadata()["rdexplain"])
    assert header["format"] == 1
    assert header["method"] == "cartoonx"


@pytest.mark.parametrize("given", ["cat", "cat.safetensors", "cat.json"])
def test_suffixes(explanation, tmp_path, given):
    assert explanation.save(tmp_path / given) == (tmp_path / "cat.safetensors", tmp_path / "cat.json")
    for name in ("cat", "cat.safetensors", "cat.json"):
        assert len(load_explanation(str(tmp_path / name))) == 4


@pytest.mark.parametrize("name", ["cat.cartoonx", "v1.2", "cat.jpg", ".hidden"])
def test_other_suffixes_stay(explanation, tmp_path, name):
    paths = explanation.save(tmp_path / name)
    assert [path.name for path in paths] == [f"{name}.safetensors", f"{name}.json"]
    assert len(load_explanation(tmp_path / name)) == 4


def test_overwrite(explanation, tmp_path):
    explanation.save(tmp_path / "cat")
    explanation[0].save(tmp_path / "cat")
    assert len(load_explanation(tmp_path / "cat")) == 1
    with pytest.raises(FileExistsError, match=r"cat\.safetensors"):
        explanation.save(tmp_path / "cat", overwrite=False)
    (tmp_path / "cat.safetensors").unlink()
    with pytest.raises(FileExistsError, match=r"cat\.json"):
        explanation.save(tmp_path / "cat", overwrite=False)
    assert not (tmp_path / "cat.safetensors").exists()


def test_permissions_are_the_user_s(explanation, tmp_path):
    before = os.umask(0o027)
    try:
        paths = explanation.save(tmp_path / "cat")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o640}


@pytest.mark.parametrize("broken", ["write_bytes", "replace"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_write_that_fails_leaves_what_was_there(explanation, tmp_path, monkeypatch, broken, existing):
    if existing:
        explanation[0].save(tmp_path / "cat")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    original = Path.write_bytes

    def half(self, data):
        original(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    def refused(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, broken, half if broken == "write_bytes" else refused)
    with pytest.raises(OSError, match="No space left") as caught:
        explanation.save(tmp_path / "cat")
    assert caught.value.filename == str(tmp_path / "cat.safetensors")
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_interrupted_block_leaves_nothing(tmp_path):
    def interrupted():
        with storage.whole_file(tmp_path / "x.bin") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder(explanation, tmp_path):
    with pytest.raises(OSError, match="none"):
        explanation.save(tmp_path / "none" / "cat")


def test_a_record_that_is_not_json_writes_nothing(explanation, tmp_path):
    odd = dataclasses.replace(explanation, options={**explanation.options, "odd": object()})
    with pytest.raises(TypeError):
        odd.save(tmp_path / "cat")
    assert list(tmp_path.iterdir()) == []


def test_missing_file(tmp_path):
    with pytest.raises(RDExplainError, match=r"no such explanation: .*cat\.safetensors"):
        load_explanation(tmp_path / "cat")


def test_a_folder(tmp_path):
    (tmp_path / "cat.safetensors").mkdir()
    with pytest.raises(RDExplainError, match=r"cat\.safetensors"):
        load_explanation(tmp_path / "cat")


@pytest.mark.parametrize("data", [b"", b"\x00" * 8, b"not an explanation at all", b"\xff" * 64, b"PK\x03\x04" * 9])
def test_corrupt_files(tmp_path, data):
    (tmp_path / "cat.safetensors").write_bytes(data)
    with pytest.raises(RDExplainError, match="cannot be read as an explanation") as caught:
        load_explanation(tmp_path / "cat")
    assert "\n" not in str(caught.value)


def test_truncated_file(explanation, tmp_path):
    path, _ = explanation.save(tmp_path / "cat")
    whole = path.read_bytes()
    for length in (4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(RDExplainError, match="cannot be read as an explanation"):
            load_explanation(path)


def test_foreign_safetensors(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "cat.safetensors")
    with pytest.raises(RDExplainError, match="was not written by rdexplain"):
        load_explanation(tmp_path / "cat")


def with_header(explanation, tmp_path, change) -> Path:
    path, _ = explanation.save(tmp_path / "cat")
    with safe_open(path, framework="pt") as content:
        tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        header = json.loads(content.metadata()["rdexplain"])
    text = change(header, tensors)
    save_file(tensors, path, {"rdexplain": json.dumps(header) if text is None else text})
    return path


def test_newer_format(explanation, tmp_path):
    path = with_header(explanation, tmp_path, lambda header, tensors: header.update(format=99))
    with pytest.raises(RDExplainError, match="newer rdexplain"):
        load_explanation(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, tensors: "{not json",
        lambda header, tensors: "[]",
        lambda header, tensors: "{}",
        lambda header, tensors: header.pop("format") and None,
        lambda header, tensors: header.pop("labels") and None,
        lambda header, tensors: header.pop("method") and None,
        lambda header, tensors: tensors.pop("picture") is None or None,
        lambda header, tensors: header.update(surprise=1),
        lambda header, tensors: tensors.pop("mask.1") is None or None,
    ],
    ids=["text", "list", "empty", "format", "labels", "method", "picture", "surprise", "mask"],
)
def test_files_with_parts_missing(explanation, tmp_path, change):
    path = with_header(explanation, tmp_path, change)
    with pytest.raises(RDExplainError) as caught:
        load_explanation(path)
    assert "cat.safetensors" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("mask.1", lambda band: band.fill_(float("nan")), "outside"),
        ("mask.0", lambda band: band.add_(1.5), "outside"),
        ("mask.0", lambda band: band.sub_(1.5), "outside"),
        ("mask.1", lambda band: band[..., 1:], "the mask does not have the layout"),
        ("order.2", lambda band: band[:, :2], "the order does not have the layout"),
    ],
)
def test_a_damaged_mask_is_refused(explanation, tmp_path, name, damage, said):
    """It would make pictures and figures that look like any other's."""
    file = explanation.save(tmp_path / "cat")[0]
    with safe_open(file, framework="pt") as content:
        metadata = content.metadata()
        tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
    save_file(tensors | {name: damage(tensors[name].clone()).contiguous()}, file, metadata)
    with pytest.raises(RDExplainError, match=f"damaged: ValueError: .*{said}"):
        load_explanation(file)


def test_scores_that_are_not_finite_are_refused(photos, tmp_path):
    heatmap = RandomPixel(as_model(network)).explain(photos, 0)
    heatmap.save(tmp_path / "good")
    load_heatmap(tmp_path / "good")
    heatmap.scores[0][0, 3, 4] = float("inf")
    heatmap.save(tmp_path / "bad")
    with pytest.raises(RDExplainError, match="not all finite"):
        load_heatmap(tmp_path / "bad")

"""YOLOv5: the network, checkpoints read without running them, and what the real weights see."""

from __future__ import annotations

import importlib.util
import math
import pickle
import sys
import types
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError
from rdexplain.models.detections import detections
from rdexplain.models.inert import Inert, read_object, state_of
from rdexplain.models.yolov5_network import SIZES, YOLOv5

SHARED = Path(__file__).parents[2].parent / "shared"
WEIGHTS = SHARED / "weights" / "yolov5s_v6_coco.safetensors"
PHOTOS = SHARED / "photos" / "detection"
needs_weights = pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs the weights beside the repository")


@pytest.mark.parametrize(
    ("size", "published"), [("n", 1872157), ("s", 7235389), ("m", 21190557), ("l", 46563709), ("x", 86749405)]
)
def test_the_networks_have_the_published_numbers_of_parameters(size, published):
    with torch.device("meta"):
        network = YOLOv5(size)
    assert sum(parameter.numel() for parameter in network.parameters()) == published
    assert set(SIZES) == set("nsmlx")


def test_shapes_and_gradients_of_random_weights():
    model = rx.load_model("yolov5n", weights="random", classes=["cat", "dog"])
    assert (model.task, model.input_size, model.name) == ("detection", 480, "yolov5n (random)")
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)).requires_grad_()
    raw = model(images)
    anchors = 3 * (8 * 12 + 4 * 6 + 2 * 3)
    assert raw.boxes.shape == (2, anchors, 4)
    assert raw.scores.shape == raw.logits.shape == (2, anchors, 2)
    torch.testing.assert_close(raw.scores, raw.logits.sigmoid() * raw.objectness[..., None])
    (slope,) = torch.autograd.grad(raw.scores.sum() + raw.boxes.sum(), images)
    assert slope.isfinite().all()
    assert (raw.boxes[..., 2:] > raw.boxes[..., :2]).all()


def test_a_size_that_the_maps_do_not_fit():
    model = rx.load_model("yolov5n", weights="random", classes=["cat", "dog"])
    with pytest.raises(ModelError, match="multiples of 32 pixels, not 96 x 100"):
        model(torch.zeros(1, 3, 96, 100))


def test_boxes_are_decoded_as_published():
    """One cell of one map by hand: centre (2σ - 0.5 + cell) * stride, size (2σ)² * anchor * stride."""
    network = YOLOv5("n", classes=1).eval()
    head = network.model[24]
    head.anchors.copy_(torch.arange(1.0, 19).view(3, 3, 2))
    maps = [torch.zeros(1, count, 4 >> level, 4 >> level) for level, count in enumerate((64, 128, 256))]
    for convolution in head.m:
        nn.init.zeros_(convolution.weight)
        convolution.bias.data = torch.arange(18.0) / 10 - 1
    with torch.no_grad():
        raw = head(maps)
    row, column, anchor = 2, 3, 1
    tx, ty, tw, th, to, tc = (1 / (1 + math.exp(1 - number / 10)) for number in range(6, 12))
    x, y = (2 * tx - 0.5 + column) * 8, (2 * ty - 0.5 + row) * 8
    w, h = (2 * tw) ** 2 * 3 * 8, (2 * th) ** 2 * 4 * 8
    place = anchor * 16 + row * 4 + column
    expected = torch.tensor([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    torch.testing.assert_close(raw.boxes[0, place], expected)
    assert float(raw.scores[0, place, 0]) == pytest.approx(to * tc, rel=1e-5)


def small_state(classes: int = 2) -> dict[str, torch.Tensor]:
    return rx.load_model("yolov5n", weights="random", classes=["a", "b"][:classes]).network.state_dict()


class Exploit:
    """A pickle that would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def look_alike(path: Path, state: dict[str, torch.Tensor], names: object, harm: Path | None = None) -> Path:
    """As an official checkpoint: a pickled object, of classes that are gone when it is read."""
    module = types.ModuleType("models_of_somebody_else")

    class DetectionModel(nn.Module):
        pass

    class Layer(nn.Module):
        pass

    for kind in (DetectionModel, Layer):
        kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
        setattr(module, kind.__name__, kind)
    network = DetectionModel()
    for key, value in state.items():
        *path_of, name = key.split(".")
        owner = network
        for part in path_of:
            if part not in owner._modules:
                owner.add_module(part, Layer())
            owner = owner._modules[part]
        if value.is_floating_point() and "running" not in name and name not in ("anchors", "anchor_grid"):
            owner.register_parameter(name, nn.Parameter(value.half()))
        else:
            owner.register_buffer(name, value.half() if value.is_floating_point() else value)
    network.names = names
    network.stride = torch.tensor([8.0, 16.0, 32.0])
    network.yaml = {"nc": 2}
    content = {"epoch": -1, "model": network, "ema": None, "date": "today", "optimizer": None}
    if harm is not None:
        content["harm"] = Exploit(harm)
    sys.modules[module.__name__] = module
    try:
        torch.save(content, path)
    finally:
        del sys.modules[module.__name__]
    return path


@pytest.mark.parametrize("names", [["cat", "dog"], {0: "cat", 1: "dog"}])
def test_a_look_alike_of_an_official_checkpoint_is_read(names, tmp_path):
    state = small_state()
    path = look_alike(tmp_path / "yolov5n.pt", state, names)
    assert importlib.util.find_spec("models_of_somebody_else") is None
    for model in (rx.load_model("yolov5n", weights=path), rx.load_model(str(path))):
        assert [entry.name for entry in model.classes] == ["cat", "dog"]
        assert model.name == "yolov5n"
        for key, value in model.network.state_dict().items():
            expected = state[key].half().float() if state[key].is_floating_point() else state[key]
            assert torch.equal(value.to(expected.dtype), expected), key


def test_a_malicious_pickle_does_not_run(tmp_path):
    harm = tmp_path / "harm"
    torch.save({"model": Exploit(harm)}, tmp_path / "evil.pt")
    with pytest.raises(ModelError, match="holds no network"):
        rx.load_model(str(tmp_path / "evil.pt"))
    path = look_alike(tmp_path / "both.pt", small_state(), ["a", "b"], harm)
    rx.load_model(str(path))
    assert not harm.exists()
    with zipfile.ZipFile(path) as archive:  # it would have run
        content = archive.read("both/data.pkl")
    assert b"open" in content

    class Plain(pickle.Unpickler):
        pass

    import io

    stream = io.BytesIO(pickle.dumps(Exploit(harm)))
    Plain(stream).load().close()
    assert harm.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(S'touch harm'\ntR.",
        b"c__builtin__\neval\n(S'1/0'\ntR.",
        b"cbuiltins\nexec\n(S'1/0'\ntR.",
        b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR(S'touch harm'\ntR.",
        b"ctorch\nload\n(S'harm'\ntR.",
        b"ctorch.hub\nload\n(S'harm'\ntR.",
    ],
)
def test_nothing_that_a_pickle_names_is_called(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
        archive.writestr("evil/data.pkl", b"\x80\x02" + code)
    assert isinstance(read_object(tmp_path / "evil.pt"), Inert)
    assert not (tmp_path / "harm").exists()


def test_damaged_archives(tmp_path):
    (tmp_path / "no.pt").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="no PyTorch archive"):
        read_object(tmp_path / "no.pt")
    torch.save({"a": torch.zeros(3)}, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"no PyTorch archive|damaged"):
        read_object(tmp_path / "cut.pt")
    with zipfile.ZipFile(tmp_path / "empty.pt", "w") as archive:
        archive.writestr("note.txt", "hello")
    with pytest.raises(ModelError, match=r"no data\.pkl"):
        read_object(tmp_path / "empty.pt")


def test_tensors_are_read_as_torch_reads_them(tmp_path):
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(6, 4, generator=generator)
    content = {
        "view": whole[1:4, ::2],
        "transposed": whole.T,
        "half": whole.half(),
        "brain": whole.bfloat16(),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 2),
        "parameter": nn.Parameter(whole),
        "nested": [{"x": whole}, 1.5, "text", None],
    }
    torch.save(content, tmp_path / "a.pt")
    read = read_object(tmp_path / "a.pt")
    for name in list(content)[:-1]:
        assert torch.equal(read[name], content[name].detach()), name
        assert read[name].dtype == content[name].dtype
    assert torch.equal(read["nested"][0]["x"], whole)
    assert read["nested"][1:] == [1.5, "text", None]
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    torch.save(network, tmp_path / "network.pt")
    state = state_of(read_object(tmp_path / "network.pt"))
    assert {key: value.tolist() for key, value in state.items()} == {
        key: value.tolist() for key, value in network.state_dict().items()
    }


def test_checkpoints_that_do_not_fit(tmp_path):
    state = small_state()
    safetensors.torch.save_file(state, tmp_path / "n.safetensors")
    assert rx.load_model("yolov5n", weights=tmp_path / "n.safetensors", classes=["a", "b"]).name == "yolov5n"
    with pytest.raises(ModelError, match="does not fit yolov5s: it is yolov5n"):
        rx.load_model("yolov5s", weights=tmp_path / "n.safetensors")
    with pytest.raises(ModelError, match="3 class names for the 2 classes"):
        rx.load_model("yolov5n", weights=tmp_path / "n.safetensors", classes=["a", "b", "c"])
    with pytest.raises(ModelError, match="comes without weights"):
        rx.load_model("yolov5s")
    with pytest.raises(ModelError, match="no weights file"):
        rx.load_model("yolov5s", weights=tmp_path / "none.pt")
    safetensors.torch.save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="no YOLOv5 of version 6 or later"):
        rx.load_model("yolov5s", weights=tmp_path / "other.safetensors")


@needs_weights
def test_the_real_weights_see_what_is_known():
    model = rx.load_model("yolov5s", weights=WEIGHTS)
    photo = rx.load_photo(PHOTOS / "bus.jpg", 640, "letterbox")
    with torch.no_grad():
        raw = model(photo.pixels[None])
    assert raw.boxes.shape == (1, 25200, 4)
    (found,) = detections(raw)
    strong = [(model.class_name(one.category), one.confidence) for one in found if one.confidence > 0.6]
    assert [name for name, _ in strong] == ["person", "person", "person", "bus"]
    for (_, confidence), expected in zip(strong, (0.87, 0.85, 0.82, 0.79), strict=True):
        assert confidence == pytest.approx(expected, abs=0.02)


@needs_weights
def test_an_official_look_alike_of_the_real_weights(tmp_path):
    state = safetensors.torch.load_file(WEIGHTS)
    path = look_alike(tmp_path / "yolov5s.pt", state, [f"thing {number}" for number in range(80)])
    model = rx.load_model("yolov5s", weights=path)
    expected = rx.load_model("yolov5s", weights=WEIGHTS)
    assert model.class_name(3) == "thing 3"
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(images).scores, expected(images).scores)

"""Networks from ONNX, TorchScript and torch.export files, against the networks that they were made from."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError

ROOT = Path(__file__).parents[2].parent
DEEPLAB = ROOT / "shared" / "weights" / "deeplabv3_mobilenetv2_voc.onnx"
COW = ROOT / "shared" / "photos" / "segmentation" / "cow.jpg"
needs_deeplab = pytest.mark.skipif(not DEEPLAB.is_file(), reason="needs the weights beside the repository")


class Pool(nn.Module):
    """A classifier of any size: colours averaged over a 4 x 4 grid."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, stride=2)
        self.linear = nn.Linear(4, outputs)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(self.convolution(images).tanh().mean(dim=(2, 3)))


def onnx_file(path: Path, shape: list, nodes: list, constants: dict[str, np.ndarray], **metadata: str) -> Path:
    """An ONNX file with an input `images` and an output `scores`."""
    from onnx import TensorProto, helper, numpy_helper, save

    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    save(model, path)
    return path


def classifier(path: Path, batch: int | str = "n", side: int | str = 8, softmax: bool = False, **metadata: str) -> Path:
    """3 scores from the mean of each channel, through a matrix."""
    from onnx import helper

    weight = np.array([[4, 0, -1], [0, 3, 1], [1, 1, 5]], dtype=np.float32)
    last = "logits" if softmax else "scores"
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], [last]),
        *([helper.make_node("Softmax", ["logits"], ["scores"], axis=1)] if softmax else []),
    ]
    return onnx_file(path, [batch, 3, side, side], nodes, {"weight": weight}, **metadata)


def through_onnxruntime(path: Path, images: torch.Tensor) -> torch.Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    return torch.from_numpy(output)


def test_onnx_agrees_with_onnxruntime(tmp_path, make_photos):
    path = classifier(tmp_path / "net.onnx", names="{0: 'cat', 1: 'dog', 2: 'owl'}")
    model = rx.load_model(str(path))
    assert (model.name, model.task, model.input_size, model.fixed_size) == ("net", "classification", 8, True)
    assert (model.activation, model.batch_size, model.weights) == ("auto", None, "net.onnx")
    assert [entry.name for entry in model.classes] == ["cat", "dog", "owl"]
    photos = make_photos(3, 8).requires_grad_()
    output = model(photos)
    torch.testing.assert_close(output.detach(), through_onnxruntime(path, photos.detach()), rtol=1e-5, atol=1e-6)
    (slope,) = torch.autograd.grad(output[:, 0].sum(), photos)
    torch.testing.assert_close(slope[:, 0], torch.full((3, 8, 8), 4 / 64))
    with pytest.raises(ModelError, match="8 x 8 pixels only"):
        model(make_photos(1, 16))


def test_an_onnx_file_for_one_image_with_probabilities(tmp_path, make_photos):
    path = classifier(tmp_path / "net.onnx", batch=1, softmax=True)
    model = rx.load_model(str(path))
    assert (model.batch_size, model.classes) == (1, None)
    assert model.resolve(make_photos(1, 8)).activation == "none"
    photos = make_photos(2, 8)
    expected = torch.cat([through_onnxruntime(path, photo[None]) for photo in photos])
    torch.testing.assert_close(model(photos), expected)
    torch.testing.assert_close(model.probabilities(model(photos)), expected)
    assert len(rx.PixelRDE(model, steps=2, draws=2).explain(photos)) == 2


def test_onnx_with_channels_last(tmp_path, make_photos):
    from onnx import helper

    nodes = [helper.make_node("ReduceMean", ["images"], ["scores"], axes=[1, 2], keepdims=0)]
    path = onnx_file(tmp_path / "net.onnx", ["n", 8, 8, 3], nodes, {})
    photos = make_photos(2, 8)
    torch.testing.assert_close(rx.load_model(str(path))(photos), photos.mean(dim=(2, 3)))


def test_onnx_files_that_cannot_be(tmp_path):
    from onnx import helper

    (tmp_path / "bad.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"cannot read .*bad.onnx as ONNX"):
        rx.load_model(str(tmp_path / "bad.onnx"))
    with pytest.raises(ModelError, match=r"no file .*none.onnx"):
        rx.load_model(str(tmp_path / "none.onnx"))
    identity = [helper.make_node("Identity", ["images"], ["scores"])]
    with pytest.raises(ModelError, match=r"shape \(1, 10\), not images"):
        rx.load_model(str(onnx_file(tmp_path / "flat.onnx", [1, 10], identity, {})))
    with pytest.raises(ModelError, match="8 x 9 pixels; only squares"):
        rx.load_model(str(onnx_file(tmp_path / "wide.onnx", [1, 3, 8, 9], identity, {})))
    odd = [helper.make_node("NonMaxSuppressionOfMyOwn", ["images"], ["scores"], domain="mine")]
    with pytest.raises(ModelError, match=r"onnx2torch cannot convert|cannot read"):
        rx.load_model(str(onnx_file(tmp_path / "odd.onnx", [1, 3, 8, 8], odd, {})))
    with pytest.raises(ModelError, match="holds its weights itself"):
        rx.load_model(str(classifier(tmp_path / "net.onnx")), weights="w.pt")


def test_onnx_without_the_extra_says_what_to_install(tmp_path, monkeypatch):
    import sys

    path = classifier(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    with pytest.raises(ModelError, match=r'pip install "\.\[onnx\]"'):
        rx.load_model(str(path))


@needs_deeplab
def test_deeplab_gives_the_known_regions_and_agrees_with_onnxruntime():
    model = rx.load_model(str(DEEPLAB))
    assert (model.task, model.input_size, model.fixed_size) == ("segmentation", 256, True)
    photo = rx.load_photo(COW).pixels[None]
    with torch.no_grad():
        output = model(photo)
    torch.testing.assert_close(output, through_onnxruntime(DEEPLAB, photo), rtol=1e-3, atol=1e-3)
    shares = torch.bincount(output.argmax(dim=1).flatten(), minlength=21) / 65536
    assert float(shares[model.find_class("car")]) == pytest.approx(0.35, abs=0.02)
    assert float(shares[model.find_class("cow")]) == pytest.approx(0.08, abs=0.02)


def quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


@pytest.mark.parametrize("kind", ["trace", "script"])
def test_torchscript(kind, tmp_path, make_photos):
    network, photos = Pool().eval(), make_photos(3)
    made = quietly(lambda: torch.jit.trace(network, photos[:1]) if kind == "trace" else torch.jit.script(network))
    quietly(lambda: made.save(tmp_path / "net.pt"))
    model = rx.load_model(str(tmp_path / "net.pt"), classes=["a", "b", "c"])
    assert (model.task, model.fixed_size, model.batch_size) == ("classification", False, None)
    torch.testing.assert_close(model(photos), network(photos))
    expected = rx.PixelRDE(network, steps=3, draws=2).explain(photos, 1)
    torch.testing.assert_close(
        rx.PixelRDE(model, steps=3, draws=2).explain(photos, "b").mask[0], expected.mask[0], rtol=0, atol=1e-4
    )


class OneByOne(Pool):
    """Forgets about the batch, as code written for one image does."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images[:1])


def test_a_script_that_sees_one_image_only(tmp_path, make_photos):
    made = quietly(lambda: torch.jit.trace(OneByOne().eval(), torch.rand(1, 3, 32, 32)))
    quietly(lambda: made.save(tmp_path / "net.pt"))
    model = rx.load_model(str(tmp_path / "net.pt"))
    photos = make_photos(3)
    assert model.batch_size == 1
    torch.testing.assert_close(model(photos), Pool().eval()(photos))


@pytest.mark.parametrize(("most", "batch"), [(0, 2), (None, None), (64, 8), (4, 4)])
def test_exported_programs(most, batch, tmp_path, make_photos):
    network, photos = Pool().eval(), make_photos(3)
    shapes = None if most == 0 else {"images": {0: torch.export.Dim("n", min=1, max=most)}}
    program = quietly(lambda: torch.export.export(network, (photos[:2],), dynamic_shapes=shapes))
    quietly(lambda: torch.export.save(program, tmp_path / "net.pt2"))
    model = rx.load_model(str(tmp_path / "net.pt2"))
    assert (model.batch_size, model.input_size, model.fixed_size) == (batch, 32, True)
    torch.testing.assert_close(model(photos), network(photos))
    assert rx.PixelRDE(model, steps=2, draws=2).explain(photos, 1).mask[0].isfinite().all()


def test_files_that_hold_no_network(tmp_path):
    torch.save(Pool().state_dict(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="name their network with `model`"):
        rx.load_model(str(tmp_path / "w.pt"))
    (tmp_path / "bad.pt2").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"cannot read .* as a torch.export file"):
        rx.load_model(str(tmp_path / "bad.pt2"))
    made = quietly(lambda: torch.jit.trace(nn.Flatten(0), torch.rand(1, 3, 32, 32)))
    quietly(lambda: made.save(tmp_path / "flat.pt"))
    with pytest.raises(ModelError, match="no scores of classes, regions or objects"):
        rx.load_model(str(tmp_path / "flat.pt"))


def test_networks_fixed_to_a_size_of_their_own(tmp_path):
    network = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3 * 49, 5)).eval()
    made = quietly(lambda: torch.jit.trace(network, torch.rand(1, 3, 224, 224)))
    quietly(lambda: made.save(tmp_path / "net.pt"))
    model = rx.load_model(str(tmp_path / "net.pt"))
    assert (model.input_size, model.fixed_size) == (224, True)
    assert model.weights == "net.pt"

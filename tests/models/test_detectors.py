"""Detectors before non-maximum suppression, against torchvision's own post-processing."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError
from rdexplain.methods import outcome
from rdexplain.models.detections import RawDetections, detections
from rdexplain.models.detectors import from_tensor
from rdexplain.models.torchvision_models import DETECTORS as TORCHVISION

ALL = torchvision.models.list_models(module=torchvision.models.detection)
DETECTORS = {
    "retinanet_resnet50_fpn": {"min_size": 64, "max_size": 96},
    "fcos_resnet50_fpn": {"min_size": 64, "max_size": 96},
    "ssdlite320_mobilenet_v3_large": {},
    "ssd300_vgg16": {},
    "fasterrcnn_mobilenet_v3_large_320_fpn": {"min_size": 160, "max_size": 200},
}


def build(name: str) -> nn.Module:
    """With random weights, and a head that is bold enough for something to be detected."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = {"weights": None, "weights_backbone": None, "num_classes": 6, **DETECTORS[name]}
        network = torchvision.models.get_model(name, **options).eval()
        for place, module in network.named_modules():
            of_classes = "cls_logits" in place or "classification_head" in place
            if (
                of_classes
                and isinstance(module, nn.Conv2d)
                and module.bias is not None
                and module.out_channels % 6 == 0
            ):
                nn.init.normal_(module.bias, -1, 1)
        _calibrate(network)
    return network


def _calibrate(network: nn.Module) -> None:
    """Batch normalisations with the statistics of an image: random networks explode or fade out without."""

    def measure(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        module.running_mean.copy_(inputs[0].mean(dim=(0, 2, 3)))
        module.running_var.copy_(inputs[0].var(dim=(0, 2, 3), correction=0) + 1e-3)

    kinds = (nn.BatchNorm2d, torchvision.ops.FrozenBatchNorm2d)
    handles = [module.register_forward_pre_hook(measure) for module in network.modules() if isinstance(module, kinds)]
    with torch.no_grad():
        network([torch.rand(3, 96, 96)])
    for handle in handles:
        handle.remove()


def images(count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, 48, 60, generator=torch.Generator().manual_seed(1))


# The others take long.
QUICK = [
    pytest.param(name, marks=[] if name.startswith(("retinanet", "ssdlite", "faster")) else pytest.mark.slow)
    for name in DETECTORS
]


@pytest.mark.parametrize("name", QUICK)
def test_the_raw_heads_agree_with_torchvisions_post_processing(name):
    network = build(name)
    model = rx.as_model(network)
    assert model.task == "detection"
    photos = images(2)
    rcnn = name.startswith("faster")
    threshold, overlap = 0.15, 0.5
    head = network.roi_heads if rcnn else network
    head.score_thresh = threshold
    head.nms_thresh = overlap
    head.topk_candidates = 10**6
    head.detections_per_img = 10**6
    with torch.no_grad():
        raw = model(photos)
        expected = network(list(photos))
    assert raw.scores.shape[0] == 2
    assert float(raw.scores.min()) >= 0
    assert float(raw.scores.max()) <= 1
    got = detections(raw, confidence=threshold, overlap=overlap, most=10**6)
    for ours, theirs in zip(got, expected, strict=True):
        assert len(theirs["scores"]) > 0
        if rcnn:  # it leaves out empty boxes
            ours = [one for one in ours if one.box[2] > one.box[0] and one.box[3] > one.box[1]]
        # Equal scores may come in another order; one at the very threshold may fall to either side by rounding.
        mine = torch.tensor([(*one.box, one.category * 1e3, one.confidence * 1e3) for one in ours])
        wanted = torch.cat((theirs["boxes"], theirs["labels"][:, None] * 1e3, theirs["scores"][:, None] * 1e3), dim=1)
        near = torch.cdist(wanted, mine, compute_mode="donot_use_mm_for_euclid_dist") < 0.05
        for found in (near.any(dim=0), near.any(dim=1)):
            assert float(found.float().mean()) > 0.998


@pytest.mark.parametrize("name", QUICK)
def test_gradients_and_everything_unchanged(name, monkeypatch):
    # The figures of the finished mask are not what is tested, and take a large detector minutes.
    monkeypatch.setattr(outcome, "FRESH_DRAWS", 4)
    monkeypatch.setattr(outcome, "EMPTY_DRAWS", 2)
    network = build(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.train()
    model = rx.as_model(network)
    photos = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    one = rx.PixelRDE(model, steps=2, draws=2).explain(photos, rx.Detect("anchors", confidence=0.0))
    assert one.mask[0].isfinite().all()
    assert float(one.history["distortion"][1]) > 0
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    network.eval()
    inputs = photos.clone().requires_grad_()
    raw = model(inputs)
    (slope,) = torch.autograd.grad(raw.scores.max(dim=2).values.sum(), inputs)
    assert slope.isfinite().all()
    assert slope.abs().max() > 0


def test_faster_rcnn_sees_the_same_proposals_again():
    model = rx.as_model(build("fasterrcnn_mobilenet_v3_large_320_fpn"))
    photos = images(2)
    with torch.no_grad():
        raw = model(photos)
        again = model(photos, raw.proposals)
        other = model(photos.flip(0), raw.proposals)
    torch.testing.assert_close(again.scores, raw.scores)
    torch.testing.assert_close(again.boxes, raw.boxes)
    assert torch.equal(other.proposals, raw.proposals)
    assert not torch.allclose(other.scores, raw.scores)


def test_they_are_listed_and_load_by_name():
    assert [info.name for info in TORCHVISION.list_models()] == ALL
    model = rx.load_model("ssdlite320_mobilenet_v3_large", weights="random")
    assert (model.task, model.find_class("person"), model.class_name(0)) == ("detection", 1, "background")
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 64, 64)).scores.shape[2] == 91


def with_objectness() -> torch.Tensor:
    """(1, 8, 7): two classes; an object of the first one twice, an object of the second one, and nothing."""
    rows = [[20, 20, 10, 20, 0.9, 0.8, 0.1], [21, 20, 10, 20, 0.9, 0.7, 0.1], [50, 40, 8, 8, 0.5, 0.2, 0.9]]
    return torch.tensor([rows + [[5, 5, 4, 4, 0.01, 0.5, 0.5]] * 5])


def test_a_tensor_with_objectness():
    raw = from_tensor(with_objectness())
    assert raw.boxes[0, 0].tolist() == [15, 10, 25, 30]
    torch.testing.assert_close(raw.scores[0, 2], torch.tensor([0.1, 0.45]))
    torch.testing.assert_close(raw.logits.sigmoid(), with_objectness()[..., 5:])
    (found,) = detections(raw)
    assert [(one.number, one.category, one.anchor) for one in found] == [(0, 0, 0), (1, 1, 2)]
    assert found[0].confidence == pytest.approx(0.72)


def test_a_tensor_without_objectness_has_an_anchor_in_each_column():
    whole = with_objectness()
    columns = torch.cat((whole[..., :4], whole[..., 5:] * whole[..., 4:5]), dim=2).transpose(1, 2)
    raw = from_tensor(columns)
    torch.testing.assert_close(raw.scores, from_tensor(whole).scores)
    torch.testing.assert_close(raw.boxes, from_tensor(whole).boxes)
    assert raw.objectness is None


@pytest.mark.parametrize("shape", [(2, 3), (1, 8, 5), (1, 4, 4), (1, 2, 3, 4)])
def test_tensors_that_are_none(shape):
    with pytest.raises(ModelError, match="the model returned"):
        from_tensor(torch.zeros(shape))


def test_parts_and_batches_of_raw_detections():
    raw = from_tensor(with_objectness().expand(3, -1, -1) * torch.tensor([1, 0.9, 0.8])[:, None, None])
    assert len(raw) == 3
    both = RawDetections.cat([raw[:1], raw[1:]])
    torch.testing.assert_close(both.scores, raw.scores)
    assert raw[torch.tensor([2, 2])].objectness.shape == (2, 8)
    assert raw[0].scores.shape == (8, 2)

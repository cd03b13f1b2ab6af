"""Objects of a detector: which, and what is read of their anchors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import rdexplain as rx
from rdexplain import Detect
from rdexplain.errors import ModelError, OptionError, TargetError
from rdexplain.models.decisions import AbsentError
from rdexplain.models.decisions.distortions import find_distortion
from rdexplain.models.decisions.objects import detected
from rdexplain.models.detectors import from_tensor

SHARED = Path(__file__).parents[3].parent / "shared"
WEIGHTS = SHARED / "weights" / "yolov5s_v6_coco.safetensors"
MODEL = rx.as_model(lambda images: images, classes=["cat", "dog"], task="detection")
# Centre, size, objectness, two classes: a cat by two anchors, a dog, a cat elsewhere, and nothing.
ANCHORS = [
    [20, 20, 10, 20, 0.9, 0.8, 0.1],
    [21, 20, 10, 20, 0.9, 0.7, 0.1],
    [50, 40, 8, 8, 0.5, 0.2, 0.9],
    [80, 20, 10, 10, 0.6, 0.6, 0.2],
    *[[5.0, 5.0, 4.0, 4.0, 0.01, 0.5, 0.4]] * 4,
]
OUTPUT = from_tensor(torch.tensor([ANCHORS]))


def test_objects_are_numbered_from_the_most_confident_on():
    rows = Detect("all").ask(MODEL, OUTPUT)
    assert rows.labels == ("cat 0", "dog 1", "cat 2")
    assert rows.targets == ((0, 0), (1, 1), (0, 2))
    assert rows.box[1].tolist() == [46, 36, 54, 44]
    assert rows.kind == "object"


@pytest.mark.parametrize(
    ("which", "labels"),
    [
        (0, ["cat 0"]),
        (2, ["cat 2"]),
        ("1", ["dog 1"]),
        ("cat", ["cat 0", "cat 2"]),
        (["dog", 0], ["cat 0", "dog 1"]),
        ([1, "dog"], ["dog 1"]),
    ],
)
def test_objects_by_number_and_class(which, labels):
    assert list(Detect(which).ask(MODEL, OUTPUT).labels) == labels


@pytest.mark.parametrize("target", [rx.Contrast(0, 1), rx.Segment(0), 1, "dog"])
def test_what_a_detector_has_no_answer_to(target):
    detector = MODEL.with_network(lambda images: OUTPUT[torch.zeros(len(images), dtype=torch.long)])
    with pytest.raises(TargetError, match="a detector's output is of objects: ask for a Detect"):
        rx.PixelRDE(detector, steps=1).explain(torch.full((1, 3, 8, 8), 0.5), target)


def test_the_distortion_is_the_weighted_mean_over_the_objects_anchors():
    decision = Detect("all").ask(MODEL, OUTPUT).decision
    other = from_tensor(torch.rand(2, 8, 7, generator=torch.Generator().manual_seed(0)))
    rows = torch.tensor([0, 1])
    clean = decision.read(OUTPUT[[0, 0, 0]], torch.arange(3))
    got = find_distortion("label").compare(clean[rows], decision.read(other, rows))
    p, q = OUTPUT.scores[0], other.scores
    cat = (p[0, 0] * (p[0, 0] - q[0, 0, 0]) ** 2 + p[1, 0] * (p[1, 0] - q[0, 1, 0]) ** 2) / (p[0, 0] + p[1, 0])
    dog = (p[2, 1] - q[1, 2, 1]) ** 2
    torch.testing.assert_close(got, torch.stack([cat, dog]))
    # The score is the confidence of the anchor that won.
    torch.testing.assert_close(decision.score(clean, torch.arange(3)), torch.tensor([0.72, 0.45, 0.36]))


def test_all_anchors_as_the_study_has_it():
    rows = Detect("anchors", study=True).ask(MODEL, OUTPUT)
    assert (rows.labels, rows.targets) == (("all detections",), ((-1, -1),))
    other = from_tensor(torch.rand(1, 8, 7, generator=torch.Generator().manual_seed(0)))
    first = torch.zeros(1, dtype=torch.long)
    got = find_distortion("label").compare(rows.decision.read(OUTPUT, first), rows.decision.read(other, first))
    p, q = OUTPUT.logits[0].softmax(1), other.logits[0].softmax(1)
    preferred = p.argmax(1)
    squares = [float(p[a, preferred[a]] - q[a, preferred[a]]) ** 2 for a in range(8)]
    assert float(got) == pytest.approx(sum(squares) / 8, rel=1e-5)


def test_all_anchors_weighted_by_their_confidence():
    decision = Detect("anchors").ask(MODEL, OUTPUT).decision
    other = from_tensor(torch.rand(1, 8, 7, generator=torch.Generator().manual_seed(0)))
    first = torch.zeros(1, dtype=torch.long)
    got = find_distortion("label").compare(decision.read(OUTPUT, first), decision.read(other, first))
    p, category = OUTPUT.scores[0].max(dim=1)
    q = other.scores[0][torch.arange(8), category]
    torch.testing.assert_close(got[0], (p * (p - q).square()).sum() / p.sum())


def test_what_is_not_there():
    with pytest.raises(AbsentError, match="no object 7 is detected; there is 0 cat, 1 dog, 2 cat"):
        Detect(7).ask(MODEL, OUTPUT)
    with pytest.raises(AbsentError, match="no dog is detected; there is 0 cat"):
        Detect("dog", confidence=0.5).ask(MODEL, OUTPUT)
    for which in (0, "all", "anchors"):
        with pytest.raises(AbsentError, match="nothing is detected with a confidence of 90 % or more"):
            Detect(which, confidence=0.9).ask(MODEL, OUTPUT)
    with pytest.raises(TargetError, match="horse"):
        Detect("horse").ask(MODEL, OUTPUT)
    with pytest.raises(TargetError, match="either all anchors together"):
        Detect(["anchors", 0])
    with pytest.raises(TargetError, match="at least one"):
        Detect([])
    with pytest.raises(ModelError, match=r"no detector, it gives a tensor \(2, 5\)"):
        Detect().ask(MODEL, torch.zeros(2, 5))
    with pytest.raises(OptionError, match="does not fit"):
        Detect().ask(MODEL, OUTPUT).decision.compared_by(find_distortion("l2"))


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs the weights beside the repository")
def test_an_object_needs_itself_and_not_the_others():
    """The real network: an object's reading changes a lot where it is destroyed, little where another one is."""
    model = rx.load_model("yolov5s", weights=WEIGHTS)
    photo = rx.load_photo(SHARED / "photos" / "detection" / "bus.jpg", 480, "letterbox").pixels[None]
    with torch.no_grad():
        raw = model(photo)
        rows = Detect(["1", "3"]).ask(model, raw)  # the two people who are furthest apart
        clean = rows.decision.read(raw[[0, 0]], torch.arange(2))
        changes = torch.zeros(2, 2)
        for destroyed, box in enumerate(rows.box):
            left, top, right, bottom = box.round().int().tolist()
            damaged = photo.clone()
            damaged[..., max(top, 0) : bottom, max(left, 0) : right] = 0.45
            reading = rows.decision.read(model(damaged.expand(2, -1, -1, -1)), torch.arange(2))
            changes[destroyed] = find_distortion("label").compare(clean, reading)
    assert (changes.diagonal() > 0.3).all()
    assert (changes[[0, 1], [1, 0]] < 0.02).all()
    assert [model.class_name(one.category) for one in detected(model, photo)[0]][:2] == ["bus", "person"]
    assert all(parameter.requires_grad for parameter in model.network.parameters())


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs the weights beside the repository")
def test_an_explanation_of_a_real_object_leaves_the_network_as_it_was(tmp_path):
    model = rx.load_model("yolov5s", weights=WEIGHTS)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    photo = rx.load_photo(SHARED / "photos" / "detection" / "eagle.jpg", 96, "letterbox")
    one = rx.PixelRDE(model, steps=2, draws=2).explain(photo.pixels[None], Detect(0, confidence=0.05))
    assert one.box.shape == (1, 4)
    assert one.mask[0].isfinite().all()
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    one.save(tmp_path / "eagle")
    assert torch.equal(rx.load_explanation(tmp_path / "eagle").box, one.box)
    assert one.record()["inside"]["area"] == pytest.approx(rx.results.focus.focus(one).area.item())

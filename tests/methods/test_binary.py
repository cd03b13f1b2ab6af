"""Classifiers of one output, and networks of labels that exclude nothing."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError, OptionError, TargetError
from rdexplain.models.decisions import Above, AbsentError, Contrast

SIZE = 16


class LeftHalf(nn.Module):
    """Logit 10 (mean of the left half - 0.5)."""

    def forward(self, images):
        return 10 * (images[..., : SIZE // 2].mean((1, 2, 3)) - 0.5)[:, None]


class Probability(LeftHalf):
    def forward(self, images):
        return super().forward(images).sigmoid()


class Flat(LeftHalf):
    def forward(self, images):
        return super().forward(images)[:, 0]


@pytest.fixture
def photos(make_photos):
    bright, dark = make_photos(2, SIZE)
    bright[..., : SIZE // 2] = 0.5 + bright[..., : SIZE // 2] / 2
    dark[..., : SIZE // 2] = dark[..., : SIZE // 2] / 2
    return torch.stack((bright, dark))


def answer(photos):
    return (10 * (photos[..., : SIZE // 2].double().mean((1, 2, 3)) - 0.5)).sigmoid()


NETWORKS = [LeftHalf, Probability, Flat]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", [rx.CartoonX, rx.PixelRDE])
def test_the_probability_is_the_sigmoid(network, method, photos):
    explain = method(network(), steps=2, draws=2, **({"levels": 1} if method is rx.CartoonX else {})).explain
    predicted = explain(photos)
    assert predicted.target.tolist() == [1, 0]
    p = answer(photos)
    torch.testing.assert_close(predicted.probability.double(), torch.stack((p[0], 1 - p[1])), rtol=0, atol=1e-6)
    torch.testing.assert_close(explain(photos, 1).probability.double(), p, rtol=0, atol=1e-6)
    torch.testing.assert_close(explain(photos, 0).probability.double(), 1 - p, rtol=0, atol=1e-6)
    assert explain(photos, top_k=2).target.tolist() == [1, 0, 0, 1]
    assert predicted.record()["options"]["activation"] == ("none" if network is Probability else "sigmoid")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("target", [0, 1])
def test_the_left_half_is_kept(network, target, photos):
    """Noise on the left changes the mean, so it is masked on the right alone, whichever class is explained."""
    method = rx.PixelRDE(network(), steps=120, sparsity=0.02, seed=1)
    mask = method.explain(photos[:1], target).mask[0][0]
    left, right = mask[:, : SIZE // 2].mean(), mask[:, SIZE // 2 :].mean()
    assert float(left) > 10 * float(right)


@pytest.mark.parametrize("target", [0, 1])
def test_cartoonx_keeps_the_left_half(target, photos):
    found = rx.CartoonX(LeftHalf(), wavelet="haar", levels=2, steps=200, sparsity=0.02, init="ones").explain(
        photos[:1], target
    )
    details = [band[0].sum(0) for band in found.mask[1:]]
    inside = sum(float(band[:, : band.shape[1] // 2].sum()) for band in details) + float(
        found.mask[0][0][:, : SIZE // 8].sum()
    )
    outside = sum(float(band[:, band.shape[1] // 2 :].sum()) for band in details) + float(
        found.mask[0][0][:, SIZE // 8 :].sum()
    )
    assert inside > 5 * outside
    assert float(found.distortion) < 0.2 * float(found.empty_distortion)


BASELINES = ["IntegratedGradients", "SmoothGrad", "Lime", "Occlusion"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", BASELINES)
def test_baselines(network, name, photos):
    """The left half alone matters, and what speaks for one class speaks against the other."""
    pytest.importorskip("captum")
    options = {"IntegratedGradients": {"steps": 8, "references": 2}, "SmoothGrad": {"n_samples": 8}}
    options |= {"Lime": {"n_samples": 60, "segments": 8}, "Occlusion": {"window": 4}}
    method = getattr(rx, name)(network(), **options[name])
    yes, no = (method.explain(photos[:1], target).scores[0][0] for target in (1, 0))
    left, right = yes[:, : SIZE // 2].abs().mean(), yes[:, SIZE // 2 :].abs().mean()
    assert float(left) > 3 * float(right)
    if name != "SmoothGrad":  # squares have no sign
        torch.testing.assert_close(no, -yes, rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("flat", [False, True])
def test_layers_of_a_network_with_one_output(flat, make_photos):
    pytest.importorskip("captum")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 1)]
        network = nn.Sequential(*layers, *([nn.Flatten(0)] if flat else []))
    photo = make_photos(1, SIZE)
    for name in ("GradCAM", "GuidedBackprop", "LRP"):
        yes, no = (getattr(rx, name)(network).explain(photo, target).scores[0] for target in (1, 0))
        assert float(yes.abs().max() + no.abs().max()) > 0
        if name == "LRP":  # the others keep the positive parts alone
            torch.testing.assert_close(no, -yes)


@pytest.mark.filterwarnings("ignore")
def test_the_evaluation_sees_two_classes(photos):
    from rdexplain.evaluation import Candidate, Settings, evaluate, subject

    found = rx.PixelRDE(LeftHalf(), steps=2, draws=2).explain(photos, 1)
    with subject(LeftHalf(), photos, 1) as rows:
        torch.testing.assert_close(rows.clean[:, 1].double(), answer(photos), rtol=0, atol=1e-6)
        settings = Settings(percentages=(0, 100), draws=2, domains=("pixel",), scores=("insertion", "deletion"))
        curves = evaluate(rows, Candidate(found), settings).curves.values()
    kept = next(curve for curve in curves if "l2" in curve.measures)
    # All is kept at 100 %: both classes are as they were. The distance of two classes is twice that of one.
    assert float(kept.measures["l2"].ravel()[-1]) == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(kept.measures["l2"], 2 * kept.measures["label"], rtol=1e-5, atol=1e-9)


def test_names_and_contrast(photos):
    model = rx.as_model(LeftHalf(), classes=["dark", "bright"])
    method = rx.PixelRDE(model, steps=1, draws=1)
    assert method.explain(photos).labels == ("bright", "dark")
    contrast = method.explain(photos, Contrast("bright", "dark"))
    torch.testing.assert_close(contrast.probability.double(), answer(photos), rtol=0, atol=1e-6)
    with pytest.raises(TargetError, match="0 to 1"):
        rx.PixelRDE(LeftHalf(), steps=1, draws=1).explain(photos, 2)


def test_a_regression_is_read_by_a_value(photos):
    """The number itself, not two classes."""
    found = rx.PixelRDE(LeftHalf(), steps=1, draws=1).explain(photos, lambda output: output[0])
    torch.testing.assert_close(found.probability, LeftHalf()(photos)[:, 0])


class Labels(nn.Module):
    """Logits of three labels: the left half, the right half, and neither."""

    def forward(self, images):
        left, right = images[..., : SIZE // 2].mean((1, 2, 3)), images[..., SIZE // 2 :].mean((1, 2, 3))
        return 10 * torch.stack((left - 0.4, right - 0.4, 0.2 - left), dim=1)


def labels(photos):
    return Labels()(photos).double().sigmoid()


@pytest.mark.parametrize("probabilities", [False, True])
def test_each_label_is_explained_by_itself(probabilities, photos):
    network = nn.Sequential(Labels(), nn.Sigmoid()) if probabilities else Labels()
    model = rx.as_model(network, classes=["left", "right", "dark"], activation="auto" if probabilities else "sigmoid")
    method = rx.PixelRDE(model, steps=2, draws=2)
    found = method.explain(photos, [["left", "right"], ["dark", "left"]])
    expected = labels(photos)
    rows = torch.stack((expected[0, 0], expected[0, 1], expected[1, 2], expected[1, 0]))
    torch.testing.assert_close(found.probability.double(), rows, rtol=0, atol=1e-6)
    above = method.explain(photos[:1], Above(0.2))
    wanted = [index for index in expected[0].argsort(descending=True).tolist() if expected[0, index] >= 0.2]
    assert above.target.tolist() == wanted
    with pytest.raises(AbsentError, match=r"no label has a probability of 1: the likeliest is"):
        method.explain(photos, Above(1.0))
    with pytest.raises(OptionError, match="above 0"):
        Above(0)


def test_the_divergence_of_labels_is_that_of_both_answers(photos):
    model = rx.as_model(Labels(), activation="sigmoid")
    with rx.PixelRDE(model, distortion="kl").problem(photos[:1], 0) as problem:
        objective = problem.objective
        clean = objective.clean
        other = objective.decision.read(Labels()(photos[1:]), torch.tensor([0]))
        found = objective.distortion.compare(clean, other)
    p, q = labels(photos[:1]), labels(photos[1:])
    expected = (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).sum(1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)


class Foreground(nn.Module):
    """A segmentation of one channel."""

    def forward(self, images):
        return 10 * (images.mean(1, keepdim=True) - 0.5)


def test_a_segmentation_of_one_channel(photos):
    model = rx.as_model(Foreground(), task="segmentation", classes=["background", "thing"])
    found = rx.PixelRDE(model, steps=1, draws=1).explain(photos)
    assert found.labels == ("thing", "thing")
    assert torch.equal(found.region, photos.mean(1) > 0.5)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("options", [{}, {"batch_size": 2}, {"batch_size": 1}])
def test_a_number_without_an_axis(count, options, photos):
    """Two photos at once show nothing of it; the images that the meaning is found out with come one by one."""
    model = rx.as_model(lambda images: LeftHalf()(images).squeeze(), **options)
    if options.get("batch_size") == 2:  # it is never asked for fewer
        assert rx.PixelRDE(model, steps=1, draws=1).explain(photos[:count]).labels == ("class 1", "class 0")[:count]
        return
    wrong = r"shape \(\) for 1 images, not \(n,\), \(n, 1\) or \(n, classes\): .* squeeze\(1\) keeps the axis"
    with pytest.raises(ModelError, match=wrong):
        rx.PixelRDE(model, steps=1, draws=1, batch_invariant=False).explain(photos[:count])


def test_a_probability_without_an_axis_is_not_taken_for_a_logit(photos):
    model = rx.as_model(lambda images: Probability()(images).squeeze())
    assert model(photos).shape == (2,)
    with pytest.raises(ModelError, match=r"shape \(\) for 1 images"):
        model.resolve(photos[:1])


def test_classes_without_an_axis(photos):
    with pytest.raises(ModelError, match=r"shape \(3,\) for 1 images, not .* squeeze\(1\)"):
        rx.PixelRDE(lambda images: Labels()(images).squeeze(), steps=1, draws=1).explain(photos[:1])


@pytest.mark.parametrize("network", [LeftHalf, Labels])
@pytest.mark.parametrize(
    ("target", "what"),
    [
        (None, "the model's output has the shape (2, {}, 1, 1), not (n,), (n, 1) or (n, classes)"),
        (1, "target 1 has 1 indices, the model's output of shape (n, {}, 1, 1) needs 3"),
        (Contrast(0, 1), "a contrast needs an output (n, classes), not (2, {}, 1, 1)"),
        (Above(0.1), "labels above a probability need an output (n, classes), not (2, {}, 1, 1)"),
    ],
)
def test_the_shape_that_is_named_is_the_network_s(network, target, what, photos):
    classes = network()(photos).shape[1]
    method = rx.PixelRDE(lambda images: network()(images)[..., None, None], steps=1, draws=1)
    said = re.escape(f"{what.format(classes)} (flatten(1) makes (n, {classes}) of it)")
    with pytest.raises(TargetError, match=f"^{said}(: give the target as a tuple.*)?$"):
        method.explain(photos, target)


def test_too_many_indices_for_one_number(photos):
    with pytest.raises(TargetError, match=r"\(0, 1\) has 2 indices, the model's output of shape \(n,\) needs 1$"):
        rx.PixelRDE(Flat(), steps=1, draws=1).explain(photos, (0, 1))


@pytest.mark.parametrize("said", ["auto", "sigmoid", "softmax"])
def test_kl_of_one_output_is_the_same_whatever_is_said(said):
    """Its two answers exclude each other: KL is p log p/q + (1 - p) log (1 - p)/(1 - q), counted once."""

    class LeftHalf(torch.nn.Module):
        def forward(self, images):
            return 10 * (images[..., :8].mean((1, 2, 3)) - 0.5)[:, None]

    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    model = rx.as_model(LeftHalf(), activation=said)
    method = rx.PixelRDE(model, distortion="kl", steps=0, init=torch.ones(16, 16), seed=1)
    rows = method.explain(image, 1)
    assert model.meaning.exclusive
    assert float(rows.distortion) == pytest.approx(0, abs=1e-6)
    empty = float(rows.empty_distortion)
    auto = rx.PixelRDE(rx.as_model(LeftHalf()), distortion="kl", steps=0, init=torch.ones(16, 16), seed=1)
    assert empty == pytest.approx(float(auto.explain(image, 1).empty_distortion))
    assert empty > 0

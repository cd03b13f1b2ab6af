"""What all baselines promise: the interface of the other methods, and a network that comes back as it was."""

from __future__ import annotations

import copy
import json
import sys

import numpy as np
import pytest
import torch

import rdexplain as rx
from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.errors import ModelError, OptionError, SolverError
from rdexplain.models import as_model

captum_attr = pytest.importorskip("captum.attr")
captum_metrics = pytest.importorskip("captum.metrics")

RANDOM = ("integrated_gradients", "smooth_grad", "lime", "random_pixel", "random_wavelet")


def flat(heatmap: rx.Heatmap) -> torch.Tensor:
    return torch.cat([band.flatten(1) for band in heatmap.scores], dim=1)


def test_rows(method, make_photos, tmp_path):
    photos = make_photos(2, (24, 20))
    found = method.explain(photos, [[1, 2], [0]], photos=["a.png", None])
    assert isinstance(found, rx.Heatmap)
    assert len(found) == 3
    assert found.photo.tolist() == [0, 0, 1]
    assert found.target.tolist() == [1, 2, 0]
    assert found.photos == ("a.png", "a.png", None)
    assert found.labels == ("class 1", "class 2", "class 0")
    assert torch.equal(found.images, photos[[0, 0, 1]])
    expected = method.model.probabilities(method.model(photos))[[0, 0, 1], [1, 2, 0]]
    torch.testing.assert_close(found.probability, expected)
    assert found.picture.shape == (3, 1, 24, 20)
    assert 0 <= found.picture.min() <= found.picture.max() <= 1
    transform = found.representation.transform((24, 20), torch.float32)
    assert [band.shape[1:] for band in found.scores] == [band.shape for band in transform.bands]
    assert isinstance(found.representation, Wavelet if method.name == "random_wavelet" else Pixel)
    assert (found.method, found.model, found.seed, found.device) == (method.name, "Sequential", 0, "cpu")
    assert found.network_evaluations == pytest.approx(method.work((24, 20)), abs=1)
    assert found.picture_at(7, 9).shape == (3, 1, 7, 9)
    assert json.loads(json.dumps(found.record(1)))["target"]["index"] == 2
    one = found[1]
    assert len(one) == 1
    assert torch.equal(flat(one), flat(found)[1:2])
    found.save(tmp_path / "heat")
    loaded = rx.load_heatmap(tmp_path / "heat")
    assert torch.equal(flat(loaded), flat(found))
    assert loaded.record(2) == found.record(2)
    assert repr(loaded) == repr(found)


def test_kinds_of_files_are_told_apart(network, make_photos, tmp_path):
    rx.RandomPixel(network).explain(make_photos(1)).save(tmp_path / "heat")
    with pytest.raises(rx.RDExplainError, match=r"holds another kind of result: load_heatmap\(\) reads it"):
        rx.load_explanation(tmp_path / "heat")
    explanation = rx.PixelRDE(network, steps=0, draws=1).explain(make_photos(1))
    assert explanation.scores is explanation.mask
    explanation.save(tmp_path / "mask")
    with pytest.raises(rx.RDExplainError, match=r"load_explanation\(\) reads it"):
        rx.load_heatmap(tmp_path / "mask")


def test_the_same_twice_and_another_seed(method, quick, make_photos):
    photos = make_photos(1)
    found = flat(method.explain(photos))
    assert torch.equal(flat(method.explain(photos)), found)
    other = flat(type(method)(method.model, **quick[type(method)], seed=1).explain(photos))
    assert torch.equal(other, found) == (method.name not in RANDOM)


def test_a_photo_alone_and_in_a_batch(method, quick, make_photos):
    photos = make_photos(3)
    together = flat(method.explain(photos, [1, 2, 3]))
    small = type(method)(method.model, **quick[type(method)], internal_batch_size=2)
    for number in range(3):
        alone = flat(small.explain(photos[number : number + 1], number + 1))
        torch.testing.assert_close(alone[0], together[number], rtol=1e-3, atol=1e-5)


def test_the_network_comes_back_as_it_was(method, make_photos):
    network = method.model.network
    network.train()
    network[0].weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    flags = [parameter.requires_grad for parameter in network.parameters()]
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    photos = make_photos(2)
    kept = photos.clone()
    method.explain(photos)
    method.attribute(photos, target=1)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert flags == [parameter.requires_grad for parameter in network.parameters()]
    assert all(module.training for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert_no_hooks(network)
    assert not any(hasattr(module, name) for module in network.modules() for name in ("rule", "activations"))
    assert torch.equal(photos, kept)
    assert not photos.requires_grad
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002


def assert_no_hooks(network):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    assert not any(getattr(module, kind) for module in network.modules() for kind in kinds)


def test_no_hook_outlives_an_error(method, make_photos, monkeypatch):
    network = method.model.network
    calls = []

    def fail(self, images):
        calls.append(len(images))
        if len(calls) > 1:  # the first call is that on the clean images
            raise RuntimeError("the network fails")
        return torch.nn.functional.adaptive_avg_pool2d(images, 2)

    monkeypatch.setattr(torch.nn.AdaptiveAvgPool2d, "forward", fail)
    if method.name.startswith("random"):
        method.explain(make_photos(1))
    else:
        with pytest.raises((RuntimeError, ModelError), match=r"the network fails|is no grid|cannot follow"):
            method.explain(make_photos(1))
    assert_no_hooks(network)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_what_comes_in_goes_out(method, make_photos):
    photos = make_photos(2, (24, 20))
    found = method.attribute(photos, target=[1, 2])
    assert found.shape == photos.shape
    assert found.dtype == photos.dtype
    assert not found.requires_grad
    assert torch.equal(method.attribute((photos,), target=[1, 2])[0], found)
    same = method.explain(photos, [1, 2], ids=[0, 0])
    if method.name == "random_wavelet":
        assert torch.equal(found, same.picture.expand(-1, 3, -1, -1))
    elif method.name in ("grad_cam", "random_pixel"):
        assert torch.equal(found[:, 0], same.scores[0])
    else:
        reduced = found.mean(1) if method.reduction == "mean" else found.sum(1)
        torch.testing.assert_close(reduced, same.scores[0], rtol=1e-4, atol=1e-6)


def test_captum_s_noise_tunnel_and_metrics(method, make_photos, perturb):
    photos = make_photos(2)
    torch.manual_seed(0)
    tunnel = captum_attr.NoiseTunnel(method)
    found = tunnel.attribute(photos, nt_type="smoothgrad_sq", nt_samples=2, stdevs=0.1, target=torch.tensor([1, 2]))
    assert found.shape == photos.shape
    assert found.isfinite().all()
    still = captum_metrics.sensitivity_max(
        method.attribute, photos, perturb_func=lambda inputs, radius: inputs, n_perturb_samples=2, target=1
    )
    assert still.max() < 1e-3
    infidelity = captum_metrics.infidelity(
        method.forward_func, perturb, photos, method.attribute(photos, target=1), target=1, n_perturb_samples=2
    )
    assert infidelity.shape == (2,)
    assert infidelity.isfinite().all()


def test_under_no_grad_and_inference_mode(method, make_photos):
    photos = make_photos(1)
    expected = method.attribute(photos, target=1)
    with torch.no_grad():
        assert torch.equal(method.attribute(photos, target=1), expected)
    with torch.inference_mode():
        assert torch.equal(method.attribute(photos.clone(), target=1), expected)


def test_steps(method, make_photos):
    photos = make_photos(1)
    if method.name == "integrated_gradients":
        fewer = method.attribute(photos, n_steps=1)
        assert not torch.equal(fewer, method.attribute(photos))
        assert method.steps == 4
    else:
        with pytest.raises(OptionError, match="has no steps"):
            method.attribute(photos, n_steps=1)


def test_further_arguments_and_callables(quick, network, make_photos):
    photos, factor = make_photos(2), torch.tensor([0.5, 2.0]).view(2, 1, 1, 1)
    for kind in (rx.IntegratedGradients, rx.SmoothGrad, rx.Lime, rx.Occlusion):
        method = kind(lambda images, scale: network(images * scale), **quick[kind])
        both = method.explain(photos, 1, additional_forward_args=factor)
        alone = kind(lambda images: network(images * 2), **quick[kind]).explain(photos[1:], 1)
        torch.testing.assert_close(flat(both)[1:], flat(alone), rtol=1e-3, atol=1e-5)
    for kind in (rx.GuidedBackprop, rx.GradCAM, rx.LRP):
        with pytest.raises(ModelError, match="layers"):
            kind(lambda images: network(images)).explain(photos)


LOOKS_INSIDE = ("guided_backprop", "grad_cam", "lrp")


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize("how", ["script", "trace", "freeze", "file"])
def test_a_compiled_network(method, quick, how, make_photos, tmp_path):
    """A method explains it as it does the network itself, or says that it cannot: a comparison then goes on."""
    photos, network = make_photos(2), method.model.network
    compiled = torch.jit.trace(network, photos) if how == "trace" else torch.jit.script(network)
    if how == "freeze":
        compiled = torch.jit.freeze(compiled)
    model = as_model(compiled)
    if how == "file":
        compiled.save(str(tmp_path / "net.pt"))
        model = rx.load_model(str(tmp_path / "net.pt"))
    other = type(method)(model, **quick[type(method)])
    if method.name in LOOKS_INSIDE:
        with pytest.raises(ModelError, match=r"is no nn\.Module with layers of its own"):
            other.explain(photos, 1)
    else:
        torch.testing.assert_close(
            flat(other.explain(photos, 1)), flat(method.explain(photos, 1)), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("kind", [rx.GuidedBackprop, rx.LRP])
@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_part_that_is_compiled_cannot_be_changed(kind, network, make_photos):
    """Half guided, it would be neither the plain gradient nor the guided one."""
    half = torch.nn.Sequential(network[:3], torch.jit.script(network[3:])).eval()
    with pytest.raises(ModelError, match=r"is no nn\.Module with layers of its own"):
        kind(half).explain(make_photos(1), 1)


def test_options_that_cannot_be(network):
    for kind, options, message in (
        (rx.GradCAM, {"score": "logits"}, "did you mean logit"),
        (rx.IntegratedGradients, {"steps": 0}, "steps"),
        (rx.IntegratedGradients, {"references": 1.5}, "references"),
        (rx.SmoothGrad, {"n_samples": 0}, "n_samples"),
        (rx.SmoothGrad, {"spread": -1}, "spread"),
        (rx.LRP, {"rule": "gamma"}, "unknown rule"),
        (rx.LRP, {"epsilon": 0}, "epsilon"),
        (rx.Lime, {"segments": 0}, "segments"),
        (rx.Occlusion, {"window": 0}, "window"),
        (rx.RandomPixel, {"seed": -1}, "seed"),
        (rx.RandomWavelet, {"wavelet": "bd3"}, "did you mean db3"),
    ):
        with pytest.raises(OptionError, match=message):
            kind(network, **options)
    with pytest.raises(TypeError, match="no option 'sparsity'"):
        rx.GradCAM(network, sparsity=3)


def test_values_that_are_not_finite_name_the_photo(make_photos):
    photos = make_photos(2)

    def network(images):
        means = images.mean((2, 3))
        scale = torch.where(torch.is_grad_enabled() & (images[:, 0, 0, 0] == photos[1, 0, 0, 0]), torch.inf, 1.0)
        return means * scale[:, None]

    with pytest.raises(SolverError, match="image 1 of the batch") as caught:
        rx.SmoothGrad(rx.as_model(network, activation="softmax"), n_samples=1, spread=0).explain(photos)
    assert caught.value.photos == (1,)


@pytest.mark.parametrize("name", ["IntegratedGradients", "GuidedBackprop", "LRP", "Lime", "Occlusion"])
def test_a_missing_captum(name, network, monkeypatch):
    for module in [module for module in sys.modules if module.partition(".")[0] == "captum"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(OptionError, match=r'needs captum: .*pip install "\.\[evaluation\]"'):
        getattr(rx, name)(network)


def test_a_missing_scikit_image(network, monkeypatch):
    for module in [module for module in sys.modules if module.partition(".")[0] == "skimage"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(OptionError, match="Lime needs scikit-image"):
        rx.Lime(network)

"""Captum's interface, with captum's own metrics, noise tunnel and pictures."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
import torch

from rdexplain import CartoonX, PixelRDE, as_model
from rdexplain.errors import OptionError, PhotoError, TargetError
from rdexplain.methods import outcome

captum_attr = pytest.importorskip("captum.attr")
captum_metrics = pytest.importorskip("captum.metrics")

QUICK = {"steps": 4, "draws": 4, "sparsity": 0.1, "step_size": 0.1}


@pytest.fixture(autouse=True)
def _few_fresh_draws(monkeypatch):
    monkeypatch.setattr(outcome, "FRESH_DRAWS", 4)
    monkeypatch.setattr(outcome, "EMPTY_DRAWS", 4)


@pytest.fixture(params=["CartoonX", "PixelRDE"])
def method(request, smooth_network):
    if request.param == "CartoonX":
        return CartoonX(smooth_network(), wavelet="db2", levels=2, **QUICK)
    return PixelRDE(smooth_network(), **QUICK)


def test_what_comes_in_goes_out(method, make_photos):
    photos = make_photos(2, (32, 40))
    found = method.attribute(photos, target=1)
    assert isinstance(found, torch.Tensor)
    assert found.shape == photos.shape
    assert found.dtype == photos.dtype
    assert not found.requires_grad
    (inside,) = method.attribute((photos,), target=1)
    assert torch.equal(inside, found)
    assert isinstance(method.attribute((photos,), target=1), tuple)


def test_it_is_the_explanation_s_picture(method, make_photos):
    photos = make_photos(2)
    explanation = method.explain(photos, [1, 2], ids=[0, 0])
    found = method.attribute(photos, target=[1, 2])
    assert torch.equal(found, explanation.picture.expand(-1, 3, -1, -1))
    if isinstance(method, PixelRDE):
        assert torch.equal(found[:, 0], explanation.mask[0])


def test_it_can_be_written_to(method, make_photos):
    """Captum's attributions are ordinary tensors."""
    found = method.attribute(make_photos(1), target=1)
    found[0, 0] = 7.0
    assert not (found[0, 1] == 7).any()


@pytest.mark.parametrize(
    ("target", "same"),
    [
        (2, [2, 2]),
        ((2,), [2, 2]),
        (torch.tensor(2), [2, 2]),
        (torch.tensor([2]), [2, 2]),
        (torch.tensor([2, 3]), [2, 3]),
        (torch.tensor([[2], [3]]), [2, 3]),
        ([2, 3], [2, 3]),
        ([(2,), (3,)], [2, 3]),
    ],
)
def test_targets_are_captum_s(target, same, make_photos, smooth_network):
    photos = make_photos(2)
    method = PixelRDE(smooth_network(), **QUICK)
    expected = method.explain(photos, same, ids=[0, 0]).picture.expand(-1, 3, -1, -1)
    assert torch.equal(method.attribute(photos, target=target), expected)


def test_no_target_is_the_prediction(method, make_photos):
    photos = make_photos(2)
    predicted = method.forward_func(photos).argmax(1)
    assert torch.equal(method.attribute(photos), method.attribute(photos, target=predicted))


def test_targets_of_maps(make_photos):
    method = PixelRDE(as_model(lambda images: torch.cat((images, 1 - images), 1), activation="softmax"), **QUICK)
    photos = make_photos(2)
    one = method.attribute(photos, target=(3, 4, 5))
    assert one.shape == photos.shape
    assert torch.equal(one, method.attribute(photos, target=[(3, 4, 5), (3, 4, 5)]))


def test_targets_that_cannot_be(method, make_photos):
    with pytest.raises(TargetError):
        method.attribute(make_photos(1), target=99)
    with pytest.raises(TargetError):
        method.attribute(make_photos(2), target=[0, 1, 2])


def test_additional_forward_args(make_photos, smooth_network):
    network, photos = smooth_network(), make_photos(2)
    factor = torch.tensor([0.5, 2.0]).view(2, 1, 1, 1)
    method = PixelRDE(lambda images, scale, offset=0.0: network(images * scale + offset), **QUICK)
    both = method.attribute(photos, target=1, additional_forward_args=(factor, 0.1))
    alone = PixelRDE(lambda images: network(images * 0.5 + 0.1), **QUICK).attribute(photos[:1], target=1)
    torch.testing.assert_close(both[:1], alone, rtol=0, atol=1e-4)
    tensor = method.attribute(photos, target=1, additional_forward_args=factor)
    assert not torch.allclose(tensor, both)


def test_n_steps_and_internal_batch_size(method, make_photos, recorder):
    photos = make_photos(2)
    before = repr(method), method.options
    none = method.attribute(photos, target=1, n_steps=0)
    assert not torch.equal(method.attribute(photos, target=1), none)
    assert torch.equal(method.attribute(photos, target=1, n_steps=4), method.attribute(photos, target=1))
    one = method.attribute(photos, target=1, internal_batch_size=1)
    torch.testing.assert_close(one, method.attribute(photos, target=1), rtol=0, atol=1e-3)
    assert (repr(method), method.options) == before
    eyes = recorder(method.model)
    PixelRDE(eyes, **QUICK).attribute(photos, target=1, n_steps=6, internal_batch_size=3)
    assert max(map(len, eyes.seen)) == 3
    for name, value in (("n_steps", -1), ("n_steps", 2.5), ("internal_batch_size", 0)):
        with pytest.raises(OptionError, match=name):
            method.attribute(photos, **{name: value})


@pytest.mark.parametrize("inputs", [None, 3, [torch.zeros(1, 3, 32, 32)], (torch.zeros(1, 3, 8, 8),) * 2, ()])
def test_inputs_that_cannot_be(method, inputs):
    with pytest.raises(OptionError, match="takes one image tensor, or a tuple of one"):
        method.attribute(inputs)


def test_images_that_cannot_be(method, make_photos):
    with pytest.raises(OptionError, match="shape"):
        method.attribute(torch.zeros(3, 32, 32))
    with pytest.raises(OptionError, match="shape"):
        method.attribute(torch.zeros(()))
    with pytest.raises(OptionError, match=r"uint8"):
        method.attribute(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(PhotoError, match="NaN"):
        method.attribute(make_photos(1) * float("nan"))


def test_values_outside_zero_and_one_are_allowed(method, make_photos):
    assert method.attribute(make_photos(1) * 2 - 0.5, target=1).isfinite().all()


def test_works_without_autograd(method, make_photos):
    photos = make_photos(2)
    expected = method.attribute(photos, target=1)
    with torch.no_grad():
        assert torch.equal(method.attribute(photos, target=1), expected)
    photos.requires_grad_()
    assert torch.equal(method.attribute(photos, target=1), expected)
    assert photos.grad is None


def test_names(method):
    assert method.get_name() == type(method).__name__
    assert method.has_convergence_delta() is False
    assert method.multiplies_by_inputs is False
    assert callable(method.attribute.__wrapped__)


def test_the_noise_does_not_follow_a_small_change(make_photos, smooth_network):
    """All images of a call share their streams, so a metric sees how the method answers, not its noise."""
    photo, network = make_photos(1, 32, torch.float64) * 0.9 + 0.05, smooth_network(torch.float64)
    near = photo + 0.01 * torch.rand(photo.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    method = PixelRDE(network, **QUICK)
    one, other = method.attribute(photo, target=1), method.attribute(near, target=1)
    keyed = [method.explain(image, 1).picture for image in (photo, near)]
    change, with_noise = float((one - other).abs().mean()), float((keyed[0] - keyed[1]).abs().mean())
    assert 0 < change < 0.3 * with_noise
    assert torch.equal(one, method.attribute(photo, target=1))
    elsewhere = method.attribute(torch.cat((near, photo)), target=1)[1:]
    again = method.attribute(torch.cat((photo, photo)), target=1)[1:]
    torch.testing.assert_close(elsewhere, again, rtol=0, atol=1e-9)


def test_infidelity(method, make_photos, perturb):
    photos = make_photos(2)
    found = captum_metrics.infidelity(
        method.forward_func, perturb, photos, method.attribute(photos, target=1), target=1, n_perturb_samples=5
    )
    assert found.shape == (2,)
    assert found.isfinite().all()
    assert (found >= 0).all()


def test_sensitivity_max(method, make_photos):
    photos = make_photos(2)
    torch.manual_seed(0)
    found = captum_metrics.sensitivity_max(
        method.attribute, photos, perturb_radius=0.001, n_perturb_samples=2, target=1
    )
    assert found.shape == (2,)
    assert found.isfinite().all()
    assert (found > 0).all()


@pytest.mark.parametrize("together", [2, None])
def test_sensitivity_max_of_no_perturbation_is_zero(method, together, make_photos):
    """Captum asks for the attributions of several perturbed images in one call: they share the original's noise."""
    found = captum_metrics.sensitivity_max(
        method.attribute,
        make_photos(2),
        perturb_func=lambda inputs, radius: inputs,
        n_perturb_samples=3,
        max_examples_per_batch=together,
        target=1,
    )
    assert found.max() < 1e-3


def test_noise_tunnel(method, make_photos):
    photos = make_photos(2)
    torch.manual_seed(0)
    for kind in ("smoothgrad", "smoothgrad_sq", "vargrad"):
        found = captum_attr.NoiseTunnel(method).attribute(
            photos, nt_type=kind, nt_samples=3, stdevs=0.1, target=torch.tensor([1, 2]), n_steps=2
        )
        assert found.shape == photos.shape
        assert found.isfinite().all()
    still = captum_attr.NoiseTunnel(method).attribute(photos[:1], nt_samples=1, stdevs=0.0, target=1)
    torch.testing.assert_close(still, method.attribute(photos[:1], target=1), rtol=0, atol=1e-4)


def test_captum_s_picture(method, make_photos):
    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from captum.attr import visualization
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    photo = make_photos(1)
    found = method.attribute(photo, target=1)
    arrays = [tensor[0].permute(1, 2, 0).numpy() for tensor in (found, photo)]
    for kind in ("heat_map", "blended_heat_map"):
        figure, _ = visualization.visualize_image_attr(*arrays, method=kind, sign="positive", use_pyplot=False)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        assert np.asarray(canvas.buffer_rgba()).std() > 0
    plt.close("all")

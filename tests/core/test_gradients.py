"""Networks that have no gradient by their input: one line, whoever asks for it."""

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.core.gradients import differentiating
from rdexplain.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*quantiz.*")


class Changed(nn.Module):
    """A small network of which a function makes another."""

    def __init__(self, change):
        super().__init__()
        self.change = change
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        )

    def forward(self, images):
        return self.change(self.layers, images)


NETWORKS = {
    "quantised": lambda layers, images: layers(images),
    "detached": lambda layers, images: layers(images).detach(),
    "numpy": lambda layers, images: layers(torch.from_numpy(images.numpy())),
    "detached numpy": lambda layers, images: layers(torch.from_numpy(images.detach().numpy())),
    "argmax": lambda layers, images: nn.functional.one_hot(layers(images).argmax(1), 3).float(),
    "another leaf": lambda layers, images: layers(images.detach().clone().requires_grad_()),
}


def build(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Changed(NETWORKS[name]).eval()
    if name == "quantised":
        return torch.ao.quantization.quantize_dynamic(network, {nn.Linear})
    return network


METHODS = {
    "mask": (rx.PixelRDE, {"steps": 1, "draws": 1}),
    "start by the gradient": (rx.PixelRDE, {"steps": 1, "draws": 1, "init": "gradient"}),
    "integrated_gradients": (rx.IntegratedGradients, {"steps": 2, "references": 1}),
    "smooth_grad": (rx.SmoothGrad, {"n_samples": 2}),
    "guided_backprop": (rx.GuidedBackprop, {}),
    "grad_cam": (rx.GradCAM, {}),
}


# Another leaf leaves the layers their gradient, and Grad-CAM needs no other.
PAIRS = [(name, method) for name in NETWORKS for method in METHODS if (name, method) != ("another leaf", "grad_cam")]


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_no_gradient_is_one_line(name, method):
    kind, options = METHODS[method]
    if kind in (rx.IntegratedGradients, rx.GuidedBackprop):
        pytest.importorskip("captum")
    with pytest.raises(ModelError, match="the model is not differentiable: ") as caught:
        kind(build(name), **options).explain(torch.rand(2, 3, 8, 8))
    assert "\n" not in str(caught.value)


def test_methods_without_gradients_still_work():
    heatmap = rx.Occlusion(build("detached"), window=4, stride=4).explain(torch.rand(1, 3, 8, 8))
    assert heatmap.scores[0].isfinite().all()


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="of its own") as caught, differentiating():
        raise RuntimeError("of its own")
    assert not isinstance(caught.value, ModelError)

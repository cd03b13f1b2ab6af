"""What is switched on around a call, and what else the process does."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from tests.situations.conftest import explained, plain_network, same, some_photos
from tests.situations.marks import situation
from torch import nn

import rdexplain as rx


@contextmanager
def set_for_a_while(put, value, before):
    put(value)
    try:
        yield
    finally:
        put(before)


@situation(
    "Under no_grad, in inference mode, or with gradients switched off for the whole process",
    source="torch-cam#26",
    right="the explanation as outside, by Grad-CAM too; gradients stay off",
)
@pytest.mark.parametrize(
    "around",
    [torch.no_grad, torch.inference_mode, lambda: set_for_a_while(torch.set_grad_enabled, False, True)],
)
def test_without_gradients(around, network, photo):
    expected, map_ = explained(network, photo), rx.GradCAM(network).explain(photo).scores[0]
    with around():
        same(explained(network, photo), expected)
        torch.testing.assert_close(rx.GradCAM(network).explain(photo).scores[0], map_)
        assert not torch.is_grad_enabled()


@situation(
    "Images made in inference mode, as in a validation loop of Lightning",
    source="pytorch-grad-cam#381",
    right="the explanation of the same images made outside",
)
def test_images_from_inference_mode(network, photo):
    with torch.inference_mode():
        images = photo * 1
    assert images.is_inference()
    same(explained(network, images), explained(network, photo))


@situation(
    "Inside autocast: maps come out in half precision",
    source="captum#1199",
    right="the explanation as outside, bit for bit, by every kind of method",
)
@pytest.mark.parametrize("method", [rx.CartoonX, rx.PixelRDE, rx.GradCAM, rx.IntegratedGradients, rx.LRP, rx.Occlusion])
def test_autocast(method, network, photo):
    options = {"steps": 2, "draws": 2} if method in (rx.CartoonX, rx.PixelRDE) else {}
    expected = method(network, **options).explain(photo)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = method(network, **options).explain(photo)
        assert torch.is_autocast_enabled("cpu")
    assert found.picture.dtype == torch.float32
    assert torch.equal(found.picture, expected.picture)
    assert torch.equal(found.probability, expected.probability)


@situation(
    "A network that runs under autocast by itself",
    source="pytorch-grad-cam#329",
    right="it is explained, near what it says without",
)
def test_a_network_with_autocast_of_its_own(photo):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = plain_network()

        def forward(self, images):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.network(images)

    found, expected = explained(Net(), photo), explained(plain_network(), photo)
    assert found.picture.dtype == torch.float32
    torch.testing.assert_close(found.probability, expected.probability, rtol=0, atol=0.02)


@situation(
    "Deterministic algorithms asked for",
    source="-",
    right="the same explanation, by every kind of method",
)
def test_deterministic_algorithms(network, photo):
    expected = explained(network, photo)
    with set_for_a_while(torch.use_deterministic_algorithms, True, False):
        same(explained(network, photo), expected)
        rx.CartoonX(network, steps=1, draws=1).explain(photo)
        for method in (rx.GradCAM, rx.IntegratedGradients, rx.LRP, rx.Lime, rx.Occlusion):
            method(network).explain(photo)


@situation(
    "Another default type of floating-point numbers",
    source="shap#3725",
    right="the same explanation, in the images' type",
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_default_type(dtype, network, photo):
    expected = explained(network, photo)
    with set_for_a_while(torch.set_default_dtype, dtype, torch.float32):
        found = explained(network, photo)
        cartoon = rx.CartoonX(network, steps=1, draws=1).explain(photo)
        heats = [method(network).explain(photo) for method in (rx.GradCAM, rx.LRP, rx.Lime, rx.RandomWavelet)]
    same(found, expected)
    assert {one.picture.dtype for one in (found, cartoon, *heats)} == {torch.float32}


@situation(
    "Another default device, while network and images are on the CPU",
    source="captum#1879",
    right="the same explanation",
)
@pytest.mark.parametrize("method", [rx.CartoonX, rx.PixelRDE, rx.GradCAM, rx.Lime, rx.Occlusion])
def test_default_device(method, network, photo):
    options = {"steps": 2, "draws": 2} if method in (rx.CartoonX, rx.PixelRDE) else {}
    expected = method(network, **options).explain(photo)
    with torch.device("meta"):  # a stand-in for a GPU: whatever is made there by mistake cannot be used
        found = method(network, **options).explain(photo)
    assert torch.equal(found.picture, expected.picture)


@situation(
    "NumPy raises on every division by zero and underflow, autograd looks for anomalies",
    source="pytorch-grad-cam#107",
    right="nothing of the kind happens",
)
@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_strict_arithmetic(network, photo):
    with np.errstate(all="raise"), torch.autograd.detect_anomaly():
        explained(network, photo)
        rx.CartoonX(network, steps=1, draws=1).explain(photo)
        for method in (rx.GradCAM, rx.LRP, rx.Lime):
            method(network).explain(photo)


@situation(
    "Several explanations at once in threads, as in a web server",
    source="torch-cam#23",
    right="each is that of its photo alone; afterwards the network has its mode, flags and no hooks",
)
def test_threads():
    photos, network = some_photos(4), plain_network().train()
    expected = [explained(network, photos[place : place + 1]) for place in range(4)]
    maps = [rx.GradCAM(network).explain(photos[place : place + 1]).scores[0] for place in range(4)]
    found: list = [None] * 4

    def work(place):
        photo = photos[place : place + 1]
        found[place] = (explained(network, photo), rx.GradCAM(network).explain(photo).scores[0])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in range(4):
        same(found[place][0], expected[place])
        torch.testing.assert_close(found[place][1], maps[place])
    assert all(module.training and not module._forward_hooks for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    network(photos)  # tracing has put nn.Module's own methods back


@situation(
    "The same call gives another explanation each time, whatever seed is set",
    source="lime#477",
    right="equal seeds give equal masks, and the process's random state is not touched",
)
def test_seeds(network, photo):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = explained(network, photo)
    lime = rx.Lime(network, n_samples=12, segments=6).explain(photo)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(explained(network, photo).mask[0], first.mask[0])
    assert torch.equal(rx.Lime(network, n_samples=12, segments=6).explain(photo).scores[0], lime.scores[0])

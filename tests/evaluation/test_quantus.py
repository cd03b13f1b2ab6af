"""Quantus' metrics on our heatmaps, where its definitions are ours, and our methods as its `explain_func`.

Of version 0.6.0: its ROAD and IROF take images of one channel alone, so the images here are grey.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rdexplain.errors import OptionError
from rdexplain.evaluation import Cascade, explain_func, in_own, subject
from rdexplain.evaluation.cascade import cascade
from rdexplain.evaluation.concentration import complexity, sparseness
from rdexplain.evaluation.curves import PROBABILITY
from rdexplain.evaluation.insertion import deletion
from rdexplain.evaluation.irof import irof
from rdexplain.evaluation.likeness import rank_correlation
from rdexplain.evaluation.localisation import energy_in_box, inside, pointing_game
from rdexplain.evaluation.road import PERCENTAGES, fill_in, road
from rdexplain.methods.baselines import Occlusion
from rdexplain.methods.registry import METHODS
from rdexplain.models import as_model

SIZE, TARGET, GREY = 20, [2, 4], 0.4
PLAIN = {"disable_warnings": True, "normalise": False, "abs": False}
"""Scores as they are, as we take them."""
OPTIONS = {
    "cartoonx": {"steps": 3, "draws": 2, "levels": 1},
    "pixel_rde": {"steps": 3, "draws": 2},
    "integrated_gradients": {"steps": 4, "references": 2},
    "lrp": {},
    "occlusion": {"window": 5},
}


@pytest.fixture
def quantus(monkeypatch):
    # Some metrics integrate by a function that NumPy 2.4 has no more.
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    return pytest.importorskip("quantus", reason="needs the extra quantus", exc_type=ImportError)


class Grey(nn.Module):
    """A network of three channels, for images of one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network((images.expand(-1, 3, -1, -1) - GREY) / 0.5)


@pytest.fixture
def case(smooth_network, make_photos, make_result):
    """Grey images with scores that all differ: rows of a subject, a result, and what Quantus takes of these."""
    network = smooth_network()
    images = make_photos(2, SIZE).mean(dim=1, keepdim=True)
    scores = torch.rand(2, SIZE**2, generator=torch.Generator().manual_seed(1))
    result = make_result(images.expand(-1, 3, -1, -1), scores, target=TARGET)
    with subject(as_model(network, mean=GREY, std=0.5), result.images, TARGET, accelerate=False) as rows:
        theirs = {
            "model": Grey(network).eval(),
            "x_batch": images.numpy(),
            "y_batch": np.array(TARGET),
            "a_batch": scores.view(2, 1, SIZE, SIZE).numpy().copy(),
        }
        yield rows, result, theirs


def test_what_road_fills_in(quantus, make_photos):
    from quantus.functions.perturb_func import noisy_linear_imputation

    image = make_photos(1, (14, 17), torch.float64)[0]
    for share in (0.1, 0.5, 0.9):
        gone = torch.rand(14, 17, generator=torch.Generator().manual_seed(3)) < share
        indices = gone.flatten().nonzero().flatten().numpy()
        expected = noisy_linear_imputation(image.numpy(), indices, noise=0.0)
        np.testing.assert_allclose(fill_in(image, gone).numpy(), expected.reshape(3, 14, 17), atol=1e-9)


def test_road(quantus, case):
    """Its accuracy at each percentage, where what is explained is what the network says."""
    rows, result, theirs = case
    clean = rows.clean.argmax(dim=1)
    theirs["y_batch"] = clean.numpy()
    found = quantus.ROAD(percentages=list(PERCENTAGES), noise=0.0, **PLAIN)(**theirs)
    ours = road(rows, in_own(result), noise=0.0).measures["agreement"].mean(dim=0)
    assert list(found.values()) == pytest.approx(ours.tolist())
    assert 0 < ours.mean() < 1


def test_irof(quantus, case):
    rows, result, theirs = case
    from quantus.helpers.utils import get_superpixel_segments

    segments = [get_superpixel_segments(image[0][..., None].astype("double"), "slic") for image in theirs["x_batch"]]
    count = [len(np.unique(one)) for one in segments]
    expected = [
        # One image at a time, as Quantus fills up the shorter curves of a batch. It leaves out the first point.
        float(quantus.IROF(perturb_baseline=GREY, return_aggregate=False, **PLAIN)(**_row(theirs, row))[0])
        for row in range(2)
    ]
    ours = irof(rows, in_own(result), segments=torch.from_numpy(np.stack(segments)).long())
    for row in range(2):
        flat = torch.from_numpy(segments[row]).flatten()
        best = max(range(count[row]), key=lambda one: float(result.scores[0][row].flatten()[flat == one].mean()))
        image = rows.images[row : row + 1].clone()
        image[:, :, torch.from_numpy(segments[row]) == best] = GREY
        first = rows.probabilities(image)[0, TARGET[row]] / rows.clean[row, TARGET[row]]
        area = count[row] - expected[row] + (1 + float(first)) / 2
        assert float(ours[row]) == pytest.approx(1 - area / count[row], abs=1e-5)


def _row(theirs, row):
    return {name: value if name == "model" else value[row : row + 1] for name, value in theirs.items()}


def test_pixel_flipping_is_deletion(quantus, case):
    """The same fifty steps, with the same grey in place of what is removed; Quantus leaves out the first point."""
    rows, result, theirs = case
    metric = quantus.PixelFlipping(features_in_step=SIZE**2 // 50, perturb_baseline=GREY, **PLAIN)
    _, ours = deletion(rows, in_own(result))
    np.testing.assert_allclose(ours.measures[PROBABILITY][:, 1:], metric(**theirs, softmax=True), atol=1e-5)


def test_sparseness_and_complexity(quantus, case):
    _, result, theirs = case
    flat = in_own(result).scores
    for metric, ours in ((quantus.Sparseness, sparseness), (quantus.Complexity, complexity)):
        found = metric(**PLAIN)(**theirs | {"a_batch": theirs["a_batch"].copy()})
        assert [float(one) for one in found] == pytest.approx(ours(flat).tolist(), rel=1e-4)


def test_localisation(quantus, case):
    _, result, theirs = case
    maps = in_own(result).scores.view(2, SIZE, SIZE)
    top = divmod(int(maps[0].argmax()), SIZE)
    boxes = inside([[(top[1], top[0], top[1] + 1, top[0] + 1)], [(2, 3, 9, 8)]], SIZE, SIZE)
    theirs["s_batch"] = boxes[:, None].numpy()
    assert pointing_game(maps, boxes).tolist() == [1, 0]
    assert [float(one) for one in quantus.PointingGame(**PLAIN)(**theirs)] == [1, 0]
    found = quantus.RelevanceMassAccuracy(**PLAIN)(**theirs)
    assert [float(one) for one in found] == pytest.approx(energy_in_box(maps, boxes).tolist(), rel=1e-4)


def test_model_parameter_randomisation(quantus, smooth_network, make_photos, monkeypatch):
    """The cascade, with Quantus' seeds in place of ours, and by a method that is not random."""
    network, photos = smooth_network(), make_photos(2, 32)
    monkeypatch.setattr(
        "rdexplain.evaluation.randomisation._seed", lambda seed, name: torch.default_generator.manual_seed(43)
    )
    with torch.random.fork_rng(devices=[]):
        scores = quantus.MPRT(**PLAIN)(
            network,
            photos.numpy(),
            np.array([1, 2]),
            a_batch=explain_func(network, photos, [1, 2], method="occlusion", window=8),
            explain_func=explain_func,
            explain_func_kwargs={"method": "occlusion", "window": 8},
        )
    model = as_model(network)
    method, networks = Occlusion(model, window=8), Cascade(model, (32, 32))
    with subject(model, photos, [1, 2]) as rows:
        ours = cascade(rows, method, method.explain(photos, [1, 2]), networks).measures["rank_correlation"]
    assert list(scores) == ["original", *reversed(networks.layers)]
    for place, found in enumerate(scores.values()):
        assert found == pytest.approx(ours[:, place].tolist(), abs=1e-6)
    assert ours[:, 1:].max() < 0.9


@pytest.mark.parametrize("method", OPTIONS)
def test_quantus_explains_by_our_methods(quantus, method, smooth_network, make_photos):
    """It asks again for what it is given, and for what becomes of it under its perturbations and for other classes."""
    network, photos = smooth_network(), make_photos(2, SIZE)
    x, y, options = photos.numpy(), np.array([1, 3]), {"method": method, **OPTIONS[method]}
    maps = explain_func(network, x, y, **options)
    assert maps.shape == (2, 1, SIZE, SIZE)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.random.fork_rng(devices=[]):
        scores = quantus.MPRT(**PLAIN)(
            network, x, y, a_batch=maps, explain_func=explain_func, explain_func_kwargs=options
        )
    assert scores["original"] == pytest.approx([1, 1])  # the same explanation, to the last bit
    metric = quantus.MaxSensitivity(nr_samples=2, lower_bound=0.02, **PLAIN)
    sensitivity = metric(network, x, y, explain_func=explain_func, explain_func_kwargs=options)
    assert all(0 < float(value) < 10 for value in sensitivity)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("method", OPTIONS)
def test_explain_func_is_attribute(method, smooth_network, make_photos):
    network, photos = smooth_network(), make_photos(2, SIZE)
    expected = METHODS[method].load()(network, **OPTIONS[method]).attribute(photos, target=torch.tensor([1, 3]))
    for inputs, targets in ((photos, torch.tensor([1, 3])), (photos.numpy(), np.array([1, 3], dtype=np.int32))):
        found = explain_func(network, inputs, targets, method=method, **OPTIONS[method])
        np.testing.assert_array_equal(found, expected.mean(dim=1, keepdim=True).numpy())
    ranks = rank_correlation(torch.from_numpy(found).flatten(1), expected.sum(dim=1).flatten(1))
    assert ranks.tolist() == pytest.approx([1, 1], abs=1e-3)


def test_explain_func_knows_its_methods(smooth_network, make_photos):
    with pytest.raises(OptionError, match="unknown method 'cartoon'"):
        explain_func(smooth_network(), make_photos(1), [1], method="cartoon")

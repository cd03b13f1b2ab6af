"""Other seeds and small changes of the photo, against loops and methods whose answer is known."""

from __future__ import annotations

import io
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn

from rdexplain import CartoonX, PixelRDE
from rdexplain.core.representations import Pixel
from rdexplain.evaluation import subject
from rdexplain.evaluation.stability import SEEDS, over_seeds, under_jpeg, under_shift
from rdexplain.methods.baselines import GradCAM, Occlusion, RandomPixel, SmoothGrad
from rdexplain.methods.registry import METHODS
from rdexplain.models import as_model

BASELINES = [name for name, method in METHODS.items() if method.is_baseline and name != "random_wavelet"]


@pytest.mark.parametrize("kind", ["pixel_rde", "cartoonx", "smooth_grad"])
def test_seeds_by_loop(kind, smooth_network, make_photos):
    photos, network = make_photos(2, 32), smooth_network()
    made = {
        "pixel_rde": lambda seed: PixelRDE(network, steps=20, draws=2, sparsity=0.01, seed=seed),
        "cartoonx": lambda seed: CartoonX(network, steps=20, draws=2, levels=2, sparsity=0.01, seed=seed),
        "smooth_grad": lambda seed: SmoothGrad(network, n_samples=4, seed=seed),
    }[kind]
    method = made(7)
    result = method.explain(photos, [1, 2])
    with subject(as_model(network), photos, [1, 2]) as rows:
        rank, iou = over_seeds(rows, method, result, seeds=3)
    results = [made(seed).explain(photos, [1, 2]) for seed in (7, 8, 9)]
    for row in range(2):
        maps, kept = [], []
        for one in results:
            flat = torch.cat([band[row].flatten() for band in one.scores]).numpy()
            if kind == "smooth_grad":
                maps.append(flat)
                kept.append(set(np.argsort(flat)[-102:].tolist()))  # a tenth of 1024
            else:
                maps.append(one.picture[row].flatten().numpy())
                kept.append(set(np.flatnonzero(flat > 0.3).tolist()))
        ranks = [stats.spearmanr(*pair).statistic for pair in combinations(maps, 2)]
        ious = [len(one & other) / len(one | other) for one, other in combinations(kept, 2)]
        assert float(rank[row]) == pytest.approx(np.mean(ranks), abs=1e-6)
        assert float(iou[row]) == pytest.approx(np.mean(ious))
        assert 0 < float(iou[row]) < 1


def test_random_pixels_agree_by_chance(smooth_network, make_photos):
    photos, network = make_photos(1, 64), smooth_network()
    method = RandomPixel(network)
    with subject(as_model(network), photos, [1]) as rows:
        rank, iou = over_seeds(rows, method, method.explain(photos, [1]))
    assert abs(float(rank)) < 0.03
    assert float(iou) == pytest.approx(0.1 / 1.9, abs=0.01)  # two tenths, of which a tenth is common


def test_what_is_not_random_costs_nothing(smooth_network, make_photos, monkeypatch):
    photos, network = make_photos(2, 32), smooth_network()
    method = GradCAM(network)
    result = method.explain(photos, [1, 2])
    monkeypatch.setattr(GradCAM, "explain", None)
    with subject(as_model(network), photos, [1, 2]) as rows:
        rank, iou = over_seeds(rows, method, result)
    assert rank.tolist() == iou.tolist() == [1, 1]
    assert SEEDS == 5


@pytest.mark.parametrize(
    "name", [name for name, method in METHODS.items() if method.is_baseline and name != "random_wavelet"]
)
def test_methods_say_whether_they_are_random(name, make_photos):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)
        ).eval()
    method, photos = METHODS[name].load()(network), make_photos(1, 32)
    one, other = (method.again(seed=seed).explain(photos, [1]).scores[0] for seed in (1, 2))
    assert method.uses_seed != torch.equal(one, other)
    assert method.seed == 0


def test_the_same_method_again(smooth_network, make_photos):
    photos = make_photos(1, 32)
    one, other = smooth_network(seed=0), smooth_network(seed=1)
    for kind, options in ((PixelRDE, {"steps": 3, "draws": 2}), (SmoothGrad, {"n_samples": 3})):
        method = kind(one, **options)
        again = method.again(as_model(other), seed=4)
        expected = kind(other, **options, seed=4).explain(photos, [1])
        assert torch.equal(again.explain(photos, [1]).scores[0], expected.scores[0])
        assert expected.seed == again.explain(photos, [1]).seed == 4
        assert method.explain(photos, [1]).seed == 0
        assert torch.equal(method.explain(photos, [1]).scores[0], kind(one, **options).explain(photos, [1]).scores[0])


class Shown:
    """The map is what a function makes of the image, pixel by pixel; it takes down what it is given."""

    def __init__(self, formula):
        self.formula, self.seen = formula, []

    def explain(self, images, target=None, ids=None):
        self.seen.append((images, target, ids))
        scores = self.formula(images)
        return SimpleNamespace(images=images, scores=[scores], representation=Pixel(), picture=scores.unsqueeze(1))


def test_what_moves_with_the_photo_is_not_changed_by_a_shift(smooth_network, make_photos):
    photos = make_photos(2, 20)
    method = Shown(lambda images: images.square().sum(dim=1))
    fixed = Shown(lambda images: torch.arange(400.0).view(1, 20, 20).expand(2, -1, -1))
    with subject(as_model(smooth_network()), photos, [1, 2]) as rows:
        moving = under_shift(rows, method, method.explain(rows.images))
        staying = under_shift(rows, fixed, fixed.explain(rows.images))
        keys = rows.keys
    assert [value.tolist() for value in moving] == [pytest.approx([1, 1]), pytest.approx([1, 1])]
    # A ramp that stays is off by one row and one column, and still rises.
    assert staying[0].tolist() == pytest.approx([1, 1], abs=1e-6)
    images, target, ids = method.seen[1]
    assert (target, ids) == ([1, 2], list(keys))
    assert torch.equal(images[:, :, 1:, 1:], photos[:, :, :-1, :-1])
    assert torch.equal(images[:, :, 0, 1:], photos[:, :, 0, :-1])
    assert torch.equal(images[:, :, 1:, 0], photos[:, :, :-1, 0])


def test_a_jpeg_is_pillows(smooth_network, make_photos):
    photos = make_photos(2, 24)
    method = Shown(lambda images: images.sum(dim=1))
    with subject(as_model(smooth_network()), photos, [1, 2]) as rows:
        rank, ssim = under_jpeg(rows, method, method.explain(rows.images))
    images = method.seen[1][0]
    for row in range(2):
        levels = (photos[row] * 255).round().byte().permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(levels).save(file, "JPEG", quality=90)
        expected = np.asarray(Image.open(file)) / 255
        np.testing.assert_allclose(images[row].permute(1, 2, 0).numpy(), expected, atol=1e-6)
        maps = photos[row].sum(dim=0), torch.from_numpy(expected).sum(dim=2)
        assert float(rank[row]) == pytest.approx(
            stats.spearmanr(*(one.flatten().numpy() for one in maps)).statistic, abs=1e-3
        )
    assert 0.5 < float(ssim.min()) < float(ssim.max()) < 1


def test_a_method_on_changed_photos(smooth_network, make_photos):
    photos, network = make_photos(1, 32), smooth_network()
    method = Occlusion(network, window=8)
    with subject(as_model(network), photos, [1]) as rows:
        result = method.explain(photos, [1])
        for change in (under_jpeg, under_shift):
            rank, ssim = change(rows, method, result)
            assert 0.5 < float(rank) < 1
            assert 0 < float(ssim) < 1

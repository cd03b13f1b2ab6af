"""How alike explanations are, against SciPy, scikit-image and sets by hand."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from skimage.metrics import structural_similarity as skimage_ssim

from rdexplain import CartoonX, PixelRDE
from rdexplain.errors import OptionError
from rdexplain.evaluation import likeness
from rdexplain.evaluation.likeness import iou, kept, rank_correlation, structural_similarity
from rdexplain.methods.baselines import Occlusion


def test_rank_correlation_and_ssim_are_those_of_scipy_and_skimage():
    generator = torch.Generator().manual_seed(8)
    a = torch.randn(2, 90, generator=generator).mul(2).round()  # with ties
    b = a + torch.randn(2, 90, generator=generator).round()
    found = rank_correlation(a, b)
    for row in range(2):
        assert float(found[row]) == pytest.approx(stats.spearmanr(a[row].numpy(), b[row].numpy()).statistic)
    assert rank_correlation(torch.ones(1, 5), torch.arange(5.0)[None]).isnan().all()
    maps, others = a.view(2, 9, 10).double(), b.view(2, 9, 10).double()
    ssim = structural_similarity(maps, others)
    for row in range(2):
        one, other = ((m[row] - m[row].min()) / (m[row].max() - m[row].min()) for m in (maps, others))
        assert float(ssim[row]) == pytest.approx(skimage_ssim(one.numpy(), other.numpy(), data_range=1.0))
    assert structural_similarity(maps, maps).tolist() == pytest.approx([1, 1])


def test_what_a_mask_and_a_heatmap_keep(make_result, make_photos):
    photos = make_photos(2, (4, 5))
    scores = torch.zeros(2, 20)
    scores[0, :5], scores[1, 3] = torch.tensor([0.1, 0.3, 0.31, 0.9, 1.0]), 0.2
    heatmap = make_result(photos, scores)
    # The top 10 % of 20 pixels; where the second largest is 0, all that are.
    assert kept(heatmap)[0].nonzero().flatten().tolist() == [3, 4]
    assert kept(heatmap)[1].all()
    mask = make_result(photos, scores)
    mask.mask = mask.scores
    assert kept(mask)[0].nonzero().flatten().tolist() == [2, 3, 4]
    assert not kept(mask)[1].any()


def test_intersection_over_union_by_hand(make_result, make_photos):
    photos = make_photos(4, (2, 3))
    sets = [{0, 1, 2}, {0}, set(), set(range(6))], [{1, 2, 5}, {3}, set(), set(range(6))]
    masks = []
    for rows in sets:
        flat = torch.zeros(4, 6)
        for row, places in enumerate(rows):
            flat[row, list(places)] = 0.8
        masks.append(make_result(photos, flat))
        masks[-1].mask = masks[-1].scores
    found = iou(*masks)
    assert found[:2].tolist() == [0.5, 0]
    assert found[2:].isnan().all()  # neither tells anything apart


def test_two_networks_on_the_same_photos(smooth_network, make_photos):
    """Agreement of networks is the likeness of their explanations."""
    photos = make_photos(2, 32)
    one, other = (Occlusion(smooth_network(seed=seed), window=8).explain(photos, [1, 2]) for seed in (0, 1))
    found, same = likeness(one, other), likeness(one, one)
    assert same.rank.tolist() == pytest.approx([1, 1])
    assert same.ssim.tolist() == pytest.approx([1, 1])
    assert same.iou.tolist() == [1, 1]
    for row in range(2):
        flat = [result.scores[0][row].flatten().numpy() for result in (one, other)]
        assert float(found.rank[row]) == pytest.approx(stats.spearmanr(*flat).statistic)
    assert all(0 <= value < 1 for value in found.iou.tolist())
    mask = PixelRDE(smooth_network(), steps=2, draws=2).explain(photos, [1, 2])
    wavelets = CartoonX(smooth_network(), steps=2, draws=2, levels=2).explain(photos, [1, 2])
    assert likeness(mask, wavelets).iou.isnan().all()
    assert likeness(mask, wavelets).rank.isfinite().all()
    with pytest.raises(OptionError, match="explain the same photos at the same size"):
        likeness(one, mask[:1])

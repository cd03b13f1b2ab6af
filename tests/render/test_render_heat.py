"""Panels of heatmaps and of comparisons."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import rdexplain as rx
from rdexplain.core.representations import Pixel
from rdexplain.errors import OptionError
from rdexplain.render import Cell, Compared, cell_of, comparison, heat_panel, save_figure, save_panel
from rdexplain.render.heat import overlay
from rdexplain.results.heatmap import picture_of


def network(images):
    return torch.cat((images.mean((2, 3)), -images.mean((2, 3))), dim=1) * 5


@pytest.fixture
def photos():
    return torch.rand(2, 3, 24, 30, generator=torch.Generator().manual_seed(0))


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def test_a_panel(photos, tmp_path):
    heatmap = rx.SmoothGrad(network, n_samples=2).explain(photos, [0, 1], photos=["a/cat.png", None])
    figure = heat_panel(heatmap)
    for said in ("class 0", "Photo", "Over the photo", "Scores", "high score", "SmoothGrad of network", "cat.png"):
        assert said in texts(figure)
    assert "2\N{NO-BREAK SPACE}samples" in texts(figure)
    assert "against" not in texts(figure)
    path = save_panel(heatmap, tmp_path / "heat.png", 1, title="A title", original=photos[0].repeat(1, 3, 2))
    with Image.open(path) as picture:
        assert np.asarray(picture).std() > 10
    with pytest.raises(OptionError, match="no row 2"):
        heat_panel(heatmap, 2)
    with pytest.raises(OptionError, match="one photo"):
        heat_panel(heatmap, original=torch.zeros(1, 3, 3))


def test_signed_scores_are_drawn_for_and_against(photos):
    # The class's logit falls with all pixels where its weight is negative.
    heatmap = rx.Occlusion(network, window=4, stride=4).explain(photos[:1], 3)
    assert float(heatmap.scores[0].min()) < 0
    assert "against" in texts(heat_panel(heatmap))


def test_wavelet_scores_are_a_picture_in_grey(photos):
    heatmap = rx.RandomWavelet(network, wavelet="haar", levels=2).explain(photos[:1])
    figure = heat_panel(heatmap)
    assert "Coefficients by their scores" in texts(figure)
    assert "high score" not in texts(figure)
    assert torch.equal(cell_of(heatmap, photos[0]).picture, heatmap.picture[0].expand(3, -1, -1))


def test_an_overlay_is_the_grey_photo_where_there_is_no_heat(photos):
    heat = torch.zeros(1, 24, 30)
    heat[:, :, 15:] = 1
    found = overlay(heat, photos[0])
    left, right = found[:, :, :10], found[:, :, 20:]
    assert torch.equal(left, left[:1].expand(3, -1, -1))
    torch.testing.assert_close(
        left[0] / left[0].max(), photos[0, :, :, :10].mean(0) / photos[0, :, :, :10].mean(0).max()
    )
    assert float((right[0] - right[2]).min()) > 0.2  # yellow
    assert overlay(heat[:, ::2, ::2], photos[0]).shape == (3, 24, 30)


def test_a_comparison(photos, tmp_path):
    explanation = rx.PixelRDE(network, steps=1, draws=1).explain(photos[:1])
    heatmap = rx.RandomPixel(network).explain(photos[:1])
    cells = (cell_of(explanation, photos[0]), cell_of(heatmap, photos[0]), Cell(None, "LRP has no rule for mul"))
    figure = comparison(["Pixel RDE", "Random pixels", "LRP"], [Compared(photos[0], "class 0, 51 %", cells)] * 2)
    for said in ("Photo", "Pixel RDE", "class 0, 51 %", "not applicable", "LRP has no rule for", "keeps"):
        assert said in texts(figure)
    assert texts(figure).count("not applicable") == 2
    for suffix in ("png", "pdf"):
        assert save_figure(figure, tmp_path / f"panel.{suffix}").stat().st_size > 1000
    with pytest.raises(OptionError, match="at least one row"):
        comparison([], [])
    with pytest.raises(OptionError, match="a cell for every title"):
        comparison(["LRP"], [Compared(photos[0], "x", cells)])


def test_networks_as_columns(photos):
    cells = (Cell(photos[0], "keeps 3 %", label="Egyptian cat, 99 %"), Cell(None, "no such network", label="unseen"))
    row = Compared(photos[0], "cat", cells, "a note")
    figure = comparison(["efficientnet_lite0_of_another_kind", "b"], [row], "Explanations by CartoonX")
    said = texts(figure).splitlines()
    for text in ("cat", "a note", "Egyptian cat, 99 %", "keeps 3 %", "not applicable", "Explanations by CartoonX"):
        assert text in said
    assert "unseen" not in said
    # A long name is parted after a mark, and nothing of it is lost.
    parts = [text for text in said if text and text in "efficientnet_lite0_of_another_kind" and text != "b"]
    assert len(parts) == 2
    assert "".join(parts) == "efficientnet_lite0_of_another_kind"
    plain = comparison(["a", "b"], [Compared(photos[0], "cat", (Cell(photos[0]), Cell(None, "no")))])
    assert plain.get_figheight() < figure.get_figheight()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_constant_heatmap_is_low_everywhere(scale):
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 1, bias=False), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    with torch.no_grad():
        layers[0].weight.fill_(scale)
    heatmap = rx.GradCAM(layers).explain(torch.full((1, 3, 24, 30), 0.7), 0)
    assert float(heatmap.scores[0].min()) > 0
    assert not heatmap.picture.any()
    heatmap.scores[0][:, 12:] /= 2  # now it says something
    again = picture_of(Pixel(), heatmap.images, heatmap.scores)
    assert again[0, 0, [0, -1], 0].tolist() == [1, 0.5]


@pytest.mark.parametrize("shape", [(8, 2000), (2000, 8)])
def test_a_photo_that_is_hardly_more_than_a_line_is_seen(shape):
    photo = torch.zeros(3, *shape)
    panel = Compared(photo, "class 0", (Cell(photo), Cell(None, "it has no layers")))
    for figure in (
        comparison(["one", "other"], [panel]),
        heat_panel(rx.RandomPixel(network).explain(torch.rand(1, 3, 24, 24)), original=photo),
    ):
        sizes = [ax.get_window_extent() for ax in figure.axes if ax.images]
        assert min(min(size.width, size.height) for size in sizes[:2]) >= 40  # dots

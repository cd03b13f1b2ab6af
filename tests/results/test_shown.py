"""Results show themselves: figures, notebooks, viewers."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import rdexplain as rx
from rdexplain.results.result import SHOWN


@pytest.fixture(params=[rx.PixelRDE, rx.Occlusion])
def result(request, smooth_network, make_photos):
    options = {"steps": 2, "draws": 2} if request.param is rx.PixelRDE else {"window": 8}
    return request.param(smooth_network(), **options).explain(make_photos(SHOWN + 1, 16))


def test_a_figure(result, tmp_path):
    figure = result.plot(1, title="<b>")
    assert isinstance(figure, Figure)
    assert "<b>" in [text.get_text() for text in figure.texts]
    with pytest.raises(rx.RDExplainError, match="row"):
        result.plot(99)


def test_a_notebook_shows_the_first_rows(result):
    assert Image.open(io.BytesIO(result._repr_png_())).format == "PNG"
    page = result._repr_html_()
    assert page.count("<img ") == SHOWN
    assert "and 1 more" in page
    assert "more" not in result[:2]._repr_html_()


def test_names_are_no_markup(result):
    page = result[0].__class__(**(vars(result[0]) | {"labels": ("<script>",)}))._repr_html_()
    assert "<script>" not in page


def test_show_in_a_notebook_and_elsewhere(result, monkeypatch):
    shown = []
    shell = SimpleNamespace(display_pub=SimpleNamespace(publish=shown.append))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    result.show(1)
    assert shown[0].keys() == {"image/png", "text/plain"}
    monkeypatch.delitem(sys.modules, "IPython")
    monkeypatch.setattr(Image.Image, "show", lambda image, title: shown.append((image.size, title)))
    result.show(1)
    assert shown[1][1] == result.labels[1]
    assert torch.tensor(shown[1][0]).min() > 100

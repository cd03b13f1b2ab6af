"""The picture for a talk: what stands in it, and what it leaves alone."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from rdexplain import CartoonX, Explanation, PixelRDE
from rdexplain.errors import OptionError, RDExplainError
from rdexplain.render import Scale, panel, samples_panel, save_figure, save_panel, save_picture, scales
from rdexplain.render.layout import FONT, TITLE, Style, wrapped
from rdexplain.render.strip import MOST_ENTRIES, pooled
from rdexplain.render.words import percent


def quarters(images: Tensor) -> Tensor:
    """Logits (n, 3): how bright three corners are."""
    corners = (images[..., :16, :16], images[..., 16:, :16], images[..., :16, 16:])
    return 4 * torch.stack([corner.mean((1, 2, 3)) for corner in corners], dim=1)


def photos(count: int = 1, size: tuple[int, int] = (32, 32)) -> Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def wavelet() -> Explanation:
    method = CartoonX(quarters, levels=2, steps=2, draws=2, internal_batch_size=8)
    return method.explain(photos(2), target=1, samples=3, photos=["a/cat.jpg", None])


@pytest.fixture(scope="module")
def pixel() -> Explanation:
    return PixelRDE(quarters, steps=2, draws=2, internal_batch_size=8).explain(photos(), target=1)


def texts(figure: Figure) -> list[str]:
    """All texts, with plain blanks."""
    return [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in figure.texts]


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50, metadata={"Software": None})
    return buffer.getvalue()


def assert_on_the_page(figure: Figure) -> None:
    """No text is clipped, and no two texts or a text and a picture overlap."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    page = figure.bbox
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    for box in boxes:
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
    pictures = [axes.bbox for axes in figure.axes if axes.images]
    for number, box in enumerate(boxes):
        # Boxes of letters with ascenders and descenders may touch by a dot or two between lines.
        core = box.shrunk(0.98, 0.7)
        assert not any(core.overlaps(other.shrunk(0.98, 0.7)) for other in boxes[:number])
        assert not any(core.overlaps(picture) for picture in pictures)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0 %"),
        (1e-6, "< 0.1 %"),
        (0.0131, "1.3 %"),
        (0.0996, "10 %"),
        (0.25, "25 %"),
        (0.9876, "99 %"),
        (0.9971, "99.7 %"),
        (0.99999, "> 99.9 %"),
        (1.0, "100 %"),
        (math.nan, "unknown"),
    ],
)
def test_percent(share: float, words: str) -> None:
    assert percent(share).replace("\N{NO-BREAK SPACE}", " ") == words


def test_text_fits_its_width() -> None:
    lines = wrapped("black-footed ferret, " * 5, TITLE, 4.0, 2, ", 73 %")
    assert len(lines) == 2
    assert all(TITLE.width(line) <= 4.0 for line in lines)
    assert lines[-1].endswith("\N{HORIZONTAL ELLIPSIS}, 73 %")
    assert wrapped("short", TITLE, 4.0, 2, ", 73 %") == ["short, 73 %"]
    assert Style(10).width("mm") == pytest.approx(2 * Style(10).width("m"), rel=0.1)


def test_scales_by_hand(wavelet: Explanation) -> None:
    low = torch.zeros_like(wavelet.mask[0])
    coarse, fine = torch.zeros_like(wavelet.mask[1]), torch.zeros_like(wavelet.mask[2])
    low[1, 0, 0] = 0.5
    coarse[1, :, 2, 3] = torch.tensor([0.3, 0.0, 0.6])
    fine[1] = 0.25
    found = scales(replace(wavelet, mask=[low, coarse, fine]), 1)
    assert [scale.name.replace("\N{NO-BREAK SPACE}", " ") for scale in found] == ["low-pass", "4 px", "2 px"]
    assert [scale.step for scale in found] == [4, 4, 2]
    # db3 makes 18 of 32 entries, and 11 of 18.
    assert [tuple(scale.entries.shape) for scale in found] == [(11, 11), (11, 11), (18, 18)]
    expected = [0.5 / 121, 0.9 / 363, 0.25]
    assert [scale.kept for scale in found] == pytest.approx(expected)
    assert found[1].entries[2, 3] == pytest.approx(0.3)
    weights = [121, 363, 972]
    whole = sum(scale.kept * weight for scale, weight in zip(found, weights, strict=True)) / sum(weights)
    assert whole == pytest.approx((0.5 + 0.9 + 0.25 * 972) / 1456)
    assert found[2].extent(32, 32) == (-2, 34, 34, -2)


def test_a_scale_lies_where_its_entries_act(wavelet: Explanation) -> None:
    representation = wavelet.representation
    zeros = representation.transform((32, 32), torch.float32).analysis(torch.zeros(1, 1, 32, 32))
    transform = representation.transform((32, 32), torch.float32)
    for number in (1, 2):
        bands = [band.clone() for band in transform.split(zeros)]
        bands[number][..., 4, 6] = 1
        energy = transform.synthesis(transform.join(bands))[0, 0].square()
        energy /= energy.sum()
        centres = torch.arange(32) + 0.5
        scale = Scale("", 2 ** (3 - number), 0.0, bands[number][0, 0].mean(dim=0))
        left, _, _, top = scale.extent(32, 32)
        assert abs(float((energy.sum(0) * centres).sum()) - (left + 6.5 * scale.step)) < scale.step
        assert abs(float((energy.sum(1) * centres).sum()) - (top + 4.5 * scale.step)) < scale.step


def test_single_entries_survive_pooling() -> None:
    entries = torch.zeros(5 * MOST_ENTRIES + 3, 5 * MOST_ENTRIES + 3)
    entries[7, 11] = 1
    small, (left, right, bottom, top) = pooled(Scale("2 px", 2, 0.0, entries), (960, 960))
    assert small.sum() == 1
    assert small[1, 2] == 1
    assert left == top == -3
    assert right - left == bottom - top == small.shape[0] * 10


def test_no_scales_of_pixels(pixel: Explanation) -> None:
    with pytest.raises(OptionError, match="no scales"):
        scales(pixel)


def test_panel_of_a_wavelet(wavelet: Explanation) -> None:
    figure = panel(replace(wavelet, probability=torch.tensor([0.987, 0.5])))
    said = texts(figure)
    assert said[0] == "class 1, 99 %"
    assert re.fullmatch(
        r"keeps \S+ % of the coefficients +· +\d+ % with the kept part alone +· +distortion .+", said[1]
    )
    assert said[2:5] == ["Photo", "Explanation", "In colour"]
    assert said[-1].replace("  ", " ") == "CartoonX of quarters · cat.jpg"
    assert [name for name in said if name in ("low-pass", "4 px", "2 px")] == ["low-pass", "4 px", "2 px"]
    assert {scale.kept for scale in scales(wavelet)} <= {
        bar.get_width() for axes in figure.axes for bar in axes.patches
    }
    assert isinstance(figure.canvas, FigureCanvasAgg)
    assert_on_the_page(figure)


def test_panel_shows_the_row(wavelet: Explanation) -> None:
    first, second = (panel(wavelet, row).axes[1].images[0].get_array() for row in (0, 1))
    assert np.array_equal(first, wavelet.picture[0, 0])
    assert np.array_equal(second, wavelet.picture[1, 0])
    with pytest.raises(OptionError, match="no row 2"):
        panel(wavelet, 2)


def test_panel_of_pixels(pixel: Explanation) -> None:
    figure = panel(pixel)
    assert "of the pixels" in texts(figure)[1]
    assert texts(figure)[-1] == "Pixel RDE of quarters"
    assert [axes.images[0].get_cmap().name for axes in figure.axes[:2]] == ["gray", "copper"]
    assert len(figure.axes) == 3
    masked = (pixel.images[0] * pixel.mask[0][0]).permute(1, 2, 0)
    assert np.allclose(figure.axes[2].images[0].get_array(), masked, atol=1e-6)
    assert_on_the_page(figure)


def test_panel_says_collapsed(wavelet: Explanation) -> None:
    collapsed = replace(wavelet, collapsed=torch.tensor([True, False]))
    assert any(line.startswith("Collapsed:") for line in texts(panel(collapsed, 0)))
    assert not any(line.startswith("Collapsed:") for line in texts(panel(collapsed, 1)))
    assert_on_the_page(panel(collapsed))


@pytest.mark.parametrize("shape", [(40, 40), (30, 120), (120, 30), (10, 100), (100, 10)])
def test_original_gives_the_shape(wavelet: Explanation, shape: tuple[int, int]) -> None:
    high, wide = shape
    odd = replace(
        wavelet,
        labels=("a label of $many$ words_that never end " * 4,) * 2,
        model="package.module:" + "long" * 40,
        collapsed=torch.tensor([True, True]),
    )
    figure = panel(odd, original=photos(1, shape)[0])
    for axes in figure.axes:
        if axes.images and axes.images[0].get_array().shape[:2] in ((32, 32), shape):
            assert axes.bbox.height / axes.bbox.width == pytest.approx(high / wide)
    first = next(axes for axes in figure.axes if axes.images)
    assert first.images[0].get_array().shape[:2] == shape
    assert_on_the_page(figure)


def test_original_must_be_a_photo(wavelet: Explanation) -> None:
    with pytest.raises(OptionError, match="3, H, W"):
        panel(wavelet, original=torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("levels", [1, 5, 8])
def test_any_number_of_levels(levels: int) -> None:
    method = CartoonX(quarters, wavelet="haar", levels=levels, steps=0, noise="zero", internal_batch_size=8)
    figure = panel(method.explain(photos(1, (256, 300))))
    assert sum(name.endswith(" px") for name in texts(figure)) == levels
    assert_on_the_page(figure)


def test_title(wavelet: Explanation) -> None:
    said = texts(panel(wavelet, title="Costs $5, not $6"))
    assert said[0] == "Costs $5, not $6"
    assert said[1].startswith("class 1, ")


def test_samples_panel(wavelet: Explanation) -> None:
    probabilities = torch.tensor([[[0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.3, 0.4, 0.3]]]).repeat(2, 1, 1)
    explanation = replace(wavelet, sample_probabilities=probabilities)
    figure = samples_panel(explanation, 1, class_name=["zero", "one", "two"].__getitem__)
    said = texts(figure)
    assert said[2:-1] == ["class 1", "80 %", "≠ zero", "class 1 20 %", "class 1", "40 %"]
    assert len(figure.axes) == 3
    assert "≠ class 0" in texts(samples_panel(explanation))
    assert_on_the_page(figure)


def test_samples_panel_of_many(wavelet: Explanation) -> None:
    assert wavelet.samples is not None
    assert wavelet.sample_probabilities is not None
    many = replace(
        wavelet,
        samples=wavelet.samples.repeat(1, 5, 1, 1, 1),
        sample_probabilities=wavelet.sample_probabilities.repeat(1, 5, 1),
        labels=("German short-haired pointer",) * 2,
    )
    figure = samples_panel(many, class_name=lambda index: "electric ray, crampfish, numbfish, torpedo")
    assert len({round(axes.get_position().y0, 6) for axes in figure.axes}) == 3
    assert_on_the_page(figure)


def test_samples_panel_of_a_tuple_target(wavelet: Explanation) -> None:
    probabilities = torch.zeros(2, 3, 3, 4)
    probabilities[..., 1, 2] = 0.75
    places = replace(wavelet, target=torch.tensor([[1, 2], [1, 2]]), sample_probabilities=probabilities)
    assert texts(samples_panel(places))[2:-1] == ["class 1", "75 %"] * 3


def test_no_samples(pixel: Explanation) -> None:
    with pytest.raises(RDExplainError, match="no samples"):
        samples_panel(pixel)


@pytest.mark.parametrize("suffix", ["png", "PNG", "pdf"])
def test_same_bytes(wavelet: Explanation, tmp_path: Path, suffix: str) -> None:
    first = save_panel(wavelet, tmp_path / f"first.{suffix}", dpi=50)
    second = save_panel(wavelet, str(tmp_path / f"second.{suffix}"), dpi=50)
    assert first.read_bytes() == second.read_bytes()
    assert b"atplotlib" not in first.read_bytes()


def test_size_in_dots(wavelet: Explanation, tmp_path: Path) -> None:
    figure = panel(wavelet)
    width, height = figure.get_size_inches()
    with Image.open(save_figure(figure, tmp_path / "a.png", dpi=50)) as image:
        assert image.size == (int(width * 50), int(height * 50))
        assert image.info.keys() <= {"dpi"}


def test_svg(wavelet: Explanation, tmp_path: Path) -> None:
    assert b"<svg" in save_panel(wavelet, tmp_path / "a.svg").read_bytes()


def test_nothing_half_written(wavelet: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "a.png"
    kept.write_bytes(b"before")

    def broken(self: object, path: Path, *arguments: object, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", broken)
    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        save_panel(wavelet, kept)
    with pytest.raises(OSError, match="disk full"):
        save_picture(kept, wavelet.picture[0])
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
    assert kept.read_bytes() == b"before"


def test_unknown_suffix(wavelet: Explanation, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\.png, \.pdf, \.svg"):
        save_panel(wavelet, tmp_path / "a.gif")
    with pytest.raises(OptionError, match=r"\.png, \.jpg"):
        save_picture(tmp_path / "a", wavelet.picture[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("channels", [1, 3])
def test_save_picture(tmp_path: Path, channels: int) -> None:
    picture = photos()[0, :channels]
    picture[:, 0, 0], picture[:, 0, 1] = 1.5, -1.0
    with Image.open(save_picture(tmp_path / "a.png", picture)) as image:
        assert image.mode == ("L" if channels == 1 else "RGB")
        pixels = np.asarray(image).reshape(32, 32, channels).transpose(2, 0, 1)
    assert np.array_equal(pixels, (picture.clamp(0, 1).numpy() * 255).round())
    with Image.open(save_picture(str(tmp_path / "a.JPEG"), torch.full((channels, 8, 9), 0.5))) as image:
        assert image.format == "JPEG"
        assert image.size == (9, 8)


@pytest.mark.parametrize(
    "picture", [torch.zeros(4, 4), torch.zeros(2, 4, 4), torch.zeros(1, 0, 4), torch.full((1, 4, 4), math.nan)]
)
def test_no_picture(tmp_path: Path, picture: Tensor) -> None:
    with pytest.raises(OptionError):
        save_picture(tmp_path / "a.png", picture)


def test_matplotlib_is_left_alone(wavelet: Explanation, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    backend = matplotlib.get_backend(auto_select=False)
    save_panel(wavelet, tmp_path / "a.png", dpi=50)
    save_figure(samples_panel(wavelet), tmp_path / "b.png", dpi=50)
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.get_backend(auto_select=False) == backend


def test_rcparams_do_not_matter(wavelet: Explanation) -> None:
    plain = png(panel(wavelet))
    mine = {
        "font.family": "serif",
        "font.size": 30,
        "text.color": "red",
        "image.cmap": "jet",
        "image.origin": "lower",
        "image.interpolation": "nearest",
        "figure.autolayout": True,
        "figure.facecolor": "black",
        "axes.facecolor": "blue",
        "patch.force_edgecolor": True,
    }
    with matplotlib.rc_context(mine):
        assert png(panel(wavelet)) == plain
    assert FONT in {text.get_fontname() for text in panel(wavelet).texts}


def test_names_that_the_font_lacks_or_that_break_lines(pixel, tmp_path):
    """Warnings are errors here, and a surrogate would be one of matplotlib's."""
    named = replace(pixel[0], photos=("猫\n\udcff.jpg",))
    figure = panel(named)
    texts = [text.get_text() for text in figure.texts]
    assert any(text.endswith("猫\\n\\udcff.jpg") for text in texts)
    assert save_figure(figure, tmp_path / "cat.png").exists()


def test_dark_pictures_are_lit():
    """With a spatial penalty the picture is divided by its maximum; else, and where it is black, it is as it is."""
    from types import SimpleNamespace

    from rdexplain.render.marks import lit

    dark = torch.tensor([[[0.0, 0.1], [0.05, 0.2]]])
    assert torch.equal(lit(SimpleNamespace(options={}), dark), dark)
    assert torch.equal(lit(SimpleNamespace(options={"spatial": 0.0}), dark), dark)
    found = lit(SimpleNamespace(options={"spatial": 2.0}), dark)
    assert found.flatten().tolist() == pytest.approx([0, 0.5, 0.25, 1])
    assert lit(SimpleNamespace(options={"spatial": 2.0}), torch.zeros(1, 2, 2)).max() == 0

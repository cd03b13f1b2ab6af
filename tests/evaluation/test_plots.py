"""The figures show the numbers that they are of."""

from __future__ import annotations

import numpy as np
import pytest

from rdexplain.evaluation import Curve, CurveKey, Entry, Evaluation, area, bootstrap, log_area
from rdexplain.evaluation.plots import COLOURS, curves_figure
from rdexplain.evaluation.tables import table
from rdexplain.render import save_figure

P = np.array([0.0, 20, 60, 100])


def evaluation(methods: list[str], photos: int = 3) -> Evaluation:
    curves = {}
    for place, method in enumerate(methods):
        for photo in range(photos):
            for domain in ("pixel", "wavelet"):
                entry = Entry(f"{photo}", f"{photo}", "1", "cat", method, domain, (domain == "pixel") == (place > 0))
                for mode in ("keep", "randomise"):
                    values = np.random.default_rng([place, photo, len(domain), len(mode)]).random(4)
                    curves[CurveKey(entry, mode)] = Curve(P, P / 100, {"l2": values}, 8)
    return Evaluation(curves)


def test_panels_hold_the_means_and_their_bands():
    whole = evaluation(["cartoonx", "pixel_rde"])
    figure = curves_figure(whole, note="8 draws")
    assert len(figure.axes) == 4
    panel = next(axes for axes in figure.axes if axes.get_title(loc="left") == "Top components kept, in wavelets")
    curves = [
        curve.measures["l2"]
        for (entry, mode), curve in whole.curves.items()
        if (entry.method, entry.domain, mode) == ("pixel_rde", "wavelet", "keep")
    ]
    mean, low, high = bootstrap(np.stack(curves))
    line = panel.lines[1]
    assert line.get_xdata() == pytest.approx(P)
    assert line.get_ydata() == pytest.approx(mean)
    assert [one.get_linestyle() for one in panel.lines] == ["-", "--"]  # pixel RDE was brought to wavelets
    edges = panel.collections[1].get_paths()[0].vertices
    assert {round(float(y), 6) for y in edges[:, 1]} == {round(float(y), 6) for y in (*low, *high)}
    assert panel.get_ylim()[1] >= max(high)
    assert "dashed: brought to this domain" in [text.get_text() for text in figure.texts]


def test_a_domain_of_a_representation_to_come_has_its_panels_and_lines():
    """Nothing is left out of a figure because a list does not name it."""
    whole = evaluation(["cartoonx"])
    more = {
        key._replace(entry=key.entry._replace(domain="curvelet")): curve
        for key, curve in whole.curves.items()
        if key.entry.domain == "pixel"
    }
    found = Evaluation(whole.curves | more)
    titles = [axes.get_title(loc="left") for axes in curves_figure(found).axes]
    assert [title for title in titles if "kept" in title] == [
        f"Top components kept, in {name}" for name in ("curvelets", "wavelets", "pixels")
    ]
    assert "l2 kept, curvelets ↓" in table(found, ["cartoonx"], "l2").titles


def test_own_domains_as_in_the_study():
    whole = evaluation(["cartoonx", "pixel_rde"])
    figure = curves_figure(whole, view="own", methods=["pixel_rde", "cartoonx", "lime"])
    assert len(figure.axes) == 2
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    areas = [float(area(line.get_xdata() / 100, line.get_ydata())) for axes in figure.axes for line in axes.lines]
    assert len(areas) == 4
    assert labels[0].startswith("Pixel RDE  (")
    assert sorted(f"{value:.3f}" for value in areas) == sorted(
        number for label in labels for number in label.partition("(")[2].rstrip(")").split(", ")
    )


@pytest.mark.parametrize("over", ["share", "percentage"])
def test_the_axis_is_the_true_share_or_what_was_asked_for(over):
    """With ties the two differ, and so do the areas."""
    whole = evaluation(["cartoonx"])
    tied = {key: Curve(P, np.sqrt(P / 100), curve.measures, 8) for key, curve in whole.curves.items()}
    figure = curves_figure(Evaluation(tied), view="own", over=over)
    axis = {"share": 100 * np.sqrt(P / 100), "percentage": P}[over]
    line = figure.axes[0].lines[0]
    assert line.get_xdata() == pytest.approx(axis)
    (label,) = [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"({float(area(axis / 100, line.get_ydata())):.3f}," in label


def test_two_targets_of_a_photo_are_one_photo():
    whole = evaluation(["cartoonx"])
    again = {
        key._replace(entry=key.entry._replace(target="2")): Curve(P, P / 100, {"l2": 3 * curve.measures["l2"]}, 8)
        for key, curve in whole.curves.items()
    }
    figure = curves_figure(Evaluation(whole.curves | again), view="own")
    assert "(3 photos)" in figure.texts[0].get_text()
    kept = [curve.measures["l2"] for key, curve in whole.curves.items() if key.entry.own and key.mode == "keep"]
    mean, low, high = bootstrap(2 * np.stack(kept))
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx(mean)
    edges = figure.axes[0].collections[0].get_paths()[0].vertices
    assert {round(float(y), 6) for y in edges[:, 1]} == {round(float(y), 6) for y in (*low, *high)}


def test_many_methods_can_be_told_apart():
    names = [f"method_{number:02}" for number in range(17)]
    figure = curves_figure(evaluation(names, photos=1))
    styles = {(line.get_color(), line.get_marker()) for line in figure.axes[0].lines}
    assert len(styles) == 17
    assert {colour for colour, _ in styles} == set(COLOURS)


def test_nothing_to_draw(tmp_path):
    save_figure(curves_figure(Evaluation()), tmp_path / "nothing.png")
    assert (tmp_path / "nothing.png").stat().st_size > 0


def test_the_title_says_what_is_shown():
    titles = [curves_figure(evaluation(["lime"]), measure).texts[0].get_text() for measure in ("l2", "agreement")]
    assert titles[0].startswith("Top components kept and randomised, all methods")
    assert titles[1].startswith("Predictions that stay, all methods")


def test_a_logarithmic_axis_shows_what_is_above_zero_and_the_areas_over_log_p():
    whole = evaluation(["cartoonx", "pixel_rde"])
    figure = curves_figure(whole, view="own", axis="log")
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert axes.get_xlim() == pytest.approx((20, 100))  # the least percentage above zero
    labels = "".join(text.get_text() for text in figure.legends[0].get_texts())
    for line in figure.axes[0].lines:
        assert f"{float(log_area(line.get_xdata() / 100, line.get_ydata())):.3f}" in labels

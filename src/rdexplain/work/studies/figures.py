"""The figures of a reproduction: curves with the published ones over them, lines with intervals, panels, a stamp."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from rdexplain.errors import PhotoError
from rdexplain.evaluation import Evaluation
from rdexplain.evaluation.plots import COLOURS, Axis, View, curves_figure, style, style_axes
from rdexplain.evaluation.results import Over
from rdexplain.evaluation.statistics import Array, Interval
from rdexplain.photos.images import load_photo
from rdexplain.render.comparison import Cell, Compared, cell_of, comparison
from rdexplain.render.layout import FONT, INK, SOFT, Style, wrapped
from rdexplain.render.words import method_title, percent
from rdexplain.results.explanation import Explanation
from rdexplain.work.studies.published import published_curve
from rdexplain.work.studies.recipe import Results, Unit

_HEAD = 0.55
"""Height of a stamp in inches."""
_NOTE = Style(9.5, SOFT)


def stamp(figure: Figure, title: str, note: str) -> Figure:
    """Add a title and small print above a figure, which becomes taller; the small print is wrapped to its width."""
    width, height = figure.get_size_inches()
    lines = wrapped(note, _NOTE, width - 0.8, most=3)
    top = height + _HEAD + _NOTE.height(len(lines) - 1)
    share = height / top
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position((box.x0, box.y0 * share, box.width, box.height * share))
    for text in figure.texts:
        text.set_y(text.get_position()[1] * share)
    figure.set_size_inches(width, top)
    style: dict[str, Any] = {"family": FONT, "va": "top"}
    figure.text(0.4 / width, 1 - 0.14 / top, title, size=14, weight="bold", color=INK, **style)
    figure.text(0.4 / width, 1 - 0.42 / top, "\n".join(lines), size=_NOTE.size, color=_NOTE.colour, **style)
    return figure


def curves(
    evaluation: Evaluation,
    measure: str,
    methods: Sequence[str],
    title: str,
    note: str,
    experiments: dict[str, str],
    view: View = "own",
    over: Over = "share",
    axis: Axis = "linear",
    seed: int = 0,
) -> Figure:
    """`curves_figure`, with the published curves dashed over the panels of `experiments` (by mode)."""
    present = [name for name in methods if name in {entry.method for entry in evaluation.entries}]
    absent = [method_title(name) for name in methods if name in evaluation.not_applicable]
    small = f"not applicable: {', '.join(absent)}" if absent else None
    figure = curves_figure(
        evaluation,
        measure,
        view=view,
        over=over,
        axis=axis,
        methods=present,
        title=title,
        subtitle=note,
        note=small,
        seed=seed,
    )
    modes = [mode for mode in ("keep", "randomise") if any(key.mode == mode for key in evaluation.curves)]
    overlaid = False
    for axes, mode in zip(figure.axes, modes, strict=False):
        for place, name in enumerate(present):
            known = published_curve(experiments[mode], name) if mode in experiments else None
            if known is None or view != "own":
                continue
            overlaid = True
            colour, marker = style(place)
            dashed: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 1.1, "alpha": 0.8}
            axes.plot(*known, color=colour, marker=marker, markevery=10, markersize=3, **dashed)
            axes.set_ylim(0, max(axes.get_ylim()[1], 1.04 * float(known[1].max())))
    if overlaid:
        words = "dashed: published, 100 photos (Taslimi et al. 2023)"
        figure.text(0.02, 0.08 / figure.get_figheight(), words, va="bottom", size=9, color=SOFT, family=FONT)
    return figure


@dataclass(frozen=True)
class Line:
    """A line of a plot: its name, index of its colour, dash style, and points with their intervals."""

    name: str
    colour: int
    dash: str
    x: Sequence[float]
    points: Sequence[Interval]


def lines_figure(panels: Sequence[tuple[str, Sequence[Line]]], x_title: str, names: Sequence[str] = ()) -> Figure:
    """Panels side by side, each of lines with 95 % intervals over photos; x is logarithmic, or `names` at 0, 1, ..."""
    width, height = max(9.0, 5.6 * len(panels)), 4.9
    figure = Figure(figsize=(width, height), facecolor="white", dpi=100)
    FigureCanvasAgg(figure)
    text: dict[str, Any] = {"family": FONT, "color": INK}
    many = max(len(lines) for _, lines in panels)
    foot = 0.75 + 0.26 * -(-many // 3)
    for number, (title, lines) in enumerate(panels):
        left = (number + 0.13) / len(panels)
        axes = figure.add_axes((left, foot / height, 0.82 / len(panels), 1 - (foot + 0.45) / height))
        for line in lines:
            means = np.array([point.mean for point in line.points])
            low, high = _bounds(line.points)
            colour = COLOURS[line.colour % len(COLOURS)]
            axes.plot(line.x, means, color=colour, linestyle=line.dash, marker="o", markersize=4, label=line.name)
            axes.vlines(line.x, low, high, color=colour, linewidth=1.2, alpha=0.6)
        axes.set_title(title, loc="left", size=12, **text)
        axes.set_xlabel(x_title, size=11, **text)
        if names:
            axes.set_xticks(range(len(names)), names)
            axes.margins(x=0.15)
        else:
            axes.set_xscale("log", base=2)
            ticks = sorted({x for line in lines for x in line.x})
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        axes.set_ylim(bottom=0)
        style_axes(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="lower center", ncols=3, frameon=False, prop={"family": FONT, "size": 10.5}, labelcolor=INK
    )
    return figure


def beside(numbers: Iterable[int], place: int) -> list[float]:
    """The x positions of a line's points over an axis of names, shifted so that three lines do not overlap.

    Args:
        place: of the line, the middle one being 1.
    """
    return [number + 0.12 * (place - 1) for number in numbers]


def _bounds(points: Sequence[Interval]) -> tuple[Array, Array]:
    """Lower and upper bounds; the mean where there are none."""
    pairs = [(one.low, one.high) if np.isfinite(one.low) else (one.mean, one.mean) for one in points]
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def pictures(results: Results, titles: Sequence[str], rows: Sequence[Sequence[Unit]], prefix: Sequence[str]) -> Figure:
    """A panel of saved explanations: a row for each list of units, a column for each title.

    Args:
        prefix: the text before the class in each row's label.
    """
    made = []
    for units, before in zip(rows, prefix, strict=True):
        done = [results.explanation(unit) if results.of(unit) else None for unit in units]
        first = next((one for one in done if one is not None), None)
        if first is None:
            continue
        try:
            photo = load_photo(units[0].photo.source, None).pixels
        except PhotoError:
            photo = first.images[0]
        # Different networks may predict different classes, so that each cell needs its own label.
        several = len({unit.model for unit in units}) > 1
        cells = [
            _cell(one, photo, several) if one is not None else Cell(None, results.reason(unit))
            for one, unit in zip(done, units, strict=True)
        ]
        label = before if several else f"{before}{decision(first)}"
        made.append(Compared(photo, label, tuple(cells)))
    return comparison(titles, made)


def _cell(one: Explanation, photo: Tensor, labelled: bool) -> Cell:
    return replace(cell_of(one, photo), label=decision(one) if labelled else "")


def decision(one: Explanation) -> str:
    """The explained target of a single row, with its probability."""
    return f"{one.labels[0]}, {percent(float(one.probability[0]))}"

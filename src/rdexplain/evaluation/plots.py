"""Curves over photos as figures: means with bootstrap bands, in colours for every kind of colour vision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rdexplain.evaluation.curves import AGREEMENT, PROBABILITY
from rdexplain.evaluation.results import Curve, CurveKey, Evaluation, Over
from rdexplain.evaluation.statistics import Array, area, bootstrap, log_area, mean_by, shown
from rdexplain.render.layout import FONT, INK, RULE, SOFT
from rdexplain.render.words import method_title

View = Literal["common", "own"]
Axis = Literal["linear", "log"]

# Okabe and Ito's colours for every kind of colour vision, without their yellow, which is too light for lines.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_COLUMNS = 3
_MARKERS = ("", "o", "s", "^")
_MEASURES = {
    "l2": "distortion, squared l2 of the probabilities",
    "label": "distortion, squared, of the probability",
    AGREEMENT: "share of predictions that stay",
    PROBABILITY: "probability of the label",
}
_TITLES = {AGREEMENT: "Predictions that stay", PROBABILITY: "Probability of the label"}
_MODES = {"keep": "kept", "randomise": "randomised"}


def curves_figure(
    evaluation: Evaluation,
    measure: str = "l2",
    *,
    view: View = "common",
    over: Over = "share",
    axis: Axis = "linear",
    methods: Sequence[str] | None = None,
    title: str | None = None,
    subtitle: str | None = None,
    note: str | None = None,
    seed: int = 0,
) -> Figure:
    """The curves of all methods: to the left as components are kept, to the right as they are randomised.

    Bands are 95 % bootstrap intervals over photos. The legend of the own domains gives the areas under the mean curves.

    Args:
        measure: a distortion, ``agreement`` or ``probability``.
        view: ``common``: a row of panels for each domain, with all methods in it, like for like; dashed lines are of
            methods that were converted to it. ``own``: one row, each method in its own domain, as in the study's 7a and
            7b; methods of different domains are then not compared like for like.
        over: the x axis, also of the areas: the share of components that was kept or randomised, or the percentage that
            was asked for, as in the study; ties make a share larger.
        axis: ``log`` shows the first per cent as widely as the rest, and gives areas over log p.
        methods: the methods to draw, in this order; None for all, in alphabetical order.
        title: above the panels.
        subtitle: small, below the title.
        note: small, below the panels.
        seed: of the bootstrap.
    """
    lines = _lines(evaluation, measure, view, over, seed)
    # Pixels, which everybody knows, stand below, and wavelets above them.
    there = sorted({line.domain for line in lines}, key=lambda name: (name == "pixel", name == "wavelet", name))
    domains = [""] if view == "own" else there
    modes = [mode for mode in _MODES if any(line.mode == mode for line in lines)]
    present = {line.method for line in lines}
    methods = sorted(present) if methods is None else [name for name in methods if name in present]
    lines = [line for line in lines if line.method in methods]
    width, panel, foot = 10.8, 3.9, 0.6 + 0.27 * -(-len(methods) // _COLUMNS)
    head = 0.9 if subtitle else 0.6
    height = head + 0.15 + panel * max(len(domains), 1) + foot
    figure = Figure(figsize=(width, height), facecolor="white", dpi=100)
    FigureCanvasAgg(figure)
    top, bottom = 1 - head / height, foot / height
    figure.text(0.02, 1 - 0.2 / height, title or _title(lines, view, measure), va="top", size=15, weight="bold", **_INK)
    if subtitle:
        figure.text(0.02, 1 - 0.5 / height, subtitle, va="top", size=9.5, color=SOFT, family=FONT)
    if domains and modes:
        grid = figure.subplots(
            len(domains),
            len(modes),
            squeeze=False,
            sharey=True,
            gridspec_kw={
                "left": 0.8 / width,
                "right": 1 - 0.25 / width,
                "top": top - 0.3 / height,
                "bottom": bottom + 0.55 / height,
                "wspace": 0.08,
                "hspace": 0.34,
            },
        )
        for axes_row, domain in zip(grid, domains, strict=True):
            for axes, mode in zip(axes_row, modes, strict=True):
                here = [x for x in lines if x.mode == mode and (view == "own" or x.domain == domain)]
                _panel(axes, here, methods, axis)
                where = "each in its own domain" if view == "own" else f"in {domain}s"
                axes.set_title(f"Top components {_MODES[mode]}, {where}", loc="left", size=12, **_INK)
                axes.set_xlabel(f"components {_MODES[mode]}, %", size=11, **_INK)
            tops = [np.nanmax(np.stack([line.mean, line.high])) for line in lines]
            axes_row[0].set_ylim(0, 1.04 * max(1e-9, *tops))
            axes_row[0].set_ylabel(_MEASURES.get(measure, measure), size=11, **_INK)
    _legend(figure, methods, lines, view, axis)
    if view == "common" and any(not line.own for line in lines):
        figure.text(0.02, 0.08 / height, "dashed: brought to this domain", va="bottom", size=9, color=SOFT, family=FONT)
    if note:
        figure.text(0.98, 0.08 / height, note, ha="right", va="bottom", size=9, family=FONT, color=SOFT)
    return figure


_INK: dict[str, Any] = {"family": FONT, "color": INK}


@dataclass(frozen=True)
class _Line:
    method: str
    mode: str
    domain: str
    own: bool
    x: Array
    mean: Array
    low: Array
    high: Array
    photos: int


def _lines(evaluation: Evaluation, measure: str, view: View, over: Over, seed: int) -> list[_Line]:
    groups: dict[tuple[str, str, str, bool], list[tuple[CurveKey, Curve]]] = {}
    for key, curve in sorted(evaluation.curves.items(), key=lambda item: item[0]):
        if measure in curve.measures and (view == "common" or key.entry.own):
            group = (key.entry.method, key.mode, key.entry.domain, key.entry.own)
            groups.setdefault(group, []).append((key, curve))
    lines = []
    for (method, mode, domain, own), found in groups.items():
        # Curves measured at other percentages cannot enter the same mean.
        points = found[0][1].percentages
        same = [
            ((key.entry.key, key.entry.photo), curve)
            for key, curve in found
            if np.array_equal(curve.percentages, points)
        ]
        values = mean_by((photo, curve.measures[measure]) for photo, curve in same)
        mean, low, high = bootstrap(values, seed=seed)
        axis = 100 * mean_by((photo, curve.axis(over)) for photo, curve in same).mean(axis=0)
        lines.append(_Line(method, mode, domain, own, axis, mean, low, high, len(values)))
    return lines


def _panel(axes: Axes, lines: Sequence[_Line], methods: Sequence[str], axis: Axis) -> None:
    for line in lines:
        colour, marker = style(methods.index(line.method))
        dash = (0, (3, 1.6)) if not line.own else "-"
        every = max(len(line.x) // 7, 1)  # more markers would fill the gaps of dashed lines
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.13, linewidth=0)
        marks: dict[str, Any] = {"marker": marker, "markersize": 4, "markevery": every}
        axes.plot(line.x, line.mean, color=colour, linestyle=dash, linewidth=2, **marks)
    if axis == "log":
        least = min((float(line.x[line.x > 0].min()) for line in lines if (line.x > 0).any()), default=1.0)
        axes.set_xscale("log")
        axes.set_xlim(min(least, 99), 100)
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xlim(0, 100)
    style_axes(axes)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(SOFT)


def style_axes(axes: Axes) -> None:
    """A grid behind the lines, ticks in the page's ink and font, and no frame above and to the right."""
    axes.grid(color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=10, colors=INK, length=0)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontfamily(FONT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def style(place: int) -> tuple[str, str]:
    """Colour and marker of the method at a place; places that share a colour have other markers."""
    return COLOURS[place % len(COLOURS)], _MARKERS[place // len(COLOURS) % len(_MARKERS)]


def _legend(figure: Figure, methods: Sequence[str], lines: Sequence[_Line], view: View, axis: Axis) -> None:
    handles = []
    for place, method in enumerate(methods):
        colour, marker = style(place)
        handles.append(
            Line2D(
                [],
                [],
                color=colour,
                marker=marker,
                markersize=4,
                linewidth=2.4,
                label=method_title(method) + (_areas(method, lines, axis) if view == "own" else ""),
            )
        )
    if handles:
        figure.legend(
            handles=handles,
            loc="lower center",
            ncols=_COLUMNS,
            frameon=False,
            prop={"family": FONT, "size": 11},
            bbox_to_anchor=(0.5, 0.22 / figure.get_figheight()),
            labelcolor=INK,
        )


def _areas(method: str, lines: Sequence[_Line], axis: Axis) -> str:
    """The areas under a method's curves, in the order of the panels."""
    mine = [line for mode in _MODES for line in lines if (line.method, line.mode) == (method, mode)]
    found = [float((log_area if axis == "log" else area)(line.x / 100, line.mean)) for line in mine]
    return f"  ({', '.join(shown(value) for value in found)})" if found else ""


def _title(lines: Sequence[_Line], view: View, measure: str) -> str:
    photos = max((line.photos for line in lines), default=0)
    what = "each method in its own domain" if view == "own" else "all methods in the same domain"
    shows = _TITLES.get(measure, "Top components kept and randomised")
    return f"{shows}, {what} ({photos} photo{'s' if photos != 1 else ''})"

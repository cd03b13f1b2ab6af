"""The curves of cascading randomisation over photos as a figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rdexplain.evaluation.cascade import CASCADE, RANK, SSIM
from rdexplain.evaluation.plots import style, style_axes
from rdexplain.evaluation.results import Evaluation
from rdexplain.evaluation.statistics import bootstrap, mean_by
from rdexplain.render.layout import FONT, INK, SOFT
from rdexplain.render.words import method_title

_PANELS = {RANK: "Rank correlation", SSIM: "Structural similarity"}
_COLUMNS = 3


def cascade_figure(
    evaluation: Evaluation, *, methods: Sequence[str] | None = None, note: str | None = None, seed: int = 0
) -> Figure:
    """How alike each method's explanations stay as layers are drawn anew, from the output to the input.

    Bands are 95 % bootstrap intervals over photos. A line that stays high is of a method that does not see the network.

    Args:
        methods: the methods to draw, in this order; None for all, in alphabetical order.
        note: small, below the panels.
        seed: of the bootstrap.
    """
    curves = {key: curve for key, curve in evaluation.curves.items() if key.mode == CASCADE}
    present = {key.entry.method for key in curves}
    methods = sorted(present) if methods is None else [name for name in methods if name in present]
    rows = -(-len(methods) // _COLUMNS)
    width, height = 10.8, 4.6 + 0.27 * rows
    figure = Figure(figsize=(width, height), facecolor="white", dpi=100)
    FigureCanvasAgg(figure)
    photos = len({(key.entry.key, key.entry.photo) for key in curves})
    title = f"Explanations of randomised networks ({photos} photo{'s' if photos != 1 else ''})"
    figure.text(0.02, 1 - 0.2 / height, title, va="top", size=15, weight="bold", family=FONT, color=INK)
    bottom = (1.15 + 0.27 * rows) / height
    grid = {"left": 0.07, "right": 0.98, "top": 1 - 0.95 / height, "bottom": bottom, "wspace": 0.12}
    low = 0.0
    panels = figure.subplots(1, len(_PANELS), sharey=True, gridspec_kw=grid)
    for axes, (measure, words) in zip(panels, _PANELS.items(), strict=True):
        for place, method in enumerate(methods):
            mine = [(key.entry, curve) for key, curve in curves.items() if key.entry.method == method]
            values = mean_by(((entry.key, entry.photo), curve.measures[measure]) for entry, curve in mine)
            mean, lower, upper = bootstrap(values, seed=seed)
            colour, marker = style(place)
            share = mine[0][1].percentages
            axes.fill_between(share, lower, upper, color=colour, alpha=0.13, linewidth=0)
            label = method_title(method) if measure == RANK else None
            axes.plot(share, mean, color=colour, marker=marker or "o", markersize=4, linewidth=2, label=label)
            low = min(low, float(values.min()))
        axes.set_title(words, loc="left", size=12, family=FONT, color=INK)
        axes.set_xlabel("layers drawn anew, from the output, %", size=11, family=FONT, color=INK)
        axes.set_xlim(0, 100)
        style_axes(axes)
    panels[0].set_ylim(1.04 * low, 1.04)
    panels[0].set_ylabel("likeness to the trained network's", size=11, family=FONT, color=INK)
    if methods:
        figure.legend(
            loc="lower center",
            ncols=_COLUMNS,
            frameon=False,
            prop={"family": FONT, "size": 11},
            labelcolor=INK,
            bbox_to_anchor=(0.5, 0.25 / height),
        )
    if note:
        figure.text(0.98, 0.08 / height, note, ha="right", va="bottom", size=9, family=FONT, color=SOFT)
    return figure

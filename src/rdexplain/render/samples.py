"""The obfuscated images, and what the model predicts for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.render import layout
from rdexplain.render.layout import FIGURES, GAP, MARGIN, SIGNAL, SMALL, TITLE, Page, Style
from rdexplain.render.marks import framed
from rdexplain.render.words import amount, decision, one_row, provenance
from rdexplain.results.explanation import Explanation

_ACROSS = 6
_SCALE = 0.62
"""Size of a sample relative to a picture of `panel`."""
_TOP = Style(12, weight="bold")
_OTHER = Style(12, SIGNAL, "bold")
_NUMBER = Style(11)
_ROW_GAP = 0.25
_NARROWEST = 6.0


def samples_panel(explanation: Explanation, row: int = 0, *, class_name: Callable[[int], str] | None = None) -> Figure:
    """Draw the obfuscated images of one row: the kept part, with noise in place of the rest.

    Below each stands the class that the model prefers, and the probability of the explained class. Another class
    than the explained one is set in vermilion, with a sign in front of it.

    Args:
        explanation: made with ``explain(..., samples=m)``.
        row: the row to draw.
        class_name: the name of a class index, such as `Model.class_name`; ``class 17`` by default.

    Returns:
        a figure with an Agg canvas, not registered with pyplot, with up to six images side by side.

    Raises:
        OptionError: no such row, or the explanation holds no samples.
    """
    one = one_row(explanation, row)
    if one.samples is None or one.sample_probabilities is None or one.samples.shape[1] == 0:
        raise OptionError("the explanation holds no samples: make it with explain(..., samples=4)")
    images = framed(one, one.samples[0])
    first, tops, chances = _read(one, one.sample_probabilities[0])
    width, height = (side * _SCALE for side in layout.picture_size(images))
    across = min(len(images), _ACROSS)
    content = max(across * width + (across - 1) * GAP, _NARROWEST)
    label, chance = decision(one)
    heading = layout.wrapped(label, TITLE, content, 2, chance)
    alone = amount(one, float(one.kept_probability[0]))
    rest = "nothing" if one.options.get("noise") == "zero" else "noise"
    said = layout.wrapped(f"The kept part, with {rest} in place of the rest: {alone} on average", FIGURES, content, 2)
    names = [label if top == first else _name(top, class_name) for top in tops]
    signed = [name if top == first else f"\N{NOT EQUAL TO} {name}" for name, top in zip(names, tops, strict=True)]
    lines = [layout.wrapped(name, _TOP, width, 2) for name in signed]
    most = max(map(len, lines))

    said_top = MARGIN + TITLE.height(len(heading)) + 0.05
    top = said_top + FIGURES.height(len(said)) + 0.25
    below = 0.08 + _TOP.height(most) + _NUMBER.height()
    rows = -(-len(images) // across)
    foot_top = top + rows * (height + below) + (rows - 1) * _ROW_GAP + 0.25
    page = Page(content + 2 * MARGIN, foot_top + SMALL.height() + MARGIN * 0.8)
    page.text(MARGIN, MARGIN, heading, TITLE)
    page.text(MARGIN, said_top, said, FIGURES)
    for number, image in enumerate(images):
        x = MARGIN + number % across * (width + GAP)
        y = top + number // across * (height + below + _ROW_GAP)
        page.picture(x, y, (width, height), image)
        y += height + 0.08
        page.text(x, y, lines[number], _TOP if tops[number] == first else _OTHER)
        y += _TOP.height(len(lines[number]))
        figure = amount(one, chances[number])
        if tops[number] != first:
            figure = _beside(label, figure, width)
        page.text(x, y, [figure], _NUMBER)
    page.text(MARGIN, foot_top, layout.wrapped(provenance(one), SMALL, content), SMALL)
    return page.figure


def _read(one: Explanation, probabilities: Tensor) -> tuple[int, list[int], list[float]]:
    """The explained class; for each of m samples the predicted class, and the explained one's probability, from (m,
    classes, ...). Where no label is explained, from scores (m, 1), every class is 0."""
    if one.target_kind != "label":
        return 0, [0] * len(probabilities), probabilities[:, 0].tolist()
    first, *place = one.target[0].reshape(-1).tolist()
    classes = probabilities[(slice(None), slice(None), *place)]
    return first, torch.argmax(classes, dim=1).tolist(), classes[:, first].tolist()


def _name(index: int, class_name: Callable[[int], str] | None) -> str:
    return f"class {index}" if class_name is None else class_name(index)


def _beside(label: str, figure: str, width: float) -> str:
    """The label, shortened to fit the width in inches, and a figure."""
    room = width - _NUMBER.width(f" {figure}")
    return f"{layout.wrapped(label, _NUMBER, room)[0]} {figure}"

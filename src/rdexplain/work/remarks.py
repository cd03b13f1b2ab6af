"""Remarks on explanations that say little or nothing, one sentence each."""

from __future__ import annotations

from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap

UNLIKELY = 0.3
"""A class with a lower probability counts as unlikely."""
ROUNDING = 1e-12
"""If the distortion of the empty mask is at most this, the model's output does not change, up to rounding."""
NEARLY_IMPOSSIBLE = 1e-3
"""The empty mask's distortion is at most p². For a class with a lower probability p, a small one means nothing."""
SMALL = 32
"""In photos with fewer pixels a side, many networks recognise nothing."""
_AIMS_ELSEWHERE = ("maximise_label",)
"""Distortions that do not compare with the output for the clean image."""


def remark(explanation: Explanation | Heatmap) -> str | None:
    """Why an explanation of one row says little or nothing, and what to try; None where there is nothing to remark."""
    label = explanation.labels[0]
    if isinstance(explanation, Explanation) and bool(explanation.collapsed[0]):
        return f"the mask for {label!r} keeps nothing that the model uses: {_advice(explanation)}"
    if notice := _nothing_in(explanation):
        return notice
    if not isinstance(explanation, Explanation):
        return None
    if missed := _missed(explanation):
        return f"no mask for {label!r} was found {missed}: this one comes nearest"
    if _worse_than_nothing(explanation):
        return (
            f"the mask for {label!r} costs more than it explains, keeping nothing has the lower objective: "
            f"{_advice(explanation)}"
        )
    return None


def _worse_than_nothing(explanation: Explanation) -> bool:
    """Whether the empty mask has a lower objective. False where a bound was given in place of λk."""
    searched = any(explanation.options.get(name) is not None for name in ("max_distortion", "rate"))
    return not searched and bool(explanation.worse_than_empty[0])


def _missed(explanation: Explanation) -> str | None:
    """The bound that the mask violates, in words; None where it violates none."""
    most, rate = explanation.options.get("max_distortion"), explanation.options.get("rate")
    if most is not None and float(explanation.distortion[0]) > most:
        return f"within a distortion of {most:g}"
    if rate is not None and float(explanation.non_sparsity[0]) > rate:
        return f"within a rate of {rate:g}"
    return None


def _advice(explanation: Explanation) -> str:
    """What to try. The distortion of the empty mask is at most p², so for an unlikely class λk must be small too."""
    options = explanation.options
    if options.get("max_distortion") is not None or options.get("rate") is not None:
        return "try more `steps`, `preset` best, or another bound"
    lower = 2 * float(explanation.sparsity[0]) * float(explanation.empty_distortion[0])
    is_class = explanation.target_kind == "label" and options["distortion"] == "label"
    if is_class and float(explanation.probability[0]) < UNLIKELY and lower <= 10:
        return f"the class is unlikely: try `sparsity` {lower:.1g}, or ask why it rather than another (`against`)"
    return "try more `steps`, `preset` best, or a lower `sparsity`"


def _nothing_in(explanation: Explanation | Heatmap) -> str | None:
    """Why an explanation says nothing: there is nothing to explain, or nothing was found. None where it does."""
    if (
        isinstance(explanation, Explanation)
        and explanation.options["distortion"] not in _AIMS_ELSEWHERE
        and float(explanation.empty_distortion[0]) <= ROUNDING
        and float(explanation.probability[0]) > NEARLY_IMPOSSIBLE
    ):
        label = explanation.labels[0]
        side = min(explanation.images.shape[-2:])
        small = f", at least in a photo of {side} pixels: try a larger `size`" if side < SMALL else ""
        return f"the model's answer for {label!r} does not depend on what is shown: there is nothing to explain{small}"
    if not any(bool(band.any()) for band in explanation.scores):
        return "every score is zero: the method finds nothing that matters"
    return None

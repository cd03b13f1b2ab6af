"""What the user should know of an explanation that came to little, in a sentence."""

from __future__ import annotations

from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap

UNLIKELY = 0.3
"""A class of less probability is called unlikely."""
ROUNDING = 1e-12
"""Where the empty mask distorts no more than this, the model's answer is the same up to rounding."""
NEARLY_IMPOSSIBLE = 1e-3
"""The empty mask costs p² at most: of a class of less probability that is no sign that nothing changes it."""
SMALL = 32
"""Photos of fewer pixels a side leave many networks nothing to see."""
_AIMS_ELSEWHERE = ("maximise_label",)
"""Distortions that compare with something else than the clean image's answer."""


def remark(explanation: Explanation | Heatmap) -> str | None:
    """Why an explanation of one row says little or nothing, and what to try; None where it is a good one."""
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
    """Whether the empty mask, whose objective is its distortion, has a lower one. A bound is no such choice."""
    searched = any(explanation.options.get(name) is not None for name in ("max_distortion", "rate"))
    return not searched and bool(explanation.worse_than_empty[0])


def _missed(explanation: Explanation) -> str | None:
    """The bound that a mask was searched within, if it is not."""
    most, rate = explanation.options.get("max_distortion"), explanation.options.get("rate")
    if most is not None and float(explanation.distortion[0]) > most:
        return f"within a distortion of {most:g}"
    if rate is not None and float(explanation.non_sparsity[0]) > rate:
        return f"within a rate of {rate:g}"
    return None


def _advice(explanation: Explanation) -> str:
    """What to try. For an unlikely class the empty mask costs little, p² at most, and λk has to be small too."""
    options = explanation.options
    if options.get("max_distortion") is not None or options.get("rate") is not None:
        return "try more `steps`, `preset` best, or another bound"
    lower = 2 * float(explanation.sparsity[0]) * float(explanation.empty_distortion[0])
    is_class = explanation.target_kind == "label" and options["distortion"] == "label"
    if is_class and float(explanation.probability[0]) < UNLIKELY and lower <= 10:
        return f"the class is unlikely, try `sparsity` {lower:.1g}"
    return "try more `steps`, `preset` best, or a lower `sparsity`"


def _nothing_in(explanation: Explanation | Heatmap) -> str | None:
    """Why an explanation says nothing, if it does not: there is nothing to explain, or nothing was found."""
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

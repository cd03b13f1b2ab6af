"""What a mask keeps of a photo: its coefficients, and the image that they make."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rdexplain.evaluation.domains import Explained
from rdexplain.evaluation.subject import Subject


@dataclass(frozen=True)
class Masked:
    """Photos x with coefficients h under masks s, n rows, on the device of the subject.

    Attributes:
        coefficients: (n, c, k) h.
        kept: (n, c, k) s·h.
        image: (n, c, h, w) clamp(f(s·h), 0, 1), with zeros in place of the rest: `Explanation.picture_colour`.
    """

    coefficients: Tensor
    kept: Tensor
    image: Tensor


def masked(subject: Subject, result: Explained) -> Masked | None:
    """What the masks of an explanation keep of the subject's images; None for a heatmap, whose scores rank the
    components, but set none to zero.

    Args:
        result: its `mask`, a list of bands in [0, 1], tells an explanation from a heatmap.
    """
    mask: list[Tensor] | None = getattr(result, "mask", None)
    if mask is None:
        return None
    transform = result.representation.transform_of(subject.images)
    coefficients = transform.analysis(subject.images)
    kept = coefficients * transform.join(mask).to(coefficients).unsqueeze(1)
    return Masked(coefficients, kept, transform.synthesis(kept).clamp(0, 1))

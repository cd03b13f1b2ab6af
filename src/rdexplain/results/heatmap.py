"""`Heatmap`: a baseline's score for each pixel or coefficient, for one photo or many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rdexplain.core.representations import Representation
from rdexplain.results.explanation import mask_picture
from rdexplain.results.result import Result
from rdexplain.results.storage import Layout


@dataclass(frozen=True)
class Heatmap(Result):
    """Scores of n rows; a row is a photo with a target. Tensors lie on the CPU.

    Attributes beside those of `Result`:
        scores: list of bands in the layout of `Explanation.mask`, for pixels [(n, h, w)]. Higher is more important;
            their scale is the method's own, and signed methods have negative ones.
        picture: (n, 1, h, w) in [0, 1], for display: the positive scores over their 99th percentile, clamped; for
            wavelet scores the synthesis of the coefficients weighted by them, in grey.
    """

    LAYOUT = Layout(
        kind="heatmap",
        bands=("scores",),
        tensors=("images", "picture", "target", "probability", "photo"),
        header=("method", "model", "seed", "seconds", "device", "options", "versions"),
        optional=("network_evaluations",),
    )

    scores: list[Tensor]

    def __repr__(self) -> str:
        return f"Heatmap({self.method} of {self.model}: {', '.join(self.labels)})"

    @property
    def target_kind(self) -> str:
        """As in `Explanation`: baselines explain labels only."""
        return "label"

    def record(self, row: int = 0) -> dict[str, Any]:
        return {
            **self._subject(row, self.target_kind),
            "size": list(self.images.shape[-2:]),
            "network_evaluations": int(self.network_evaluations[row]),
            **self._provenance(),
        }


def picture_of(representation: Representation, images: Tensor, scores: list[Tensor]) -> Tensor:
    """The picture (n, 1, h, w) of a heatmap's scores; see `Heatmap`."""
    if representation.name != "pixel":
        return mask_picture(representation, images, scores)
    positive = scores[0].clamp_min(0)
    flat = positive.flatten(1)
    # A percentile, because a few outliers would leave the rest black; the maximum where the percentile is 0.
    top = flat.kthvalue(max(1, round(0.99 * flat.shape[1])), dim=1).values
    top = torch.where(top > 0, top, flat.amax(dim=1)).clamp_min(torch.finfo(flat.dtype).tiny)
    # Scores that are equal up to rounding are drawn black: no pixel stands out.
    spread = flat.amax(dim=1) - flat.amin(dim=1)
    top = top.where(spread > 16 * torch.finfo(flat.dtype).eps * flat.amax(dim=1), torch.inf)
    return (positive / top[:, None, None]).clamp(0, 1).unsqueeze(1)

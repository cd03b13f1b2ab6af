"""What a baseline's explanation holds: a score for each pixel or coefficient, for one photo or many."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rdexplain.explanation import Frame, frame_from, mask_picture, representation_from, resized
from rdexplain.representations import Representation


@dataclass(frozen=True)
class Heatmap:
    """Scores of n rows; a row is a photo with a target. Tensors lie on the CPU.

    Attributes:
        images: (n, 3, h, w) in [0, 1], what was explained.
        scores: list of bands in the layout of `Explanation.mask`, for pixels [(n, h, w)]. Higher is more important;
            their scale is the method's own, and signed methods have negative ones.
        picture: (n, 1, h, w) in [0, 1], for the eye: the positive scores over their 99th percentile, clamped; for
            wavelet scores the synthesis of the coefficients weighted by them, in grey.
        target: (n,) explained class; (n, axes) where targets are tuples.
        probability: (n,) of the target on the clean image.
        labels: the targets in words.
        photo: (n,) which photo of the call a row explains.
        photos: names or paths of the rows' photos, None where not given.
        method, model: their names.
        seed: of the method's randomness, where it has any.
        seconds: wall time of the call, shared equally among its rows.
        network_evaluations: images sent through the network, for each row.
        options: every option of the method, resolved.
        versions: of the packages that made the numbers.
        device: where they were made.
    """

    images: Tensor
    scores: list[Tensor]
    picture: Tensor
    target: Tensor
    probability: Tensor
    labels: tuple[str, ...]
    photo: Tensor
    photos: tuple[str | None, ...]
    method: str
    model: str
    seed: int
    seconds: float
    network_evaluations: int
    options: dict[str, Any]
    versions: dict[str, str]
    device: str

    def __len__(self) -> int:
        return len(self.picture)

    def __getitem__(self, row: int) -> Heatmap:
        """The heatmap of one row, as a `Heatmap` of length 1."""
        row = range(len(self))[row]
        rows = slice(row, row + 1)
        cut: dict[str, Any] = {
            item.name: value[rows] for item in fields(self) if isinstance(value := getattr(self, item.name), Tensor)
        }
        cut["scores"] = [band[rows] for band in self.scores]
        cut["labels"], cut["photos"] = self.labels[rows], self.photos[rows]
        return replace(self, **cut)

    def __repr__(self) -> str:
        return f"Heatmap({self.method} of {self.model}: {', '.join(self.labels)})"

    @property
    def target_kind(self) -> str:
        """What is explained, as `Explanation.target_kind` has it: baselines explain labels only."""
        return "label"

    @property
    def frame(self) -> Frame | None:
        """Top, left, height and width of the photo in the explained image, where bars were put around it."""
        return frame_from(self.options)

    @property
    def representation(self) -> Representation:
        """Where the scores live."""
        return representation_from(self.options)

    def picture_at(self, height: int, width: int) -> Tensor:
        """The picture at another size, such as the original photo's, (n, 1, height, width), bilinear.

        Bars that were put around the photo are left out.

        Raises:
            OptionError: a height or width that is no whole number above 0.
        """
        return resized(self.picture, height, width, self.frame)

    def record(self, row: int = 0) -> dict[str, Any]:
        """One row's figures and provenance, ready for JSON."""
        return {
            "photo": self.photos[row],
            "model": self.model,
            "method": self.method,
            "target": {
                "kind": self.target_kind,
                "index": self.target[row].tolist(),
                "label": self.labels[row],
                "probability": float(self.probability[row]),
            },
            "size": list(self.images.shape[-2:]),
            "network_evaluations": self.network_evaluations,
            "seconds": self.seconds,
            "seed": self.seed,
            "device": self.device,
            "options": self.options,
            "versions": self.versions,
        }

    def save(self, path: str | Path, *, overwrite: bool = True) -> tuple[Path, Path]:
        """Write PATH.safetensors (tensors, and the record in its header) and PATH.json (the record, for people).

        Args, returns and raises: as `Explanation.save`; `load_heatmap` reads it.
        """
        from rdexplain.storage import save_heatmap  # storage knows heatmaps, not the other way round

        return save_heatmap(self, path, overwrite=overwrite)


def picture_of(representation: Representation, images: Tensor, scores: list[Tensor]) -> Tensor:
    """The picture (n, 1, h, w) of a heatmap's scores; see `Heatmap`."""
    if representation.name != "pixel":
        return mask_picture(representation, images, scores)
    positive = scores[0].clamp_min(0)
    flat = positive.flatten(1)
    # A few outliers would leave the rest black; where nearly all is zero, the largest is no outlier.
    top = flat.kthvalue(max(1, round(0.99 * flat.shape[1])), dim=1).values
    top = torch.where(top > 0, top, flat.amax(dim=1)).clamp_min(torch.finfo(flat.dtype).tiny)
    return (positive / top[:, None, None]).clamp(0, 1).unsqueeze(1)

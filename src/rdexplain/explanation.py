"""What an explanation holds, for one photo or many."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import OptionError
from rdexplain.representations import Pixel, Representation, Wavelet


@dataclass(frozen=True)
class Explanation:
    """Explanations of n rows; a row is a photo with a target. Tensors lie on the CPU.

    Attributes:
        images: (n, 3, h, w) in [0, 1], what was explained.
        mask: list of bands in [0, 1]; wavelet: [(n, h, w) low-pass, then per level from the coarsest (n, 3, h, w)
            with PyWavelets' orientations cH, cV, cD]; pixel: [(n, h, w)].
        picture: (n, 1, h, w) in [0, 1], the explanation in grey: for a wavelet the synthesis of the masked
            coefficients of the mean of the channels, for pixels the mask.
        distortion: (n,) D on 256 fresh draws.
        non_sparsity: (n,) mean mask value, ||s||_1 / k.
        objective: (n,) distortion + λk * non_sparsity.
        sparsity: (n,) λk, each row's own where it was searched for.
        empty_distortion: (n,) distortion of the empty mask, all noise.
        collapsed: (n,) bool, the mask keeps nothing that the model uses.
        target: (n,) explained class; (n, axes) where targets are tuples.
        target_kind: what is explained: ``label``, ``contrast``, ``region``, ``object`` or ``value``.
        probability: (n,) of the target on the clean image; for a region the mean over its pixels, for an object its
            confidence, for a value the value.
        kept_probability: (n,) the same, mean over the fresh draws.
        labels: the targets in words.
        history: ``distortion`` and ``non_sparsity``, (steps, n), before each step, on that step's own draws.
        photo: (n,) which photo of the call a row explains.
        photos: names or paths of the rows' photos, None where not given.
        samples: (n, m, 3, h, w) obfuscated images, where asked for.
        sample_probabilities: (n, m, classes), the model's probabilities for them; where no label is explained
            (n, m, 1), what `probability` is on the clean image.
        region: (n, h, w) bool, the explained region of a segmentation.
        box: (n, 4) left, top, right and bottom of the explained object, in pixels of the explained image.
        seconds: wall time of the call, shared equally among its rows.
        network_evaluations: images sent through the network forward and backward, for each row.
        measurements: images sent forward only, for the figures above, for each row.
        options: every option of the method, resolved.
    """

    images: Tensor
    mask: list[Tensor]
    picture: Tensor
    distortion: Tensor
    non_sparsity: Tensor
    objective: Tensor
    sparsity: Tensor
    empty_distortion: Tensor
    collapsed: Tensor
    target: Tensor
    probability: Tensor
    kept_probability: Tensor
    labels: tuple[str, ...]
    history: dict[str, Tensor]
    photo: Tensor
    photos: tuple[str | None, ...]
    method: str
    model: str
    seed: int
    steps: int
    draws: int
    seconds: float
    network_evaluations: int
    measurements: int
    device: str
    options: dict[str, Any]
    versions: dict[str, str]
    samples: Tensor | None = None
    sample_probabilities: Tensor | None = None
    target_kind: str = field(default="label")
    region: Tensor | None = None
    box: Tensor | None = None

    def __len__(self) -> int:
        return len(self.distortion)

    def __getitem__(self, row: int) -> Explanation:
        """The explanation of one row, as an `Explanation` of length 1."""
        row = range(len(self))[row]
        rows = slice(row, row + 1)
        cut: dict[str, Any] = {
            item.name: value[rows] for item in fields(self) if isinstance(value := getattr(self, item.name), Tensor)
        }
        cut["mask"] = [band[rows] for band in self.mask]
        cut["history"] = {name: curve[:, rows] for name, curve in self.history.items()}
        cut["labels"], cut["photos"] = self.labels[rows], self.photos[rows]
        return replace(self, **cut)

    def __repr__(self) -> str:
        words = ", ".join(
            f"{label} D={d:.4f} non-sparsity={s:.4f}"
            for label, d, s in zip(self.labels, self.distortion.tolist(), self.non_sparsity.tolist(), strict=True)
        )
        return f"Explanation({self.method} of {self.model}: {words})"

    @property
    def representation(self) -> Representation:
        """Where the mask lives."""
        return representation_from(self.options)

    @property
    def frame(self) -> Frame | None:
        """Top, left, height and width of the photo in the explained image, where bars were put around it."""
        return frame_from(self.options)

    @property
    def scores(self) -> list[Tensor]:
        """How important each component is, in the layout of the mask: the mask itself."""
        return self.mask

    @property
    def picture_colour(self) -> Tensor:
        """(n, 3, h, w) in [0, 1]: the synthesis of the masked coefficients of all channels; pixels times the mask."""
        return synthesise(self.representation, self.images, self.mask)

    def picture_at(self, height: int, width: int) -> Tensor:
        """The picture at another size, such as the original photo's, (n, 1, height, width), bilinear.

        Bars that were put around the photo are left out.

        Raises:
            OptionError: a height or width that is no whole number above 0.
        """
        return resized(self.picture, height, width, self.frame)

    def record(self, row: int = 0) -> dict[str, Any]:
        """One row's figures and provenance, ready for JSON."""
        target = self.target[row].tolist()
        return {
            "photo": self.photos[row],
            "model": self.model,
            "method": self.method,
            "target": {
                "kind": self.target_kind,
                "index": target,
                "label": self.labels[row],
                "probability": float(self.probability[row]),
                "kept_probability": float(self.kept_probability[row]),
            },
            "distortion": float(self.distortion[row]),
            "non_sparsity": float(self.non_sparsity[row]),
            "objective": float(self.objective[row]),
            "sparsity": float(self.sparsity[row]),
            "empty_distortion": float(self.empty_distortion[row]),
            **self._focus(row),
            "collapsed": bool(self.collapsed[row]),
            "size": list(self.images.shape[-2:]),
            "steps": self.steps,
            "draws": self.draws,
            "network_evaluations": self.network_evaluations,
            "measurements": self.measurements,
            "seconds": self.seconds,
            "seed": self.seed,
            "device": self.device,
            "options": self.options,
            "versions": self.versions,
        }

    def _focus(self, row: int) -> dict[str, Any]:
        """How much of the kept energy lies inside the explained region or box, where there is one."""
        from rdexplain.focus import focus  # it measures explanations, not the other way round

        if self.region is None and self.box is None:
            return {}
        found = focus(self[row])
        return {"inside": {"kept": float(found.kept), "photo": float(found.photo), "area": float(found.area)}}

    def save(self, path: str | Path, *, overwrite: bool = True) -> tuple[Path, Path]:
        """Write PATH.safetensors (tensors, and the record in its header) and PATH.json (the record, for people).

        Args:
            path: with or without one of the two suffixes.
            overwrite: whether existing files may be replaced.

        Returns:
            the two paths. Each file appears whole or not at all.

        Raises:
            OSError: the folder is missing or full; FileExistsError without `overwrite`.
        """
        from rdexplain.storage import save  # storage knows explanations, not the other way round

        return save(self, path, overwrite=overwrite)


def synthesise(representation: Representation, images: Tensor, mask: list[Tensor]) -> Tensor:
    """clamp(f(s * h), 0, 1) for images (n, c, h, w): what the mask keeps, with nothing in place of the rest."""
    transform = representation.transform((images.shape[-2], images.shape[-1]), images.dtype, images.device)
    kept = transform.analysis(images) * transform.join(mask).to(images.dtype).unsqueeze(1)
    return transform.synthesis(kept).clamp(0, 1)


def mask_picture(representation: Representation, images: Tensor, mask: list[Tensor]) -> Tensor:
    """The picture (n, 1, h, w) of masks: for pixels the mask, else the synthesis of what is kept of the grey image."""
    if representation.name == "pixel":
        return mask[0].unsqueeze(1)
    return synthesise(representation, images.mean(dim=1, keepdim=True), mask)


Frame = tuple[int, int, int, int]
"""Top, left, height and width of the photo in the explained image, where bars were put around it."""


def frame_from(options: dict[str, Any]) -> Frame | None:
    """The frame that a result's options name."""
    frame = options.get("frame")
    return None if frame is None else (frame[0], frame[1], frame[2], frame[3])


def resized(picture: Tensor, height: int, width: int, frame: Frame | None = None) -> Tensor:
    """A picture (n, c, h, w) in [0, 1] at another size, bilinear; see `Explanation.picture_at`."""
    for side in (height, width):
        if not isinstance(side, int) or side < 1:
            raise OptionError(f"a picture's height and width are whole numbers above 0, not {side!r}")
    top, left, rows, columns = frame or (0, 0, *picture.shape[-2:])
    shown = picture[..., top : top + rows, left : left + columns]
    scaled = torch.nn.functional.interpolate(
        shown, size=(height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return scaled.clamp(0, 1)


def representation_from(options: dict[str, Any]) -> Representation:
    """The representation that an explanation's options name."""
    kind = options.get("representation")
    if kind == "pixel":
        return Pixel()
    if kind == "wavelet":
        return Wavelet(options["wavelet"], levels=options["levels"], padding=options["padding"])
    raise OptionError(f"unknown representation {kind!r} in an explanation")

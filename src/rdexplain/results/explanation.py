"""`Explanation`: masks and their figures, for one photo or many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from torch import Tensor

from rdexplain.core.representations import Representation
from rdexplain.results.focus import focus
from rdexplain.results.result import Result
from rdexplain.results.storage import Layout


@dataclass(frozen=True)
class Explanation(Result):
    """Explanations of n rows; a row is a photo with a target. Tensors lie on the CPU.

    Attributes beside those of `Result`:
        mask: list of bands in [0, 1]; wavelet: [(n, h, w) low-pass, then per level from the coarsest (n, 3, h, w)
            with PyWavelets' orientations cH, cV, cD]; shearlet: [(n, h, w) low-pass, then for each direction of each
            scale (n, h', w')]; pixel: [(n, h, w)].
        picture: (n, 1, h, w) in [0, 1], the explanation in grey: for wavelets and shearlets the synthesis of the masked
            coefficients of the mean of the channels, for pixels the mask.
        distortion: (n,) D on 256 fresh draws.
        non_sparsity: (n,) mean mask value, ||s||_1 / k.
        objective: (n,) distortion + λk * non_sparsity, and with `spatial` the weight of it times the `brightness`.
        sparsity: (n,) λk, each row's own where it was searched for.
        empty_distortion: (n,) distortion of the empty mask, all noise.
        collapsed: (n,) bool, the mask keeps nothing that the model uses.
        target_kind: what is explained: ``label``, ``contrast``, ``region``, ``object`` or ``value``.
        probability: (n,) of the target on the clean image; for a region the mean over its pixels, for an object its
            confidence, for a value the value.
        kept_probability: (n,) the same, mean over the fresh draws.
        history: ``distortion`` and ``non_sparsity``, (steps, n), before each step, on that step's own draws.
        steps, draws: optimisation steps, and noise draws per step.
        samples: (n, m, 3, h, w) obfuscated images, where asked for.
        sample_probabilities: (n, m, classes), the model's probabilities for them; where no label is explained
            (n, m, 1), what `probability` is on the clean image.
        region: (n, h, w) bool, the explained region of a segmentation.
        box: (n, 4) left, top, right and bottom of the explained object, in pixels of the explained image.
        network_evaluations: (n,) images sent through the network forward and backward.
        measurements: (n,) images sent forward only, for the figures above.
        repeats: how many times each row was solved, with different seeds.
        selection_frequency: list of bands like `mask`, where a row was solved several times: the share of the solutions
            that keep a coefficient, with a mask value above 0.3.
        agreement: (n,) in [0, 1], the same in one number: the mean over all pairs of solutions of the intersection over
            the union of what they keep; NaN where all solutions keep everything, or all keep nothing.
        order: list of bands like `mask`, uint8, where an order of all components is kept: 0 comes first, and among what
            the mask does not tell apart, such as its zeros, it says what is more important. A level is a few per cent
            of a rank, see `methods.orders.levels`; what it comes from is the option ``order``.
    """

    LAYOUT = Layout(
        kind="explanation",
        bands=("mask", "selection_frequency", "order"),
        tensors=(
            *("images", "picture", "distortion", "non_sparsity", "objective", "sparsity", "empty_distortion"),
            *("collapsed", "target", "probability", "kept_probability", "photo"),
        ),
        header=(
            *("method", "model", "seed", "steps", "draws", "seconds", "device", "options", "versions"),
            *("target_kind", "repeats"),
        ),
        optional=(
            *("network_evaluations", "measurements", "samples", "sample_probabilities", "region", "box"),
            "agreement",
        ),
        curves=("history",),
    )

    mask: list[Tensor]
    distortion: Tensor
    non_sparsity: Tensor
    objective: Tensor
    sparsity: Tensor
    empty_distortion: Tensor
    collapsed: Tensor
    kept_probability: Tensor
    history: dict[str, Tensor]
    steps: int
    draws: int
    measurements: Tensor
    samples: Tensor | None = None
    sample_probabilities: Tensor | None = None
    target_kind: str = "label"
    region: Tensor | None = None
    box: Tensor | None = None
    repeats: int = 1
    selection_frequency: list[Tensor] | None = None
    agreement: Tensor | None = None
    order: list[Tensor] | None = None

    def __getitem__(self, row: int | slice | Sequence[int]) -> Self:
        one, rows = super().__getitem__(row), self._places(row)
        return replace(one, history={name: curve[:, rows] for name, curve in self.history.items()})

    def __repr__(self) -> str:
        words = ", ".join(
            f"{label} D={d:.4f} non-sparsity={s:.4f}"
            for label, d, s in zip(self.labels, self.distortion.tolist(), self.non_sparsity.tolist(), strict=True)
        )
        return f"Explanation({self.method} of {self.model}: {words})"

    @property
    def scores(self) -> list[Tensor]:
        """How important each component is, in the layout of the mask: the mask itself."""
        return self.mask

    @property
    def worse_than_empty(self) -> Tensor:
        """(n,) bool: the empty mask has a lower objective, as can be where the class is unlikely."""
        return self.objective > self.empty_distortion

    @property
    def brightness(self) -> Tensor:
        """(n,) the mean of clamp(f(s * h_grey), 0, 1): what the spatial penalty is on; see `Objective.brightness`."""
        return synthesise(self.representation, self.images.mean(dim=1, keepdim=True), self.mask).mean(dim=(1, 2, 3))

    @property
    def picture_colour(self) -> Tensor:
        """(n, 3, h, w) in [0, 1]: the synthesis of the masked coefficients of all channels; pixels times the mask."""
        return synthesise(self.representation, self.images, self.mask)

    def record(self, row: int = 0) -> dict[str, Any]:
        subject = self._subject(row, self.target_kind)
        subject["target"]["kept_probability"] = float(self.kept_probability[row])
        return {
            **subject,
            "distortion": float(self.distortion[row]),
            "non_sparsity": float(self.non_sparsity[row]),
            "objective": float(self.objective[row]),
            "sparsity": float(self.sparsity[row]),
            **self._spatial(row),
            "empty_distortion": float(self.empty_distortion[row]),
            **self._focus(row),
            "collapsed": bool(self.collapsed[row]),
            "worse_than_empty": bool(self.worse_than_empty[row]),
            "size": list(self.images.shape[-2:]),
            "steps": self.steps,
            "draws": self.draws,
            **self._repeated(row),
            "network_evaluations": int(self.network_evaluations[row]),
            "measurements": int(self.measurements[row]),
            **self._provenance(),
        }

    def _repeated(self, row: int) -> dict[str, Any]:
        """The number of solutions and their agreement (None for NaN), where a row was solved several times."""
        if self.agreement is None:
            return {}
        agreement = float(self.agreement[row])
        return {"repeats": self.repeats, "agreement": None if math.isnan(agreement) else agreement}

    def _spatial(self, row: int) -> dict[str, Any]:
        """The spatial penalty's weight, in its ratio to a sparsity that was searched for, and what it is on."""
        weight, sparsity = self.options.get("spatial"), self.options["sparsity"]
        if not weight:
            return {}
        weight = weight * float(self.sparsity[row]) / sparsity if sparsity else weight
        return {"spatial": weight, "brightness": float(self[row].brightness)}

    def _focus(self, row: int) -> dict[str, Any]:
        """How much of the kept energy lies inside the explained region or box, where there is one."""
        if self.region is None and self.box is None:
            return {}
        found = focus(self[row])
        return {"inside": {"kept": float(found.kept), "photo": float(found.photo), "area": float(found.area)}}


def synthesise(representation: Representation, images: Tensor, mask: list[Tensor]) -> Tensor:
    """clamp(f(s * h), 0, 1) for images (n, c, h, w): what the mask keeps, with zeros in place of the rest."""
    transform = representation.transform_of(images)
    kept = transform.analysis(images) * transform.join(mask).to(images.dtype).unsqueeze(1)
    return transform.synthesis(kept).clamp(0, 1)


def mask_picture(representation: Representation, images: Tensor, mask: list[Tensor]) -> Tensor:
    """The picture (n, 1, h, w) of masks: for pixels the mask, else the synthesis of what is kept of the grey image."""
    if representation.name == "pixel":
        return mask[0].unsqueeze(1)
    return synthesise(representation, images.mean(dim=1, keepdim=True), mask)

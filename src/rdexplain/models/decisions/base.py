"""Base classes: `Decision`, which the solver uses, and `Task`, which the user gives.

A `Task` says what to explain ("the region of the cow") before the model has seen a photo. Given the model's output on
the clean images, it becomes `Rows`: the photo that each row explains, and one `Decision` that reads the explained
numbers of all rows. The solver calls `Decision.read` alone, so a new task is a new decision.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from rdexplain.errors import ModelError, OptionError, TargetError
from rdexplain.models import Model
from rdexplain.models.decisions.distortions import Distortion


class AbsentError(TargetError):
    """The prediction for some photos does not contain the target.

    ``reasons`` maps the position of each such photo in the call to a message on what is predicted instead.
    """

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__("; ".join(f"image {photo}: {reason}" for photo, reason in reasons.items()))
        self.reasons = dict(reasons)

    @property
    def photos(self) -> tuple[int, ...]:
        """Positions of the photos without the target."""
        return tuple(self.reasons)


class Decision(ABC):
    """Reads the explained numbers of R rows (a row is a photo with a target).

    Attributes:
        fits: the names of the distortions that may compare its readings.
    """

    fits: ClassVar[tuple[str, ...]] = ("label",)

    @abstractmethod
    def read(self, output: Any, rows: Tensor) -> Tensor:
        """The m explained numbers (b, m), the "reading", of a model's output for the rows (b,); differentiable.

        The default distortion is the squared distance of two readings, so weights of the numbers enter as factors in
        the reading.
        """

    def score(self, reading: Tensor, rows: Tensor) -> Tensor:
        """The score (b,) of a reading (b, m), for display; linear in the reading, by default its sum."""
        return reading.sum(dim=1)

    def shown(self, output: Any, rows: Tensor) -> Tensor:
        """The part (b, ...) of an obfuscated image's output to store with the image; by default the score (b, 1)."""
        return self.score(self.read(output, rows), rows).unsqueeze(1)

    def compared_by(self, distortion: Distortion) -> Decision:
        """The decision whose readings a distortion compares.

        Raises:
            OptionError: the distortion does not fit.
        """
        if distortion.name not in self.fits:
            raise OptionError(
                f"distortion {distortion.name} does not fit here: {' and '.join(self.fits)} "
                f"{'does' if len(self.fits) == 1 else 'do'}"
            )
        return self


@dataclass(frozen=True)
class Rows:
    """The R rows to explain, ordered by photo.

    Attributes:
        photos: index of each row's photo.
        targets: the indices that name each row's target, equally many for all rows.
        labels: the targets in words.
        decision: reads all rows.
        kind: ``label``, ``contrast``, ``region``, ``object`` or ``value``.
        region: (R, h, w) bool, the explained region, in pixels of the explained image or of the output.
        box: (R, 4) the explained object's left, top, right and bottom in pixels of the explained image.
    """

    photos: tuple[int, ...]
    targets: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    decision: Decision
    kind: str = "label"
    region: Tensor | None = field(default=None, repr=False)
    box: Tensor | None = None


_OTHERS = {
    "contrast": "a contrast (one class rather than another)",
    "region": "a region of a segmentation",
    "object": "a detected object",
    "value": "a value of your own",
}


def check_label(kind: str, who: str, does: str = "explains") -> None:
    """Raises ModelError unless `kind` (of `Rows`) is "label", the only one that `who` supports."""
    if kind != "label":
        whose = f": {_OTHERS[kind]} is for methods with a mask" if does == "explains" else f", not {_OTHERS[kind]}"
        raise ModelError(f"{who} {does} class labels only{whose}")


class Task(ABC):
    """What to explain, as the user gives it to `explain` for the target."""

    @abstractmethod
    def ask(self, model: Model, output: Any) -> Rows:
        """The rows for a model's output on n clean images.

        Raises:
            TargetError: the output does not contain the target.
        """

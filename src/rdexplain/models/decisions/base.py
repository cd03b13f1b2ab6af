"""What a decision is to the solver, and what a task is to the user.

A `Task` is what a user asks for ("the region of the cow"), before the model has seen a photo. On the model's clean
output it becomes `Rows`: which photo each row explains, and one `Decision` that reads all rows. The solver knows
decisions only through `Decision.read`, so another task is another decision.
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
    """What is to be explained is not in a photo's prediction.

    ``reasons`` says for each of the photos to blame, by its position in the call, what there is instead.
    """

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__("; ".join(f"image {photo}: {reason}" for photo, reason in reasons.items()))
        self.reasons = dict(reasons)

    @property
    def photos(self) -> tuple[int, ...]:
        """Their positions."""
        return tuple(self.reasons)


class Decision(ABC):
    """Reads the explained numbers of R rows (a row is a photo with a target).

    Attributes:
        fits: the names of the distortions that may compare its readings.
    """

    fits: ClassVar[tuple[str, ...]] = ("label",)

    @abstractmethod
    def read(self, output: Any, rows: Tensor) -> Tensor:
        """The reading (b, m) of a model's output for the rows (b,), differentiable.

        The squared distance of two readings is the distortion: weights are part of the reading.
        """

    def score(self, reading: Tensor, rows: Tensor) -> Tensor:
        """The one number (b,) of a reading that people are shown; linear in the reading. Its sum by default."""
        return reading.sum(dim=1)

    def shown(self, output: Any, rows: Tensor) -> Tensor:
        """What is kept of an obfuscated image's output beside the image, (b, ...): the score, (b, 1), by default."""
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
    """What is explained: R rows, photo by photo.

    Attributes:
        photos: the photo of each row.
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
    """ModelError where what is explained, by its `Rows.kind`, is no label and `who` reads no other."""
    if kind != "label":
        whose = f": {_OTHERS[kind]} is for methods with a mask" if does == "explains" else f", not {_OTHERS[kind]}"
        raise ModelError(f"{who} {does} class labels only{whose}")


class Task(ABC):
    """What a user asks for; given to `explain` as the target."""

    @abstractmethod
    def ask(self, model: Model, output: Any) -> Rows:
        """The rows for a model's output on n clean images.

        Raises:
            TargetError: the output has no such thing.
        """

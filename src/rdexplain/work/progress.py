"""What a job tells whoever asked for it: how far it is, and what became of each part."""

from __future__ import annotations

import inspect
import math
import time
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdexplain.methods.preview import Preview


class Cancelled(Exception):
    """Raise it from any method of a `Progress` to stop a job. What is finished stays, as after Ctrl-C."""


class Progress:
    """Is told what happens, in the process and the thread that asked for the job.

    Its own methods do nothing: a subclass overrides those that it wants to hear of. Each may raise `Cancelled`.
    """

    def stage(self, text: str) -> None:
        """What is being done from now on, such as "loading resnet50"."""

    def advance(self, place: float, total: float, text: str, figures: str = "", left: float | None = None) -> None:
        """How far it is.

        Args:
            place, total: what is done, and all there is to do, in photos or parts.
            text: what is being done.
            figures: the step, the loss, the pace.
            left: seconds that the rest will take, where that can be told.
        """

    def preview(self, preview: Preview) -> bool | None:
        """A mask as it forms, of a method that solves for one; True ends its steps, and it is kept as it is now."""

    def done(self, result: Any) -> None:
        """One result is there, and written: what it is depends on the job, whose documentation says so."""

    def failed(self, text: str) -> None:
        """A part that is left out, and why. The others go on."""

    def warning(self, text: str) -> None:
        """Something that the user should know."""


class Silent(Progress):
    """Shows no progress; failures, and what the user should know, become Python's warnings."""

    def failed(self, text: str) -> None:
        self.warning(text)

    def warning(self, text: str) -> None:
        warnings.warn(text, RuntimeWarning, stacklevel=_outside())


def _outside() -> int:
    """How many calls lie between the function that calls this and the user's own line."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith("rdexplain."):
        frame, level = frame.f_back, level + 1
    return level


class Count:
    """How many photos of how many, and how long the rest will take."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._photos = self._done = self._failed = self._batch = 0
        self._steps = 1
        self._place = 0.0  # in photos
        self._measuring = 0.0
        self._started = 0.0
        self._text = ""

    def stage(self, text: str) -> None:
        """What is being done."""
        self._text = text
        self.progress.stage(text)

    def expect(self, photos: int, steps: int, measuring: float) -> None:
        """How much there is to do. `measuring` is the share of a photo's time that comes after its steps."""
        self._photos, self._steps, self._measuring = photos, max(steps, 1), measuring
        self._started = time.monotonic()

    def begin(self, count: int, name: str) -> None:
        """The next `count` photos are explained."""
        self._batch = count
        first, last = self._done + 1, self._done + count
        which = name if self._photos == 1 else f"{first} of {self._photos}"
        if count > 1:
            which = f"{first}-{last} of {self._photos}"
        self.stage(f"explaining {which}")

    def step(self, step: int, loss: float) -> None:
        """A step is done; of the solver's `Progress` form. A baseline has no loss: it is NaN."""
        share = min(step / self._steps, 1.0)
        self._place = self._done + self._batch * share * (1 - self._measuring)
        figures = f"step {step:>{len(str(self._steps))}}/{self._steps}  loss {loss:.4f}"
        if math.isnan(loss):
            figures = f"{share:.0%}"
        elif step == self._steps:
            figures = "measuring"
        self._tell(figures)

    def draw(self) -> None:
        """The photos of the batch are explained, now their results are drawn and written."""
        self._tell("drawing")

    def finish(self, count: int, failed: bool = False) -> None:
        """`count` photos are written, or have failed."""
        self._done += count
        self._failed += count * failed
        self._batch = max(self._batch - count, 0)
        self._place = max(self._place, self._done)
        self._tell("")

    def _tell(self, figures: str) -> None:
        self.progress.advance(self._place, self._photos, self._text, figures, self._left())

    def _left(self) -> float | None:
        worked = self._place - self._failed  # photos that fail take no time
        if worked <= 0:
            return None
        return (time.monotonic() - self._started) * (self._photos - self._place) / worked

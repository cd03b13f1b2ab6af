"""How a job reports its progress and its results to the caller, while it runs."""

from __future__ import annotations

import inspect
import math
import time
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdexplain.methods.preview import Preview


class Cancelled(Exception):
    """Raised from any method of a `Progress` to stop a job. Finished results are kept, as after Ctrl-C."""


class Progress:
    """A listener, whose methods a job calls in the process and the thread of its caller.

    Its own methods do nothing: a subclass overrides those that it needs. Each may raise `Cancelled`.
    """

    def stage(self, text: str) -> None:
        """A stage of the work begins, such as "loading resnet50"."""

    def advance(self, place: float, total: float, text: str, figures: str = "", left: float | None = None) -> None:
        """The work has advanced.

        Args:
            place, total: the amount of work that is done, and that of the whole job, in photos or parts.
            text: the current stage.
            figures: such as the step, the loss, the pace.
            left: estimated seconds for the rest; None where there is no estimate.
        """

    def preview(self, preview: Preview) -> bool | None:
        """The masks after a step of the optimisation; True ends it, and keeps the current masks."""

    def done(self, result: Any) -> None:
        """A result is finished and written. Its type is in the job's documentation."""

    def failed(self, text: str) -> None:
        """A part of the work has failed, for the reason `text`. The job goes on with the others."""

    def warning(self, text: str) -> None:
        """Something that the user should know."""


class Silent(Progress):
    """Shows no progress; failures, and what the user should know, become Python's warnings."""

    def failed(self, text: str) -> None:
        self.warning(text)

    def warning(self, text: str) -> None:
        warnings.warn(text, RuntimeWarning, stacklevel=_outside())


def _outside() -> int:
    """The `stacklevel` of a warning that names the user's own line, for the function that calls this."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith("rdexplain."):
        frame, level = frame.f_back, level + 1
    return level


class Count:
    """Counts photos, and reports the progress and the estimated time left."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._photos = self._done = self._failed = self._batch = 0
        self._steps = 1
        self._place = 0.0  # in photos
        self._measuring = 0.0
        self._started = 0.0
        self._text = ""

    def stage(self, text: str) -> None:
        """A stage begins."""
        self._text = text
        self.progress.stage(text)

    def expect(self, photos: int, steps: int, measuring: float) -> None:
        """The amount of work. `measuring` is the share of a photo's time that is spent after its steps."""
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
        """A step is done; a `core.progress.Progress`. The loss of a baseline is NaN."""
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
        """`count` more photos are written, or have failed."""
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

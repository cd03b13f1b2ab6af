"""How far a run is, also while another process works on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rdexplain.errors import OptionError
from rdexplain.work.job import job
from rdexplain.work.progress import Progress
from rdexplain.work.requests import Status
from rdexplain.work.runs.folder import LEDGER, LOCK, RunError, is_run, read_config
from rdexplain.work.runs.ledger import Ledger
from rdexplain.work.runs.lock import holder


@dataclass(frozen=True)
class Failure:
    """A photo that could not be explained by a method: why, and how often it was tried."""

    photo: str
    method: str
    error: str
    attempts: int


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes:
        folder: the run's.
        model, methods, identity: what it is of.
        worker: who works on it now; None for nobody.
        total, done, pending, running: photos by methods: all, those that are explained, not begun, and begun.
        failures: the others.
        seconds: of work, for those that are done.
    """

    folder: Path
    model: str
    methods: tuple[str, ...]
    identity: str
    worker: str | None
    total: int
    done: int
    pending: int
    running: int
    failures: tuple[Failure, ...]
    seconds: float

    @property
    def is_finished(self) -> bool:
        """Whether each photo is done or has failed."""
        return self.done + len(self.failures) == self.total

    @property
    def left(self) -> float | None:
        """Seconds of one worker that the rest will take; None where nothing is done yet."""
        return self.seconds / self.done * (self.pending + self.running) if self.done else None


@job(Status)
def status(options: Status, progress: Progress) -> RunStatus:
    """How far a run is.

    Raises:
        RunError: the folder is no run, or is damaged.
    """
    folder = options.run
    if folder is None:
        raise OptionError("name the folder of a run")
    if not is_run(folder):
        raise RunError(f"{folder} is no run: it has no ledger")
    config = read_config(folder)
    with Ledger(folder / LEDGER, read_only=True) as ledger:
        counts, failures, seconds = ledger.counts(), ledger.failures(), ledger.seconds()
    return RunStatus(
        folder,
        config["resolved"]["model"],
        tuple(config["resolved"]["methods"]),
        config["identity"],
        holder(folder / LOCK),
        sum(counts.values()),
        counts["done"],
        counts["pending"],
        counts["running"],
        tuple(Failure(*failure) for failure in failures),
        seconds,
    )

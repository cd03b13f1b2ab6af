"""The progress of a run, also while another process works on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rdexplain.errors import OptionError
from rdexplain.work.job import job
from rdexplain.work.lock import holder
from rdexplain.work.progress import Progress
from rdexplain.work.requests import Status
from rdexplain.work.runs.folder import LEDGER, LOCK, RunError, is_run, read_config
from rdexplain.work.runs.ledger import Ledger


@dataclass(frozen=True)
class Failure:
    """A photo that a method could not explain, with the error and the number of attempts."""

    photo: str
    method: str
    error: str
    attempts: int


@dataclass(frozen=True)
class RunStatus:
    """The progress of a run.

    Attributes:
        folder: the run's.
        model, methods, identity: of its configuration.
        worker: the process that works on it now, in words; None where there is none.
        total, done, pending, running: numbers of units, which are pairs of a photo and a method.
        failures: of the failed units.
        seconds: of work for the units that are done.
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
        """Estimated seconds of one worker for the rest; None where nothing is done yet."""
        return self.seconds / self.done * (self.pending + self.running) if self.done else None


@job(Status)
def status(options: Status, progress: Progress) -> RunStatus:
    """The progress of a run.

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

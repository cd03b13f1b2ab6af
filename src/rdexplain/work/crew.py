"""The workers of a job: this process, several processes of this machine, or Ray's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

from rdexplain.errors import OptionError
from rdexplain.text.extras import RAY, needed
from rdexplain.work.choosing import find_device, photos_per_batch
from rdexplain.work.engines import Engine, Local, Processes, Recipe, Worker
from rdexplain.work.engines.pool import AHEAD
from rdexplain.work.progress import Progress

MOST = 4
"""Most workers for each CPU: more are a typing error, and would take all memory."""


@dataclass(frozen=True)
class Crew:
    """The workers that the options ask for.

    Attributes:
        devices: of this machine's workers; for Ray the device of all its workers, or none where Ray chooses.
        device: of the model in this process.
        ray: whether Ray starts them.
        workers: how many; None for Ray's choice.
        cpus: of each; None for its share of this machine's.
        address: of a Ray cluster.
    """

    devices: tuple[str, ...]
    device: str
    ray: bool
    workers: int | None
    cpus: int | None
    address: str | None

    @property
    def here(self) -> bool:
        """Whether this process does the work itself."""
        return not self.ray and self.workers == 1 and self.cpus is None

    @property
    def faster(self) -> int:
        """Approximate speed over that of this process: workers on one machine's CPUs share them, and count once."""
        return (self.workers or 1) if self.ray else len(self.devices)

    def per_batch(self, wanted: int | None) -> int:
        """How many photos are explained together."""
        return photos_per_batch(wanted, torch.device(self.device))

    def engine(
        self, recipe: Recipe[Any, Any], worker: Worker[Any, Any], progress: Progress, ahead: int = AHEAD
    ) -> Engine[Any, Any]:
        """The engine that gives tasks to the workers.

        Args:
            recipe: makes the workers of other processes.
            worker: the worker of this process, which is used if there are no others.
            ahead: see `Pool`.

        Raises:
            OptionError: there is no such cluster, or it is too small.
        """
        if self.here:
            return Local(worker)
        if not self.ray:
            progress.stage("starting one worker" if self.workers == 1 else f"starting {self.workers} workers")
            threads = self.cpus or max(torch.get_num_threads() // (self.workers or 1), 1)
            return Processes(recipe, self.devices, self.workers, threads, ahead)
        from rdexplain.work.engines.ray_engine import RayEngine

        progress.stage("starting Ray")
        device = self.devices[0] if self.devices else None
        return RayEngine(recipe, device, self.address, self.workers, self.cpus or 1, ahead)


def find_crew(options: Any) -> Crew:
    """The workers that the options name.

    Raises:
        OptionError: no such device, Ray is not installed, or too many workers.
    """
    workers, cpus = options.workers, options.worker_cpus
    if options.engine == "ray":
        needed("ray", "`engine` ray", RAY)
        device = str(find_device(options.device))
        return Crew(() if options.device == "auto" else (device,), device, True, workers, cpus, options.address)
    devices = find_devices(options.device)
    workers = workers or len(devices)
    most = MOST * (os.cpu_count() or 1)
    if workers > max(most, len(devices)):
        raise OptionError(f"`workers` {workers} are too many for {os.cpu_count()} CPUs: choose at most {most}")
    return Crew(devices[:workers], devices[0], False, workers, cpus, None)


def find_devices(names: str) -> tuple[str, ...]:
    """The devices that are named, with commas between them, each checked to work; `auto` is all GPUs, or the CPU.

    Raises:
        OptionError: one is not there.
    """
    if names == "auto" and torch.cuda.device_count() > 1:
        names = ",".join(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    return tuple(dict.fromkeys(str(find_device(name.strip())) for name in names.split(",")))

"""Ray: workers on this machine or on a cluster, each with the model loaded once, that take batches as they get free."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from rdexplain.errors import OptionError, RDExplainError
from rdexplain.runs.packages import needed
from rdexplain.runs.work import Batch, Outcome, Recipe, Worker, single

AHEAD = 2
"""Batches that a worker has: one it explains, and one whose photos it decodes meanwhile."""
DEATHS = 3
"""Workers that may die with a photo before that is given up."""
TOGETHER = 2
"""Workers that may die with a batch before its photos are tried one by one."""


class RayWorker:
    """A worker as Ray's actor. It runs two calls at a time, of which one explains."""

    def __init__(self, recipe: Recipe, folder: str) -> None:
        # Models of one's own lie in the current folder; a machine of a cluster need not have it.
        with contextlib.suppress(OSError):
            os.chdir(folder)
        self._recipe = recipe
        self._worker: Worker | None = None
        self._loading, self._explaining = threading.Lock(), threading.Lock()

    def ready(self) -> str:
        """Load the model; the worker's device. Apart from the constructor, whose errors Ray wraps up."""
        with self._loading:
            if self._worker is None:
                self._worker = Worker(self._recipe)
            return str(self._worker.model.device)

    def outcome(self, batch: Batch) -> Outcome:
        """Explain a batch."""
        self.ready()
        assert self._worker is not None
        loaded = self._worker.load(batch)
        with self._explaining:
            return self._worker.work(loaded)


@dataclass(eq=False)
class _Actor:
    handle: Any
    batches: dict[Any, Batch] = field(default_factory=dict)
    alone: bool = False  # it has a batch with which a worker has died: nothing else shall share the blame


class RayEngine:
    """An engine of many workers.

    A worker that dies is replaced, and its batches are done again: first as they were, then photo by photo, so that
    only a photo with which workers die again and again is given up.

    Args:
        recipe: what the workers do.
        address: of a cluster; None for an instance on this machine that ends with the engine.
        workers: how many; None for one on each GPU, or on each CPU where there is no GPU.
        cpus: of each worker.

    Raises:
        OptionError: Ray is not installed, or there is no cluster.
    """

    def __init__(self, recipe: Recipe, address: str | None = None, workers: int | None = None, cpus: int = 1) -> None:
        ray = needed("ray", "--engine ray", "ray")
        self._actors: list[_Actor] = []
        self._ray = ray
        self._recipe = recipe if recipe.threads is not None else replace(recipe, threads=cpus)
        self._cpus = cpus
        self._own = not ray.is_initialized()
        if self._own:
            self._connect(address, workers)
        have = ray.cluster_resources()
        device = recipe.model.get("device")  # None for a GPU where there is one
        self._gpus = 0 if device == "cpu" else int(have.get("GPU", 0))
        if device is None:
            device = "cuda" if self._gpus else "cpu"
        self._recipe = replace(self._recipe, model={**recipe.model, "device": device})
        self.workers = workers or max(self._gpus or int(have.get("CPU", 1)) // cpus, 1)
        if self.workers * cpus > have.get("CPU", 0):
            self.close()
            raise OptionError(
                f"{self.workers} workers of {cpus} CPUs do not fit into Ray's {have.get('CPU', 0):g}: "
                "choose fewer --workers or --worker-cpus"
            )
        self._again: deque[Batch] = deque()
        self._deaths: Counter[tuple[int, str]] = Counter()

    def _connect(self, address: str | None, workers: int | None) -> None:
        if address is not None:
            _knock(address)
        options: dict[str, Any] = {"address": address or "local"}
        if address is None:
            # Workers that were asked for get a place, whatever the machine counts as its CPUs.
            if workers is not None:
                options["num_cpus"] = max(workers * self._cpus, os.cpu_count() or 1)
            options["include_dashboard"] = False
        try:
            self._ray.init(**options, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise OptionError(f"no Ray at {address or 'this machine'}: {' '.join(str(error).split())}") from error

    def outcomes(self, batches: Iterator[Batch]) -> Iterator[Outcome]:
        """See `Engine.outcomes`."""
        try:
            self._actors = [self._actor() for _ in range(self.workers)]
            self._get([actor.handle.ready.remote() for actor in self._actors])
            while True:
                for actor in self._actors:
                    self._fill(actor, batches)
                waiting = {ref: actor for actor in self._actors for ref in actor.batches}
                if not waiting:
                    return
                done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=1)
                for ref in done:
                    yield from self._done(ref, waiting[ref])
        finally:
            self.close()

    def close(self) -> None:
        """Let the workers go, and the instance of this machine."""
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors = []
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()

    def _actor(self) -> _Actor:
        # With fewer GPUs than workers, they share them.
        share = min(1.0, self._gpus / self.workers)
        remote = self._ray.remote(RayWorker).options(num_cpus=self._cpus, num_gpus=share, max_concurrency=AHEAD)
        return _Actor(remote.remote(self._recipe, os.getcwd()))

    def _fill(self, actor: _Actor, batches: Iterator[Batch]) -> None:
        while not actor.alone and len(actor.batches) < AHEAD:
            if self._again:
                if actor.batches:
                    return
                batch, actor.alone = self._again.popleft(), True
            elif (batch := next(batches, None)) is None:  # type: ignore[assignment]
                return
            actor.batches[actor.handle.outcome.remote(batch)] = batch

    def _done(self, ref: Any, actor: _Actor) -> Iterator[Outcome]:
        if ref not in actor.batches:  # it was given to another worker when this one died
            return
        try:
            outcome = self._get(ref)
        except self._ray.exceptions.RayActorError:
            lost = list(actor.batches.values())
            self._actors[self._actors.index(actor)] = self._actor()
            for batch in lost:
                yield from self._retried(batch)
            actor.batches = {}
            return
        del actor.batches[ref]
        actor.alone = False
        yield outcome

    def _retried(self, batch: Batch) -> Iterator[Outcome]:
        """Queue the batch of a worker that died, whole or photo by photo; or give its only photo up."""
        for unit in batch.units:
            self._deaths[unit.number, batch.method] += 1
        deaths = max(self._deaths[unit.number, batch.method] for unit in batch.units)
        if len(batch.units) == 1 and deaths >= DEATHS:
            unit = batch.units[0]
            yield Outcome(batch, errors={unit.number: f"{unit.entry.photo}: {deaths} workers died with it"})
        elif len(batch.units) > 1 and deaths >= TOGETHER:
            self._again.extend(single(batch))
        else:
            self._again.append(batch)

    def _get(self, refs: Any) -> Any:
        """What workers returned, or the error that they raised, without what Ray wraps it in."""
        try:
            return self._ray.get(refs)
        except self._ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, RDExplainError):
                raise type(cause)(*cause.args) from None
            raise


def _knock(address: str) -> None:
    """See that something listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return  # `auto` and the like
    try:
        socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=10).close()
    except OSError as error:
        raise OptionError(f"no Ray at {address}: {error.strerror or error}") from error

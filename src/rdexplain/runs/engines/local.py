"""This process: one batch is explained while the next one is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from rdexplain.progress import Progress
from rdexplain.runs.work import Batch, Loaded, Outcome, Worker


class Local:
    """An engine of one worker, on one device.

    Args:
        worker: explains.
        progress: called after each step of a batch.
    """

    def __init__(self, worker: Worker, progress: Progress | None = None) -> None:
        self.worker, self.progress = worker, progress

    def outcomes(self, batches: Iterator[Batch]) -> Iterator[Outcome]:
        """See `Engine.outcomes`."""
        decoder = ThreadPoolExecutor(1, thread_name_prefix="decode")

        def ahead() -> Future[Loaded] | None:
            batch = next(batches, None)
            return None if batch is None else decoder.submit(self.worker.load, batch)

        try:
            coming = ahead()
            while coming is not None:
                loaded, coming = coming.result(), ahead()
                yield self.worker.work(loaded, self.progress)
        finally:
            decoder.shutdown(wait=False, cancel_futures=True)

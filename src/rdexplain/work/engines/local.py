"""This process: one task is worked on while the next one is loaded."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic

from rdexplain.work.engines.engine import Result, Task, Worker


class Local(Generic[Task, Result]):
    """An engine of one worker, on one device."""

    def __init__(self, worker: Worker[Task, Result]) -> None:
        self.worker = worker

    def results(self, tasks: Iterator[Task]) -> Generator[Result, None, None]:
        loader = ThreadPoolExecutor(1, thread_name_prefix="load")

        def ahead() -> Future[Any] | None:
            task = next(tasks, None)
            return None if task is None else loader.submit(self.worker.load, task)

        try:
            coming = ahead()
            while coming is not None:
                loaded, coming = coming.result(), ahead()
                yield self.worker.work(loaded)
                coming = coming or ahead()
        finally:
            loader.shutdown(wait=False, cancel_futures=True)

"""A local web page: a photo, what the network sees in it, and why."""

from __future__ import annotations

import asyncio
import shlex
import socket
from dataclasses import fields

from rdexplain.errors import OptionError
from rdexplain.text.extras import needed
from rdexplain.work.choosing import find_meaning, find_model, photo_fit, photo_size
from rdexplain.work.job import job
from rdexplain.work.progress import Progress
from rdexplain.work.requests import App
from rdexplain.work.settings import Network
from rdexplain.work.sizes import check_size

EXTRA = "app"


@job(App)
def app(options: App, progress: Progress) -> None:
    """Serve the page until it is interrupted. `progress.done` gets its address once it can be opened.

    Raises:
        RDExplainError: an option or the network is invalid, or the address is taken.
    """
    for module in ("starlette", "uvicorn"):
        needed(module, "app", EXTRA)
    import uvicorn

    from rdexplain.work.web.desk import Desk
    from rdexplain.work.web.server import Page

    check_size(options.size, {"cartoonx": None})
    listener = _listener(options.host, options.port)
    model = find_model(options, progress)
    size = photo_size(options.size, model)
    if model.task == "classification":
        find_meaning(model, size)
    desk = Desk(model, size, photo_fit(options.fit, model), _command(options))
    host, port = listener.getsockname()[:2]
    page = Page(desk, ["*"] if options.host == "0.0.0.0" else [options.host, host, "localhost", "127.0.0.1"])
    server = uvicorn.Server(uvicorn.Config(page.app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))

    async def serve() -> None:
        task = asyncio.create_task(server.serve([listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.05)
        progress.done(f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/")
        while not task.done() and not server.should_exit:
            await asyncio.sleep(0.05)
        page.end()
        await task

    try:
        asyncio.run(serve())
    finally:
        page.bench.close()


def _listener(host: str, port: int) -> socket.socket:
    """A socket at the address; at port 0 a free one is chosen.

    Raises:
        OptionError: it is taken, or there is no such host.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OptionError(f"cannot listen at {host}, `port` {port}: {error.strerror or error}") from error
    return listener


def _command(options: App) -> str:
    """The options about the network as command line flags, for the page to show."""
    words: list[str] = []
    for one in fields(Network):
        value = getattr(options, one.name)
        if value is None or value == one.default or not isinstance(value, str | bool | tuple):
            continue
        flag = f"--{one.name.replace('_', '-')}"
        words += (
            [flag] if value is True else [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
        )
    return shlex.join(words)

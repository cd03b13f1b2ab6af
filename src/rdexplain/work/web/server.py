"""The web server of the page: routes, uploads, and the events of each open tab."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from rdexplain.errors import OptionError, RDExplainError
from rdexplain.methods.preview import Preview
from rdexplain.methods.registry import METHODS
from rdexplain.photos.images import SAMPLE, Photo, sample_names
from rdexplain.results.explanation import Explanation
from rdexplain.results.heatmap import Heatmap
from rdexplain.text.versions import __version__
from rdexplain.work.web.bench import Bench, Work
from rdexplain.work.web.desk import EFFORTS, Ask, Desk, efforts_of, png, said_of

MOST_BYTES = 30_000_000
"""Largest upload, in bytes."""
MOST_PHOTOS, MOST_RESULTS, MOST_WAITING = 12, 40, 6
"""Most photos, results and waiting questions of a tab. The oldest photos and results are dropped for new ones; further
questions are refused."""
SECONDS = 0.4
"""Least seconds between two previews."""
_TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "png": "image/png",
    "json": "application/json",
}
_SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass
class Result:
    """An explanation, with its photo, its question and its files by name."""

    photo: Photo
    ask: Ask
    explanation: Explanation | Heatmap
    files: dict[str, bytes]


@dataclass
class Tab:
    """The state of one open page, which is dropped when it is closed."""

    events: asyncio.Queue[dict[str, Any]]
    loop: asyncio.AbstractEventLoop
    photos: dict[int, Photo] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)
    count: int = 0

    def tell(self, event: dict[str, Any]) -> None:
        """Send an event to the browser; may be called in any thread."""
        with contextlib.suppress(RuntimeError):  # the page is being closed
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)


class Page:
    """The routes.

    Args:
        desk: answers the questions.
        hosts: accepted values of the header Host; others are refused, so that no other web site can use the page.
    """

    def __init__(self, desk: Desk, hosts: list[str]) -> None:
        self.desk, self.bench = desk, Bench()
        self.tabs: dict[str, Tab] = {}
        routes = [
            Route("/", self.page),
            Route("/page/{name}", self.page),
            Route("/api/about", self.about),
            Route("/api/events", self.events),
            Route("/api/{tab}/photo", self.photo, methods=["POST"]),
            Route("/api/{tab}/explain", self.explain, methods=["POST"]),
            Route("/api/{tab}/scales", self.scales, methods=["POST"]),
            Route("/api/{tab}/stop", self.stop, methods=["POST"]),
            Route("/api/{tab}/result/{number:int}/{name}", self.file),
        ]
        self.app = Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)])

    async def page(self, request: Request) -> Response:
        """The page, its scripts and its style sheet."""
        name = request.path_params.get("name", "index.html")
        folder = resources.files("rdexplain.work.web") / "page"
        if name not in {entry.name for entry in folder.iterdir()}:
            return Response("no such page", 404, _SAFE)
        kind = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
        return Response((folder / name).read_bytes(), 200, _SAFE, media_type=kind)

    async def about(self, request: Request) -> Response:
        """The network, the sample photos and the methods."""
        model = self.desk.model
        methods = [
            {
                "name": one.name,
                "title": one.title,
                "summary": one.summary,
                "mask": not one.is_baseline,
                "efforts": [{"preset": name, "says": EFFORTS[name]} for name in efforts_of(one)],
            }
            for one in METHODS.values()
            if not one.name.startswith("random")
        ]
        return _json(
            {
                "version": __version__,
                "model": model.name,
                "task": model.task,
                "device": str(model.device),
                "size": self.desk.size,
                "samples": list(sample_names()),
                "methods": methods,
                "most_bytes": MOST_BYTES,
            }
        )

    def end(self) -> None:
        """End the event streams of all tabs: an open one would be broken off with a traceback when the server stops."""
        for tab in self.tabs.values():
            tab.tell({"kind": "end"})

    async def events(self, request: Request) -> Response:
        """Open a tab, and stream its events (server-sent events); when the stream is closed, the tab is dropped."""
        name = secrets.token_hex(16)
        tab = Tab(asyncio.Queue(), asyncio.get_running_loop())
        self.tabs[name] = tab
        tab.tell({"kind": "hello", "tab": name})

        async def stream() -> AsyncIterator[bytes]:
            try:
                while True:
                    try:
                        event = await asyncio.wait_for(tab.events.get(), 15)
                        if event["kind"] == "end":
                            return
                        yield f"data: {json.dumps(event)}\n\n".encode()
                    except TimeoutError:
                        yield b": still here\n\n"
            finally:
                self.tabs.pop(name, None)
                self.bench.leave(name)

        return StreamingResponse(stream(), 200, _SAFE, media_type="text/event-stream")

    async def photo(self, request: Request) -> Response:
        """Read a photo, uploaded or a sample, and queue the question what the network finds in it."""
        tab = self._tab(request)
        if tab is None:
            return _gone()
        name, content = request.query_params.get("name", "photo"), None
        if not (name.startswith(SAMPLE) and name.removeprefix(SAMPLE) in sample_names()):
            content = await _body(request)
            if content is None:
                return _json({"error": f"the photo is larger than {MOST_BYTES // 10**6} MB"}, 413)
            name = name.replace("\\", "/").rpartition("/")[2][:120] or "photo"
            if not content:
                return _json({"error": "the photo is empty"}, 400)
        try:
            photo = await asyncio.to_thread(self.desk.read, name, content)
        except (RDExplainError, MemoryError) as error:
            return _json({"error": said_of(error)}, 400)
        tab.count += 1
        number = tab.count
        tab.photos[number] = photo
        _make_room(tab.photos, MOST_PHOTOS)

        def look(work: Work) -> dict[str, Any]:
            seen = self.desk.look(photo)
            answers = [vars(one) for one in seen.answers]
            return {"what": "answers", "photo": number, "answers": answers, "regions": seen.regions}

        shown = await asyncio.to_thread(self.desk.shown, photo)
        work = self.bench.put(request.path_params["tab"], look, tab.tell)
        return _json({"photo": number, "job": work.number, "name": photo.name, "picture": _data(shown)})

    async def explain(self, request: Request) -> Response:
        """Queue an explanation; its previews and its result come as events."""
        tab = self._tab(request)
        if tab is None:
            return _gone()
        if self.bench.waiting(request.path_params["tab"]) >= MOST_WAITING:
            return _json({"error": f"{MOST_WAITING} are waiting already: stop one first"}, 429)
        try:
            given = await request.json()
            photo = tab.photos[int(given["photo"])]
            ask = _ask(given, tab)
        except (OptionError, KeyError, ValueError, TypeError, AttributeError) as error:
            text = said_of(error) if isinstance(error, OptionError) else "no such photo or question"
            return _json({"error": text}, 400)

        def do(work: Work) -> dict[str, Any]:
            return self._explained(work, tab, photo, ask)

        work = self.bench.put(request.path_params["tab"], do, tab.tell)
        return _json({"job": work.number})

    def _explained(self, work: Work, tab: Tab, photo: Photo, ask: Ask) -> dict[str, Any]:
        losses: list[float] = []
        last, began, attempt = 0.0, work.started, 1

        def preview(now: Preview) -> bool:
            nonlocal last, began, attempt
            enough = work.look()
            if now.attempt != attempt:
                # The time left of a second attempt is estimated by its own pace.
                attempt, began = now.attempt, time.monotonic()
                losses.clear()
            losses.append(now.loss)
            if time.monotonic() - last >= SECONDS or enough or now.step == now.steps:
                last = time.monotonic()
                left = (last - began) * (now.steps - now.step) / now.step
                tab.tell(
                    {
                        "kind": "preview",
                        "job": work.number,
                        "step": now.step,
                        "steps": now.steps,
                        "left": left,
                        "attempt": now.attempt,
                        "losses": losses[:: max(len(losses) // 100, 1)],
                        "picture": _data(png(now.picture[0])),
                    }
                )
            return enough

        result = self.desk.explain(photo, ask, preview)
        files = self.desk.pictures(photo, result)
        tab.results[work.number] = Result(photo, ask, result, files)
        _make_room(tab.results, MOST_RESULTS)
        return {"what": "result", **self.desk.described(photo, ask, result), "files": sorted(files)}

    async def scales(self, request: Request) -> Response:
        """Queue the question which probability remains when only some scales are kept."""
        tab = self._tab(request)
        if tab is None:
            return _gone()
        try:
            given = await request.json()
            number, kept = int(given["result"]), {int(one) for one in given["kept"]}
            result = tab.results[number]
        except (KeyError, ValueError, TypeError, AttributeError):
            return _json({"error": "no such result or scales"}, 400)
        explanation = result.explanation
        if not isinstance(explanation, Explanation):
            return _json({"error": "a heatmap has no scales"}, 400)

        def do(work: Work) -> dict[str, Any]:
            chance, picture = self.desk.with_scales(result.photo, result.ask, explanation, kept)
            return {"what": "scales", "result": number, "probability": chance, "picture": _data(picture)}

        work = self.bench.put(request.path_params["tab"], do, tab.tell)
        return _json({"job": work.number})

    async def stop(self, request: Request) -> Response:
        """End a piece of work early, with the result so far."""
        try:
            number = int((await request.json())["job"])
        except (KeyError, ValueError, TypeError):
            return _json({"error": "no such work"}, 400)
        return _json({"stopped": self.bench.stop(number, request.path_params["tab"])})

    async def file(self, request: Request) -> Response:
        """A file of a result, to show or to download."""
        tab = self._tab(request)
        found = None if tab is None else tab.results.get(request.path_params["number"])
        name = request.path_params["name"]
        if found is None or name not in found.files:
            return _gone()
        headers = dict(_SAFE)
        if "download" in request.query_params:
            suffix = name.partition(".")[2]
            base = "".join(one if one.isalnum() else "-" for one in found.photo.name)[:60] or "photo"
            safe = base.encode("ascii", "ignore").decode() or "photo"
            headers["Content-Disposition"] = f'attachment; filename="{safe}.{found.ask.method}.{suffix}"'
        kind = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
        return Response(found.files[name], 200, headers, media_type=kind)

    def _tab(self, request: Request) -> Tab | None:
        return self.tabs.get(request.path_params["tab"])


def _ask(given: dict[str, Any], tab: Tab) -> Ask:
    keep = float(given.get("keep", 1))
    if not 0.001 <= keep <= 1000:
        raise OptionError("keep lies between 0.001 and 1000")
    against = given.get("against")
    start = None
    if given.get("start") is not None:
        result = tab.results.get(int(given["start"]))
        if result is None:
            raise OptionError("that explanation has made room for newer ones: explain again")
        explanation = result.explanation
        start = explanation if isinstance(explanation, Explanation) else None
    method, preset = str(given.get("method", "cartoonx")), str(given.get("preset", "fast"))
    offered = (efforts_of(METHODS[method]) if method in METHODS else []) or list(EFFORTS)
    if preset not in offered:
        raise OptionError(f"preset is one of {', '.join(offered)} here")
    return Ask(
        target=int(given["target"]),
        against=None if against is None else int(against),
        method=method,
        preset=preset,
        keep=keep,
        seed=abs(int(given.get("seed", 0))) % 2**31,
        start=start,
    )


async def _body(request: Request) -> bytes | None:
    """The body of a request; None if it is larger than `MOST_BYTES`."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _make_room(kept: dict[int, Any], most: int) -> None:
    for number in sorted(kept)[:-most]:
        del kept[number]


def _data(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _json(value: Any, status: int = 200) -> Response:
    return JSONResponse(value, status, _SAFE)


def _gone() -> Response:
    return _json({"error": "the page was closed: load it again"}, 404)

"""A stand-in for the Hugging Face hub: it makes repositories and keeps what is put into them."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

TOKEN = "hf_never_to_be_seen"


@dataclass
class Hub:
    """What was asked of it."""

    url: str = ""
    made: list[dict[str, object]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    """Repository and path → content."""

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "Invalid user token"}, status=401)
        if request.path == "/api/whoami-v2":
            return web.json_response({"name": "me", "type": "user"})
        if request.path == "/api/repos/create":
            self.made.append(await request.json())
            kind = "datasets/" if self.made[-1]["type"] == "dataset" else ""
            return web.json_response({"url": f"{self.url}/{kind}me/{self.made[-1]['name']}"})
        if "/preupload/" in request.path:
            files = (await request.json())["files"]
            modes = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in files]
            return web.json_response({"files": modes})
        if "/commit/" in request.path:
            repository = request.path.removeprefix("/api/").partition("/commit/")[0]
            for line in (await request.read()).splitlines():
                said = json.loads(line)
                if said["key"] == "file":
                    path = f"{repository}/{said['value']['path']}"
                    self.files[path] = base64.b64decode(said["value"]["content"])
            done = {"commitUrl": f"{self.url}/{repository}/commit/1", "commitOid": "1", "success": True}
            return web.json_response(done)
        return web.json_response({"siblings": [], "sha": "0", "id": "x"})


@contextmanager
def served_hub() -> Iterator[Hub]:
    """Serve while the block runs, in a thread of its own."""
    hub, loop, ready, end = Hub(), asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def run() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", hub.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await end.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield hub
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()

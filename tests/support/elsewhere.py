"""The fake server in a thread of its own, for tests whose own thread stands still meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.wire import Script, Wire, serving


@contextmanager
def served(script: Script | None = None) -> Iterator[Wire]:
    """Serve while the block runs."""
    loop, ready, end = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    made: list[Wire] = []

    async def run() -> None:
        async with serving(script) as wire:
            made.append(wire)
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield made[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()

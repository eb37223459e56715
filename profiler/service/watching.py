"""Watchers of a job: one reader looks at its folder and at the queue, and all who watch are told what it found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from fastapi.sse import ServerSentEvent

LOOK = 0.5
"""Seconds between two looks for something new to tell."""


class Seen(NamedTuple):
    """What a look at a job found."""

    steps: list[tuple[int, str]]
    """Steps that are new, each with its number, in JSON."""
    state: str
    """The whole job, in JSON, where another state is another text."""
    over: bool


class JobWatch:
    """One job, looked at for everybody who watches it."""

    def __init__(self, look: Callable[[], Seen]) -> None:
        self.watchers = 0
        self.over = False
        self._look = look
        self._steps: list[tuple[int, str]] = []
        self._state = ""
        self._news = asyncio.Event()
        self.task = asyncio.create_task(self._looking())

    async def events(self, after: int) -> AsyncIterator[ServerSentEvent]:
        """Each step behind number AFTER, and the state where it changes, until the job is over."""
        place, told = 0, ""
        while True:
            news, over = self._news, self.over
            fresh, state = self._steps[place:], self._state
            place += len(fresh)
            for number, step in fresh:
                if number > after:
                    yield ServerSentEvent(raw_data=step, event="step", id=str(number))
            if state != told:
                told = state
                yield ServerSentEvent(raw_data=state, event="state")
            if over:
                return
            await news.wait()

    async def _looking(self) -> None:
        try:
            while not self.over:
                seen = await asyncio.to_thread(self._look)
                self._steps += seen.steps
                changed = bool(seen.steps) or seen.state != self._state
                self._state, self.over = seen.state, seen.over
                if changed or self.over:
                    self._tell()
                await asyncio.sleep(0 if self.over else LOOK)
        finally:
            self.over = True
            self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


@contextmanager
def watching(watches: dict[str, JobWatch], id: str, look: Callable[[], Seen]) -> Iterator[JobWatch]:
    """The watch of a job: the one that there is, or a new one; it ends with its last watcher."""
    watch = watches.get(id)
    if watch is None or watch.over:  # a job that was resumed is watched anew
        watch = watches[id] = JobWatch(look)
    watch.watchers += 1
    try:
        yield watch
    finally:
        watch.watchers -= 1
        if not watch.watchers:
            watch.task.cancel()
            if watches.get(id) is watch:
                del watches[id]

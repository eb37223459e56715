"""What a person who watches a run sees: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from profiler.datasets import Watch, watched

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.status import Status

    from profiler.runs import Progress

PAUSE = 10.0
"""Seconds between two lines where there is no terminal."""


class Bar:
    """Shows progress on stderr, so that stdout holds nothing but the result."""

    def __init__(self) -> None:
        self._rich: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._rich = Progress(*columns, TextColumn("{task.fields[speed]}"), console=Console(stderr=True))
            self._rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._rich:
            self._rich.stop()

    def show(self, progress: Progress) -> None:
        self.step(progress.probe, progress.done, progress.total, speed(progress))

    def step(self, what: str, done: int, total: int, said: str = "") -> None:
        """So many of so many, and a few words on how it goes."""
        if self._rich:
            self._draw(self._rich, what, done, total, said)
        elif done == total or time.monotonic() - self._last > PAUSE:
            self._last = time.monotonic()
            sys.stderr.write(f"{what} {done}/{total}  {said}\n")

    def _draw(self, rich: RichProgress, what: str, done: int, total: int, said: str) -> None:
        if what not in self._tasks:
            self._tasks[what] = rich.add_task(what, total=total, speed="")
        rich.update(self._tasks[what], completed=done, speed=said)


def speed(progress: Progress) -> str:
    """Rate, tokens, what the cache gave and what failed, in a few words."""
    rate = progress.done / progress.seconds if progress.seconds else 0.0
    words = [f"{rate:.1f} items/s", f"{progress.usage.completion:,} tokens written"]
    if progress.cached:
        words.append(f"{progress.cached} from the cache")
    if progress.errors:
        words.append(f"{progress.errors} failed, last: {progress.last_error}")
    return " · ".join(words)


class Downloads(Watch):
    """What is fetched and what can't be had, on stderr."""

    def __init__(self) -> None:
        self._rich: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last = 0.0
        self._said: set[str] = set()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            columns = (TextColumn("fetching {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._rich = self._open.enter_context(Progress(*columns, console=Console(stderr=True)))
        self._open.enter_context(watched(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def got(self, name: str, done: int, size: int) -> None:
        if self._rich:
            if name not in self._tasks:
                self._tasks[name] = self._rich.add_task(name, total=size or None)
            self._rich.update(self._tasks[name], completed=done, total=size or None)
        elif name not in self._said or time.monotonic() - self._last > PAUSE:
            self._said.add(name)
            self._last = time.monotonic()
            of = f" of {size / 1e6:.1f} MB" if size else ""
            sys.stderr.write(f"fetching {name}  {done / 1e6:.1f} MB{of}\n")

    def failed(self, why: str) -> None:
        if why not in self._said:
            self._said.add(why)
            sys.stderr.write(f"{why}\n")

    unsure = failed


class Waiting:
    """Says on stderr what is being waited for; an empty text says that it is over."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._last = -PAUSE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.say("")

    def say(self, text: str) -> None:
        if not text:
            if self._status:
                self._status.stop()
            self._status, self._last = None, -PAUSE
        elif sys.stderr.isatty():
            self._spin(text)
        elif time.monotonic() - self._last > PAUSE:
            self._last = time.monotonic()
            sys.stderr.write(text + "\n")

    def _spin(self, text: str) -> None:
        if self._status is None:
            from rich.console import Console

            self._status = Console(stderr=True).status(text)
            self._status.start()
        self._status.update(text)

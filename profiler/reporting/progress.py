"""What a person who watches a run sees: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from html import escape
from typing import TYPE_CHECKING, Any, Self

from profiler.datasets import Watch, watched
from profiler.errors import visible
from profiler.http import listening

if TYPE_CHECKING:
    from IPython.display import DisplayHandle
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, TaskID
    from rich.status import Status

    from profiler.runs import Progress

PAUSE = 5.0
"""Seconds between two lines where there is no terminal."""

WAIT = "waiting"
"""The task of a server that is to be asked again."""

Tell = Callable[[str, int, int | None, str], None]
"""Is told a task, how much of it is done, of how much, and a few words."""
TOLD: ContextVar[Tell | None] = ContextVar("told", default=None)


@contextmanager
def told_to(tell: Tell) -> Iterator[None]:
    """Inside, TELL is told of every step as well."""
    token = TOLD.set(tell)
    try:
        yield
    finally:
        TOLD.reset(token)


class Bars(ExitStack):
    """A bar for each task on a terminal; on stderr, so that stdout holds nothing but the result."""

    def __init__(self) -> None:
        super().__init__()
        self._rich: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._shown: dict[str, DisplayHandle] = {}
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def _drawn(self) -> RichProgress | None:
        """The bars, where there is a terminal; from the first thing on that is told."""
        if self._rich is None and sys.stderr.isatty():
            from rich import console, progress

            stderr = console.Console(stderr=True)
            self._rich = self.enter_context(progress.Progress(*self._columns(), console=stderr))
        return self._rich

    def _columns(self) -> Sequence[str | ProgressColumn]:
        raise NotImplementedError

    def _tell(self, task: str, done: int, total: int | None, line: str, now: bool, speed: str = "") -> None:
        """Draw how far TASK is; without a terminal write LINE, if it is time or has to be NOW."""
        if tell := TOLD.get():
            tell(task, done, total, speed or line)
        if drawn := self._drawn():
            if task not in self._tasks:
                self._tasks[task] = drawn.add_task(visible(task), total=total, speed="")
            drawn.update(self._tasks[task], completed=done, total=total, speed=visible(speed))
        elif shell := notebook():
            if task not in self._shown:
                self._shown[task] = shell.display({}, raw=True, display_id=True)
            bar = f'<progress value="{done}" max="{total or done or 1}"></progress>'
            self._shown[task].update({"text/plain": line, "text/html": f"{bar} {escape(line)}"}, raw=True)
        elif now or time.monotonic() - self._last > PAUSE:
            self._last = time.monotonic()
            sys.stderr.write(f"{visible(line)}\n")


def notebook() -> Any:
    """IPython's `display`, where a notebook is what is looked at."""
    shell = sys.modules.get("IPython")
    kernel = "ipykernel" in sys.modules and shell and shell.get_ipython()
    return sys.modules["IPython.display"] if kernel else None


class Bar(Bars):
    """How far the work is, and which server is waited for."""

    _waited = -PAUSE
    """When a wait was last told."""

    def __enter__(self) -> Self:
        self.enter_context(listening(self.wait))
        return super().__enter__()

    def _columns(self) -> Sequence[str | ProgressColumn]:
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), SpinnerColumn())
        said = [TextColumn(f"{{task.{what}}}", markup=False) for what in ("description", "fields[speed]")]
        return (said[0], *columns, said[1])

    def show(self, progress: Progress) -> None:
        self.step(progress.probe, progress.done, progress.total, speed(progress))

    def step(self, what: str, done: int, total: int, said: str = "") -> None:
        """So many of so many (0: nobody knows), and a few words on how it goes."""
        self.wait("")
        far = f"{done}/{total}" if total else f"{done:,}"
        self._tell(what, done, total or None, f"{what} {far}  {said}".rstrip(), done == total, said)

    def wait(self, said: str) -> None:
        """Show what is waited for; an empty text says that it is over."""
        if said:
            now = time.monotonic() - self._waited > PAUSE
            self._waited = time.monotonic() if now else self._waited
            self._tell(WAIT, 0, None, said, now, said)
        elif self._rich and (task := self._tasks.pop(WAIT, None)) is not None:
            self._rich.remove_task(task)


def speed(progress: Progress) -> str:
    """Rate, tokens, what is left, what the cache gave and what failed, in a few words."""
    seconds, tokens = progress.seconds, progress.usage.completion
    words = [f"{progress.done / seconds if seconds else 0.0:.1f} items/s", f"{tokens:,} tokens written"]
    if tokens and seconds:
        words[1] += f", {tokens / seconds:,.0f}/s"
    if left := progress.left:
        words.append(f"about {left:.0f} s left" if left < 100 else f"about {left / 60:,.0f} min left")
    if progress.cached:
        words.append(f"{progress.cached} from the cache")
    if progress.errors:
        words.append(f"{progress.errors} failed, last: {progress.last_error}")
    return " · ".join(words)


class Downloads(Bars, Watch):
    """What is fetched and what can't be had, on stderr."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        self.enter_context(watched(self))
        return super().__enter__()

    def _columns(self) -> Sequence[str | ProgressColumn]:
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

        return (
            TextColumn("fetching {task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )

    def got(self, name: str, done: int, size: int) -> None:
        of = f" of {size / 1e6:.1f} MB" if size else ""
        self._tell(name, done, size or None, f"fetching {name}  {done / 1e6:.1f} MB{of}", name not in self._said)
        self._said.add(name)

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
        elif tell := TOLD.get():
            tell(WAIT, 0, None, text)
        elif sys.stderr.isatty():
            from rich.console import Console
            from rich.text import Text

            words = Text(visible(text))
            self._status = self._status or Console(stderr=True).status(words)
            self._status.start()
            self._status.update(words)
        elif time.monotonic() - self._last > PAUSE:
            self._last = time.monotonic()
            sys.stderr.write(visible(text) + "\n")

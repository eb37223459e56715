"""A verb is carried out: off the caller's event loop, and stopped where the caller is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import partial, wraps
from typing import Generic, ParamSpec, TypeVar

from profiler.http import STOP, Stop

P = ParamSpec("P")
T = TypeVar("T")

LOOP: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("loop", default=None)
"""The caller's, where it goes on while the verb is carried out."""


class Work(Generic[T]):
    """A verb at work in a thread of its own, where what it waits for has a loop of its own."""

    def __init__(self, act: Callable[[], T], loop: asyncio.AbstractEventLoop | None) -> None:
        self.stop = Stop()
        """What computes ends by itself first."""
        context = copy_context()
        context.run(STOP.set, self.stop)
        context.run(LOOP.set, loop)
        threads = ThreadPoolExecutor(1, "inherit")
        self.future: Future[T] = threads.submit(context.run, act)
        threads.shutdown(wait=False)


def plainly(function: Callable[P, T]) -> Callable[P, T]:
    """FUNCTION, to be called anywhere: in a notebook, whose loop runs already, too."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        act = partial(function, *args, **kwargs)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return act()
        work = Work(act, None)
        try:
            return work.future.result()
        except KeyboardInterrupt:
            work.stop()
            work.future.exception()
            raise

    return call


def awaited(function: Callable[P, T]) -> Callable[P, Coroutine[object, object, T]]:
    """FUNCTION, to be awaited; cancelled, it stops asking, and what was answered is kept."""

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        work = Work(partial(function, *args, **kwargs), asyncio.get_running_loop())
        try:
            return await asyncio.shield(asyncio.wrap_future(work.future))
        except asyncio.CancelledError:
            work.stop()
            raise

    return call

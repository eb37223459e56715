"""How a server is asked over HTTP: by aiohttp, with one policy of when another try is worth its while."""

import asyncio
import math
import os
import random
import re
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from profiler.errors import WrongUse

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a variable of the environment may be called."""
OURS = frozenset({"content-type", "content-length", "host", "connection", "transfer-encoding"})
"""Headers that are not the user's to say."""

T = TypeVar("T")


class Stop:
    """What ends every `wait` in another thread, the ones to come too."""

    def __init__(self) -> None:
        self.asked = False
        self.ways: list[Callable[[], object]] = []

    def __call__(self) -> None:
        self.asked = True
        for way in [*self.ways]:
            way()


STOP: ContextVar[Stop | None] = ContextVar("stop", default=None)
"""Of whoever handed work to this thread."""

LISTENER: ContextVar[Callable[[str], object] | None] = ContextVar("listener", default=None)
"""Is told what is waited for before another try, and an empty text once it is over."""

EVERY = 5.0
"""Seconds between two words on one wait."""

NOTABLE = 2.0
"""Seconds of trouble below which nothing is said of it."""


@contextmanager
def listening(listener: Callable[[str], object]) -> Iterator[None]:
    """Inside, LISTENER is told of every wait for a server that has to be asked again."""
    token = LISTENER.set(listener)
    try:
        yield
    finally:
        LISTENER.reset(token)


async def pause(seconds: float, why: str, since: float) -> None:
    """Wait before another try, and say every few seconds what for; SINCE is when the trouble began."""
    until = time.monotonic() + seconds
    if not (tell := LISTENER.get()) or until - since < NOTABLE:
        return await asyncio.sleep(seconds)
    while (left := until - time.monotonic()) > 0:
        tell(f"waiting: {why}; next try in {math.ceil(left)} s, in trouble for {time.monotonic() - since:.0f} s")
        await asyncio.sleep(min(left, EVERY))
    return None


class Failed(Exception):
    """A request that brought no answer."""

    def __init__(self, words: str, status: int | None = None, body: bytes = b"", wait: float | None = None) -> None:
        super().__init__(words)
        self.status = status
        """What the server said; None where nothing came, or not all."""
        self.body = body
        self.wait = wait
        """Seconds that the server asks us to wait."""


@dataclass(frozen=True)
class Retry:
    """When to try again, and how long to wait before."""

    tries: int = 4
    first: float = 0.5
    """Seconds before the second try."""
    factor: float = 2.0
    """How much longer each further wait is."""
    longest: float = 30.0
    """Most seconds between two tries."""
    jitter: float = 0.0
    """Share by which a wait may be longer or shorter: requests that failed together must not come back together."""
    statuses: Collection[int] = frozenset({408, 429, 500, 502, 503, 504})
    """Answers that may be another the next time."""

    def cures(self, status: int | None) -> bool:
        """Whether another try may bring what this one did not."""
        return status is None or status in self.statuses

    def pause(self, tried: int) -> float:
        """Seconds to wait after so many tries."""
        usual = min(self.longest, self.first * self.factor ** (tried - 1))
        return usual * random.uniform(1 - self.jitter, 1 + self.jitter)

    async def persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """What WORK gives, tried until it does or there is no hope; Failed then says why."""
        tried, since = 1, time.monotonic()
        while True:
            try:
                return await work()
            except Failed as error:
                if tried >= self.tries or not self.cures(error.status):
                    raise
                await pause(max(self.pause(tried), min(error.wait or 0.0, self.longest)), str(error), since)
            tried += 1


@contextmanager
def failing() -> Iterator[None]:
    """A connection that fails or breaks in this block has Failed."""
    import aiohttp

    try:
        yield
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        raise Failed(str(error) or type(error).__name__) from None


async def sent(
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    seconds: float,
    direct: bool = False,
) -> bytes:
    """What a server answers to a GET, or to a POST of BODY; past the environment's proxies where DIRECT."""
    import aiohttp

    limit = aiohttp.ClientTimeout(total=seconds)
    with failing():
        async with (
            aiohttp.ClientSession(trust_env=not direct, timeout=limit, headers=headers) as session,
            session.request("GET" if body is None else "POST", url, data=body, allow_redirects=body is None) as answer,
        ):
            content = await answer.read()
    if answer.status >= 300:
        wait = retry_after(answer.headers.get("Retry-After"))
        raise Failed(f"{answer.status} {answer.reason}", answer.status, content, wait)
    return content


def wait(work: Coroutine[Any, Any, T]) -> T:
    """What WORK gives, for plain code; where a loop runs already, it stands still meanwhile."""
    stop = STOP.get()

    async def stoppable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if stop is None or task is None:
            return await work
        stop.ways.append(way := lambda: loop.call_soon_threadsafe(task.cancel))
        if stop.asked:
            task.cancel()
        try:
            return await work
        finally:
            stop.ways.remove(way)

    def run() -> T:
        # A factory of its own keeps the runner from taking away the loop that others may have set in this thread.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(stoppable())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, run).result()


def check_address(url: str) -> None:
    """Refuse what is no address of a server, or holds a secret; the words never repeat one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:  # UnicodeError is one
        raise WrongUse(f"--url is no address: {error.__cause__ or error}") from None
    if parts.username is not None or parts.password is not None:
        raise WrongUse("--url holds a name or password (NAME:PASSWORD@); name a variable that holds the key with --key")
    if parts.query or parts.fragment:
        raise WrongUse("--url holds more than an address (? or #); name a variable that holds the key with --key")
    if parts.scheme not in ("http", "https") or not host:
        raise WrongUse(f"expected --url http://HOST/v1 or https://HOST/v1, found {url!r}")


def check_key_name(name: str) -> None:
    """Refuse what can't be the name of a variable: it may be the key itself, and is not repeated."""
    if not NAME.fullmatch(name) or (name not in os.environ and len(name) >= 20 and not name.isupper()):
        raise WrongUse("--key takes the NAME of an environment variable, such as OPENAI_API_KEY, never the key itself")


def header_parts(said: str) -> tuple[str, str]:
    """A header's name and the variable that holds its value; what may be the value itself is not repeated."""
    name, _, variable = said.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9-]+", name) or name.lower() in OURS:
        kept = ", ".join(sorted(OURS))
        raise WrongUse(f"--header takes NAME=VARIABLE, such as api-key=AZURE_OPENAI_API_KEY, and none of {kept}")
    if not NAME.fullmatch(variable) or (variable not in os.environ and len(variable) >= 20 and not variable.isupper()):
        raise WrongUse("--header takes NAME=VARIABLE: the name of an environment variable, never the value itself")
    return name, variable


def proxy(url: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def retry_after(header: str | None) -> float | None:
    """Seconds that a server asks to wait, given as a number or as a date."""
    with suppress(ValueError):
        return max(0.0, seconds) if math.isfinite(seconds := float(header or "")) else None
    with suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(header or "").timestamp() - time.time())
    return None

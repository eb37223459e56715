"""Requests through an OpenAI client of the user's: its address, headers, authentication and connections, not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from profiler.errors import WrongUse
from profiler.http import Failed

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

THREADS = 64
"""Requests in flight of a client that is not asynchronous."""


class RawReply(NamedTuple):
    """What came back, whatever it means."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class UsersClient:
    """A user's client, asked from any event loop."""

    def __init__(self, client: openai.OpenAI | openai.AsyncOpenAI, loop: asyncio.AbstractEventLoop | None) -> None:
        """LOOP is the user's, where it goes on meanwhile."""
        self._client = client
        self._own: openai.AsyncOpenAI | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._run = self._runner(loop)

    def _runner(self, loop: asyncio.AbstractEventLoop | None) -> Callable[[Callable[[], Any]], Awaitable[Any]]:
        """How what the client does is waited for, in a loop of ours."""
        import openai

        if isinstance(self._client, openai.OpenAI):
            self._threads = ThreadPoolExecutor(THREADS, "openai")
            return lambda act: asyncio.get_running_loop().run_in_executor(self._threads, act)
        if loop:  # its connections are that loop's
            return lambda act: asyncio.wrap_future(asyncio.run_coroutine_threadsafe(act(), loop))
        if type(self._client._client).__name__ != "AsyncHttpxClientWrapper":
            raise WrongUse(
                "this AsyncOpenAI has an `http_client` of its own, which belongs to your event loop: use the verbs of "
                "`inherit.aio`, or give an openai.OpenAI"
            )
        # Its own connections are not for our loop: the same address, headers and authentication, with new ones.
        self._client = self._own = self._client.copy(http_client=openai.DefaultAsyncHttpxClient())
        return lambda act: act()

    async def sent(self, method: str, path: str, body: object, seconds: float) -> RawReply:
        """What the server says to one request; Failed where nothing comes, TimeoutError where it takes too long."""
        import openai

        options = {"max_retries": 0, "timeout": seconds}
        ask: Any = self._client.get if method == "GET" else partial(self._client.post, body=body)
        act = partial(ask, path, cast_to=openai.HttpxBinaryResponseContent, options=options)
        try:
            async with asyncio.timeout(seconds):  # the client's own limit is for each piece that comes
                answer = (await self._run(act)).response
        except openai.APIStatusError as error:
            answer = error.response
        except openai.APITimeoutError:
            raise TimeoutError from None
        except openai.APIConnectionError as error:
            raise Failed(str(error.__cause__ or error)) from None
        return RawReply(answer.status_code, answer.content, answer.headers)

    def safe(self, words: str) -> str:
        """WORDS without the client's key."""
        key = self._client.api_key
        return words.replace(key, "…") if key else words

    async def close(self) -> None:
        """Close what was opened here; the user's own stays open."""
        if self._own:
            await self._own.close()
        if self._threads:
            self._threads.shutdown(wait=False)


CLIENTS: ContextVar[Mapping[str, Callable[[], UsersClient]]] = ContextVar("clients", default={})  # noqa: B039
"""Address → the client that what goes there is sent through."""


@contextmanager
def through(client: openai.OpenAI | openai.AsyncOpenAI, loop: asyncio.AbstractEventLoop | None = None) -> Iterator[str]:
    """Inside, what goes to the client's address, which is given, is sent by it; LOOP is the user's, if it goes on."""
    url = str(client.base_url).rstrip("/")
    token = CLIENTS.set({**CLIENTS.get(), url: partial(UsersClient, client, loop)})
    try:
        yield url
    finally:
        CLIENTS.reset(token)

"""One request to a server, until it is answered or given up: retries, rate limits, deadlines."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from profiler.endpoints.openai.reply import ListedModel, ModelList, ServerReply, read
from profiler.endpoints.openai.throttle import Throttle
from profiler.endpoints.openai.users_client import CLIENTS
from profiler.errors import EndpointDown, EndpointError, Refused, Unreadable, WrongUse
from profiler.http import (
    LISTENER,
    Bounds,
    Failed,
    Retry,
    check_address,
    check_key_name,
    connector,
    failure_words,
    header_parts,
    marked,
    pause,
    proxy,
    retry_after,
)
from profiler.records import Endpoint, Json

if TYPE_CHECKING:
    import aiohttp

Body = dict[str, Json]
Headers = Mapping[str, str]

LIMIT_STATUSES = {429, 503, 529}
"""The server is asked too much: wait, and ask less at once."""

FATAL_STATUSES = {401, 403, 404, 405}
"""Every other request would be refused as well."""

WORDS = 300
"""Characters of a server's message that are passed on."""

LARGEST = 2**28
"""Bytes that all replies in flight may have together."""

SECRET = 6
"""Characters that make a key a secret; a shorter one is a placeholder, and would be found in any text."""

KEPT_HEADERS = ("Retry-After", "Location")

CONNECT = 20.0
"""Seconds to wait for a connection."""


@dataclass(frozen=True)
class RetryLimits(Retry):
    """How long to put up with a server; being told to slow down is not counted as a try."""

    tries: int = 6
    jitter: float = 0.5
    statuses: Collection[int] = frozenset({408, 409, 425, 429, *range(500, 600)})
    attempt: float = 600.0
    """Seconds that one attempt may take."""
    deadline: float = 1800.0
    """Seconds for a request with all its attempts and waits."""
    down: int = 8
    """Requests that failed for good, in a row, after which the endpoint counts as down."""


class KeyRefused(Refused):
    """A refusal that every other request would meet as well."""


class Overloaded(EndpointError):
    """The server can't keep up, or wants us to think so."""

    def __init__(self, words: str, wait: float | None = None, *, polite: bool = False) -> None:
        super().__init__(words)
        self.wait = wait
        """Seconds it asks us to wait."""
        self.polite = polite
        """It is well and only asks for less: not a failed try."""


def sent_value(variable: str) -> str:
    """What an environment variable holds, as far as it can stand in a header."""
    if bounds := Bounds.current():
        bounds.check_key(variable)
    value = os.environ.get(variable, "").strip()
    if not value.isprintable() or not value.isascii():
        raise WrongUse(f"the key in the variable {variable} holds what can't stand in a header; is it whole?")
    return value


class Transport:
    """Sends requests through one aiohttp session, and decides what a failure means."""

    def __init__(self, endpoint: Endpoint, concurrency: int, patience: RetryLimits) -> None:
        check_address(endpoint.url or "")
        check_key_name(endpoint.key)
        self.endpoint = endpoint
        self.patience = patience
        self.gate = Throttle(concurrency)
        users = CLIENTS.get().get(endpoint.url or "")
        self._users = users() if users else None
        self._session: aiohttp.ClientSession | None = None
        self._fair = LARGEST // concurrency
        """Bytes that a reply may have, however many the others have."""
        self._held = 0
        """Bytes of the replies in flight."""
        self._streak = 0
        self._troubled: float | None = None
        """Since when nothing has gone well."""
        self._listed: list[ListedModel] | None = None
        key = sent_value(endpoint.key)
        self._headers = {name: sent_value(variable) for name, variable in map(header_parts, endpoint.header)}
        self._secrets = [value.encode() for value in (key, *self._headers.values()) if len(value) >= SECRET]
        if not any(name.lower() == "authorization" for name in self._headers) and (key or not self._headers):
            self._headers["Authorization"] = f"Bearer {key or 'EMPTY'}"
        if unset := [said for said in endpoint.header if not sent_value(header_parts(said)[1])]:
            raise WrongUse(f"--header {unset[0]}: this environment variable is not set, or empty")

    def _opened(self) -> aiohttp.ClientSession:
        # The official client builds each request in half a millisecond: alone, it fills 64 places of a server that
        # takes 100 ms to 85 % (bench/client.py). Its aiohttp transport without it fills them.
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=connector(limit=0),
                headers={**self._headers, "Content-Type": "application/json"},
                # Looked up once: aiohttp's own `trust_env` reads the environment anew, in a thread, for each request.
                proxy=proxy(self.endpoint.url or ""),
            )
        return self._session

    async def post(self, path: str, body: Body, tries: int | None = None, seconds: float | None = None) -> ServerReply:
        """The server's answer; an EndpointError says why there is none, EndpointDown that it is time to stop."""
        try:
            reply = await self._persist(path, body, tries or self.patience.tries, seconds or self.patience.attempt)
        except EndpointError as error:
            if isinstance(error, Refused) and not isinstance(error, KeyRefused):
                raise  # the request's own fault: says nothing about the server
            self._streak += 1
            if self._streak < self.patience.down:
                raise
            raise EndpointDown(
                f"{self.endpoint.url} failed {self._streak} requests in a row; the last: {error}. "
                "What it answered before is kept: run again to resume from there"
            ) from error
        self._streak = 0
        return reply

    async def _persist(self, path: str, body: Body, tries: int, attempt: float) -> ServerReply:
        """Try until there is an answer, a refusal, or no patience left."""
        failed = rounds = 0
        end = math.inf
        while True:
            await self.gate.enter()
            started = time.monotonic()
            end = min(end, started + self.patience.deadline)
            try:
                status, raw, headers = await self._sent(
                    "POST", path, body, min(attempt, self.patience.attempt, end - started)
                )
                if status >= 300:
                    raise self._meant(status, raw, headers)
                reply = read(ServerReply, raw)
                reply.seconds = time.monotonic() - started
                self.gate.eased(reply.seconds)
                if self._troubled and (tell := LISTENER.get()):
                    tell("")
                self._troubled = None
                return reply
            except Refused:
                raise
            except EndpointError as error:
                failure = error
            finally:
                self.gate.leave()
            rounds += 1
            failed += 1
            wait = None
            if isinstance(failure, Overloaded):
                wait = failure.wait
                failed -= failure.polite
                self.gate.congested(started, wait if wait and time.monotonic() + wait < end else None)
            self._troubled = self._troubled or started
            # A server that asks for no wait at all is not asked again at once.
            rest = max(self.patience.pause(rounds), wait or 0.0)
            if failed >= tries or time.monotonic() + rest >= end:
                kind = Unreadable if isinstance(failure, Unreadable) else EndpointError
                raise kind(f"{failure} (tried {rounds} time{'s' * (rounds > 1)})")
            await pause(rest, f"{self.endpoint.url}: {failure}", self._troubled)

    async def models(self) -> list[ListedModel]:
        """What the server lists; nothing where it has no list. Asked once, and never a reason to stop."""
        if self._listed is None:
            try:
                status, raw, _ = await self._sent("GET", "/models", None, CONNECT)
                self._listed = read(ModelList, raw).data if status < 300 else []
            except EndpointError:
                self._listed = []
        return self._listed

    async def _sent(self, method: str, path: str, body: Body | None, seconds: float) -> tuple[int, bytes, Headers]:
        """Status, body and headers of what comes back."""
        import aiohttp

        try:
            data = orjson.dumps(body) if body else None
        except TypeError:
            raise Refused("the prompt holds half a surrogate pair, which can't be sent; clean the data") from None
        address = f"{self.endpoint.url}".rstrip("/") + path
        try:
            if self._users:
                return await self._users.sent(method, path, body, seconds)
            async with self._opened().request(
                method, address, data=data, timeout=limit(seconds), allow_redirects=False
            ) as response:
                # Some servers repeat the key, in words or in an address to go to: it goes no further than this.
                return (
                    response.status,
                    self._blotted(await self._whole(response)),
                    {
                        name: self._blotted(value.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")
                        for name in KEPT_HEADERS
                        if (value := response.headers.get(name))
                    },
                )
        except TimeoutError:
            raise Overloaded(f"no answer within {seconds:.3g} s; a slow server needs a smaller --concurrency") from None
        except (aiohttp.ClientError, Failed, ValueError, OSError) as error:
            raise EndpointError(f"no connection to {self.endpoint.url}: {self._safe(failure_words(error))}") from None

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        """A reply's body; all that come in at once fit in memory together, unpacked."""
        chunks: list[bytes] = []
        length = 0
        try:
            async for chunk in response.content.iter_any():
                chunks.append(chunk)
                length += len(chunk)
                self._held += len(chunk)
                if self._held > LARGEST and length > self._fair:
                    raise Refused(f"the server sent a reply of more than {length - 1:,} bytes")
            return b"".join(chunks)
        finally:
            chunks.clear()  # an error's traceback would keep them
            self._held -= length

    def _meant(self, status: int, raw: bytes, headers: Headers) -> EndpointError:
        """What a status other than success means for this request and for the others."""
        words = f"{status}: {self._safe(said(raw.decode('utf-8', 'replace')))}"
        if status < 400:
            return KeyRefused(
                f"{words}; it redirects to {self._safe(headers.get('Location') or 'nowhere')}: use that address"
            )
        if status == 401:
            return KeyRefused(f"{words}; put the key for {self.endpoint.url} in the variable {self.endpoint.key}")
        if status in FATAL_STATUSES or "insufficient_quota" in words:
            return KeyRefused(words)
        if status in LIMIT_STATUSES:
            return Overloaded(words, retry_after(headers), polite=status == 429)
        if self.patience.cures(status):
            return EndpointError(words)
        return Refused(words)

    def _blotted(self, words: bytes) -> bytes:
        for secret in self._secrets:
            words = words.replace(secret, b"[key]")
        return words

    def _safe(self, words: str) -> str:
        """Foreign words, cut short, that any file can hold."""
        words = self._users.safe(words) if self._users else words
        words = words[:WORDS].encode("utf-8", "replace").decode("utf-8")
        if not Bounds.current():
            return words
        return marked(words)

    async def close(self) -> None:
        if self._users:
            await self._users.close()
        if self._session is not None:
            await self._session.close()


@lru_cache(maxsize=8)
def limit(seconds: float) -> aiohttp.ClientTimeout:
    """How long an attempt may take; nearly all of them the same, and it costs a microsecond or two to say so."""
    import aiohttp

    return aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT)


def said(words: str) -> str:
    """The message in an error's body, wherever the server put it."""
    try:
        body = json.loads(words)
    except (ValueError, RecursionError):
        body = words
    while isinstance(body, dict):
        inner = next((body[name] for name in ("message", "detail", "error", "msg") if body.get(name)), None)
        if inner is None:
            return json.dumps(body)
        body = inner
    return " ".join(str(body or "no reason given").split())

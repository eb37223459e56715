"""HELM's requests, answered by the client that `inherit profile` asks with."""

from __future__ import annotations

import asyncio
import atexit
import functools
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import NamedTuple, TypeVar

from helm.clients.client import Client as HelmClient
from helm.common.cache import BlackHoleCacheConfig, CacheConfig, SqliteCacheConfig
from helm.common.hierarchical_logger import hwarn
from helm.common.request import ErrorFlags, GeneratedOutput, RequestResult
from helm.common.request import Request as HelmRequest

from profiler.endpoints import (
    COMPLETIONS,
    Answer,
    Body,
    Cache,
    Client,
    OpenAIEngine,
    Request,
    RetryLimits,
    ServerReply,
    Transport,
)
from profiler.errors import EndpointDown, EndpointError, InheritError, StoreError, WrongUse
from profiler.harnesses.helm import spec
from profiler.harnesses.helm.plain import HelmRequests
from profiler.harnesses.helm.reply import KEY, StoredAnswer, listed
from profiler.records import Endpoint, Generation, Likelihood

T = TypeVar("T")

ONE = threading.Lock()

FLIGHT = 64
"""Most requests in flight; HELM's --num-threads says how many it makes at once."""

ANSWERS = "inherit-answers.sqlite"
"""Our cache, beside HELM's own: answers are kept by what was asked and by the fingerprint of the weights."""


class InheritClient(HelmClient):
    """Answers what the run specs inherit_* ask as `inherit profile` would, and HELM's own scenarios as HELM would."""

    def __init__(self, cache_config: CacheConfig, url: str, served: str) -> None:
        endpoint = Endpoint(model=served, url=url)
        self._url = url
        self._line = line(endpoint, answers(cache_config))
        self._plain = HelmRequests(served, cache_config, self._line)

    def make_request(self, request: HelmRequest) -> RequestResult:
        if self._line.over:
            return failure(self._line.over, final=True)
        try:
            return self._ours(request) if request.prompt.startswith(spec.SCHEME) else self._plain.answer(request)
        except InheritError as error:
            if isinstance(error, EndpointDown | StoreError):
                self._line.over = error  # every other request would wait for the same end
            return failure(error, final=True)

    def _ours(self, request: HelmRequest) -> RequestResult:
        clock = time.time()
        stop = tuple(request.stop_sequences)
        drawn = spec.DrawSettings(request.temperature, request.max_tokens, stop, request.num_completions)
        asked = spec.read(request.prompt, drawn)
        told = self._line.ask(asked)
        if told.answer.error:
            return failure(told.answer.error, final=False)
        return success(asked.request, told.answer, StoredAnswer.of(told.answer, told.weights, self._url), clock)


def success(asked: Request, answer: Answer, reply: StoredAnswer, clock: float) -> RequestResult:
    texts = [text.text for text in answer.generations] or [listed(asked, answer.likelihoods)]
    reasons = [text.finish or "unknown" for text in answer.generations] or ["weighed"]
    outputs = [
        GeneratedOutput(text=text, logprob=0.0, tokens=[], finish_reason={"reason": reason})
        for text, reason in zip(texts, reasons, strict=True)
    ]
    record = reply.model_dump(mode="json", exclude_defaults=True)
    outputs[0] = GeneratedOutput(texts[0], 0.0, [], {"reason": reasons[0], KEY: record})
    parts: list[Generation | Likelihood] = [*answer.generations, *answer.likelihoods]
    return RequestResult(
        success=True,
        embedding=[],
        completions=outputs,
        cached=bool(parts) and all(part.cached for part in parts),
        request_time=time.time() - clock,
        request_datetime=int(clock),
    )


def failure(why: object, *, final: bool) -> RequestResult:
    """What was asked again often enough already; FINAL ends the run, else it is the error of one item."""
    flags = ErrorFlags(is_retriable=False, is_fatal=final)
    return RequestResult(False, embedding=[], completions=[], cached=False, error=str(why), error_flags=flags)


def answers(config: CacheConfig) -> Path | None:
    """Where our answers are kept, given where HELM keeps its own."""
    match config:
        case SqliteCacheConfig():
            return Path(config.path).with_name(ANSWERS)
        case BlackHoleCacheConfig():
            return None
        case _:
            raise WrongUse("inherit keeps its answers in SQLite: leave out --mongo-uri, or give --disable-cache")


def line(endpoint: Endpoint, cache: Path | None) -> SharedClient:
    """The one line to an endpoint: HELM makes a client for each of its threads, and each would ask what it can do."""
    with ONE:
        return _line(endpoint, cache)


@functools.cache
def _line(endpoint: Endpoint, cache: Path | None) -> SharedClient:
    return SharedClient(endpoint, cache)


class SourcedAnswer(NamedTuple):
    """An answer, and the id of the weights that gave it."""

    answer: Answer
    weights: str


class SharedClient:
    """Our client in a thread of its own: HELM's threads ask and wait."""

    def __init__(self, endpoint: Endpoint, cache: Path | None) -> None:
        self.endpoint = endpoint
        self.over: InheritError | None = None
        """Why nothing more can be asked."""
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="inherit", daemon=True).start()
        self._cache = self._done(self._opened(cache))
        self._engines: dict[bool, OpenAIEngine] = {}
        self._clients: dict[spec.AskMode, Client] = {}
        self._transport = Transport(endpoint, FLIGHT, RetryLimits())
        self._first: asyncio.Lock = asyncio.Lock()
        atexit.register(self.close)

    def ask(self, asked: spec.SpecRequest) -> SourcedAnswer:
        """The answer; an EndpointError where such a request can't be answered here, or nothing can."""
        return self._done(self._told(*asked))

    def post(self, body: Body) -> ServerReply:
        """What the server answers to plain completions."""
        return self._done(self._transport.post(COMPLETIONS, body))

    def weights(self) -> str:
        """Id of the weights that answer."""
        return self._done(self._recognised(self._client(spec.AskMode())))

    async def _told(self, request: Request, way: spec.AskMode) -> SourcedAnswer:
        client = self._client(way)
        weights = await self._recognised(client)
        if why := await client.refusal(request):
            raise EndpointError(f"{self.endpoint.model} at {self.endpoint.url} can't be asked this: {why}")
        (answer,) = [answer async for _, answer in client.answer([(None, request)])]
        return SourcedAnswer(answer, weights)

    def _client(self, way: spec.AskMode) -> Client:
        """Who asks in this way; all of them keep their answers in one place."""
        if way not in self._clients:
            endpoint = self.endpoint.model_copy(update={"chat": way.chat})
            engine = self._engines.setdefault(way.chat, OpenAIEngine(endpoint, concurrency=FLIGHT))
            self._clients[way] = Client(engine, self._cache, endpoint, way.reading)
        return self._clients[way]

    async def _recognised(self, client: Client) -> str:
        async with self._first:  # the first asks which weights these are, and says so once
            try:
                found = await client.fingerprint()
            except EndpointError as error:
                raise EndpointDown(str(error)) from error
            if client.notice:
                hwarn(client.notice)
                client.notice = None
            return found.id

    @staticmethod
    async def _opened(cache: Path | None) -> Cache:
        return Cache(cache)  # in the loop's thread, which its database belongs to

    async def _closed(self) -> None:
        self._cache.close()

    def _done(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        for engine in self._engines.values():
            self._done(engine.close())
        self._done(self._closed())
        self._done(self._transport.close())
        self._loop.call_soon_threadsafe(self._loop.stop)

"""An endpoint answers requests: what is known comes from the cache, the rest is asked, journaled and put together."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Generic, Self, TypeVar, assert_never

from pydantic import TypeAdapter, ValidationError

from profiler.endpoints import fingerprint as canary
from profiler.endpoints.answer_reader import AnswerReader, ScoringMethod
from profiler.endpoints.cache import Cache, CacheKey
from profiler.endpoints.collector import held_off
from profiler.endpoints.engine import Call, EmbedCall, Engine, SampleCall, ScoreCall, Value
from profiler.endpoints.requests import Answer, Request
from profiler.errors import EndpointError, StoreError
from profiler.records import Capabilities, Endpoint, Fingerprint, Generation, HiddenState, How, Likelihood

BATCH = 32
"""Requests looked up in the cache at once."""

READY = 512
"""Answers that may wait to be taken before no more requests are read."""

FORMS: dict[type[Value], TypeAdapter[Value]] = {
    kind: TypeAdapter(kind) for kind in (Generation, Likelihood, HiddenState)
}
"""How a part is journaled."""
PARTS: dict[type[Call], type[Value]] = {SampleCall: Generation, ScoreCall: Likelihood, EmbedCall: HiddenState}
"""What a call brings."""

K = TypeVar("K")


class Client:
    """A model that answers requests, paying for none twice."""

    def __init__(
        self, engine: Engine, cache: Cache, endpoint: Endpoint, scoring_method: ScoringMethod = "auto"
    ) -> None:
        self.endpoint = endpoint
        self.notice: str | None = None
        """What the user should know about the endpoint: other weights stand behind the name since …"""
        self._engine = engine
        self._cache = cache
        self._scoring_method = scoring_method
        self._fingerprint: Fingerprint | None = None

    async def capabilities(self) -> Capabilities:
        """What the endpoint can do, found by asking once."""
        return await self._engine.capabilities()

    async def fingerprint(self) -> Fingerprint:
        """Which weights answer; the same weights keep their id from run to run."""
        if self._fingerprint is None:
            measured = await self._engine.fingerprint()
            self.notice = (await self.capabilities()).notes.get("model")
            self._fingerprint = self._recognised(measured)
            self._cache.meet(self.endpoint.model, self.endpoint.url, self._fingerprint)
        return self._fingerprint

    def _recognised(self, measured: Fingerprint) -> Fingerprint:
        # Weights that were weighed there and are digested here can't be compared.
        alike = bool(measured.logprobs)
        known = [one for one in self._cache.known(self.endpoint.model) if bool(one.fingerprint.logprobs) == alike]
        for one in known:
            if canary.agree(one.fingerprint, measured):
                return one.fingerprint
        if known:
            when = known[0].seen.astimezone().strftime("%Y-%m-%d %H:%M")
            self.notice = (
                f"{self.endpoint.model!r} is not the model it was on {when}: it answers the fixed text otherwise; "
                "answers of the earlier weights stay in the cache and are not mixed in"
            )
        return measured

    async def how(self, request: Request) -> How:
        """The instrument that answers to such a request will be read with."""
        return (await self._reader()).how(request)

    async def refusal(self, request: Request) -> str | None:
        """Why the endpoint can't answer such a request; None when it can. Nothing is sent."""
        return (await self._reader()).obstacle(request)

    async def _reader(self) -> AnswerReader:
        return AnswerReader(await self.capabilities(), self.endpoint.chat, self._scoring_method)

    async def answer(self, requests: Iterable[tuple[K, Request]]) -> AsyncGenerator[tuple[K, Answer]]:
        """Answer keyed requests in whatever order they finish, reading ahead no further than needed.

        A request that fails gives an answer with an error. EndpointDown and StoreError come after every answer that
        was there before them.
        """
        weights, uncut = (await self.fingerprint()).id, (await self.capabilities()).uncut
        flow = Flow(self._engine, self._cache, await self._reader(), weights, uncut, iter(requests))
        with held_off():
            async with aclosing(flow.run()) as answers:
                async for pair in answers:
                    yield pair

    async def close(self) -> None:
        await self._engine.close()
        self._cache.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@dataclass
class PendingRequest(Generic[K]):
    """A request some of whose parts are still missing."""

    key: K
    request: Request
    call: Call
    addresses: dict[int, bytes]
    values: dict[int, Value | EndpointError] = field(default_factory=dict)


@dataclass
class Flow(Generic[K]):
    """One pass of requests through the cache and the engine."""

    engine: Engine
    cache: Cache
    reader: AnswerReader
    weights: str
    uncut: tuple[str, ...]
    requests: Iterator[tuple[K, Request]]
    pending: dict[int, PendingRequest[K]] = field(default_factory=dict)
    waiting: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)
    """Address of a part that is being asked → who waits for it besides the request that asks: number of the request,
    index of the part."""
    ready: asyncio.Queue[tuple[K, Answer] | None] = field(default_factory=asyncio.Queue)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0

    async def run(self) -> AsyncGenerator[tuple[K, Answer], None]:
        """The answers, as they come; what the engine gives is journaled at once, however slowly they are used."""
        work = asyncio.create_task(self.engine.perform(self._calls(), self._take))
        work.add_done_callback(lambda _: self.ready.put_nowait(None))
        try:
            while (pair := await self.ready.get()) is not None:
                self.cache.commit()
                yield pair
                if self.ready.qsize() <= READY // 2:
                    self.room.set()
            await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            self.cache.commit()

    async def _calls(self) -> AsyncIterator[tuple[int, Call]]:
        """The calls for whatever the cache does not hold, made when the engine asks for more."""
        while batch := list(islice(self.requests, BATCH)):
            for number, call in self._missing(batch):
                yield number, call
            while self.ready.qsize() >= READY:
                self.room.clear()
                await self.room.wait()

    def _missing(self, batch: list[tuple[K, Request]]) -> list[tuple[int, Call]]:
        """Open a batch of requests; the calls, cut down to the parts that nobody has asked for yet."""
        opened = [entry for key, request in batch if (entry := self._opened(key, request))]
        found = self.cache.find([address for entry in opened for address in entry.addresses.values()])
        calls: list[tuple[int, Call]] = []
        for entry in opened:
            self.count += 1
            self.pending[self.count] = entry
            asked: list[int] = []
            for index, address in entry.addresses.items():
                if value := found.get(address):
                    entry.values[index] = self._parsed(entry.call, value)
                    continue
                if address in self.waiting:
                    self.waiting[address].append((self.count, index))
                else:
                    asked.append(index)
                    self.waiting[address] = []
            self._finish(self.count)
            if asked:
                whole = len(asked) == len(entry.addresses)
                calls.append((self.count, entry.call if whole else entry.call._replace(indices=tuple(asked))))
        return calls

    def _opened(self, key: K, request: Request) -> PendingRequest[K] | None:
        if obstacle := self.reader.obstacle(request):
            error = f"the endpoint can't answer this: {obstacle}"
            self.ready.put_nowait((key, Answer(self.reader.how(request), error=error)))
            return None
        call = self.reader.call(request)
        return PendingRequest(key, request, call, addresses(self.weights, call, self.uncut))

    def _take(self, number: int, index: int, value: Value | EndpointError) -> None:
        """Journal a part and hand it to all who wait for it; only the request that asked pays."""
        address = self.pending[number].addresses[index]
        if not isinstance(value, EndpointError):
            self.cache.keep(address, FORMS[type(value)].dump_json(value, exclude_unset=True))
        self._put(number, index, value)
        others = self.waiting.pop(address)
        if others and not isinstance(value, EndpointError):
            value = value.model_copy(update={"cached": True})
        for other in others:
            self._put(*other, value)

    def _put(self, number: int, index: int, value: Value | EndpointError) -> None:
        self.pending[number].values[index] = value
        self._finish(number)

    def _parsed(self, call: Call, value: bytes) -> Value:
        try:
            return FORMS[PARTS[type(call)]].validate_json(value).model_copy(update={"cached": True})
        except ValidationError as error:
            raise StoreError(f"the cache {self.cache.path} holds what is no answer: {error}; move it away") from error

    def _finish(self, number: int) -> None:
        """Let a request go once its last part is there."""
        entry = self.pending[number]
        if len(entry.values) < len(entry.addresses):
            return
        del self.pending[number]
        good: list[Value] = []
        for index in entry.addresses:
            value = entry.values[index]
            if isinstance(value, EndpointError):
                answer = Answer(self.reader.how(entry.request), error=str(value))
                break
            good.append(value)
        else:
            answer = self.reader.answer(entry.request, good)
        self.ready.put_nowait((entry.key, answer))


def addresses(weights: str, call: Call, uncut: tuple[str, ...] = ()) -> dict[int, bytes]:
    """Where each part of a call is kept: by everything that decides what comes back, and by nothing else."""
    match call:
        case SampleCall(prompt, drawn, indices, chat, system, top):
            settings = (drawn.temperature, drawn.top_p, drawn.max_tokens, drawn.stop, drawn.seed)
            # Draws that a server cut by values of its own are not those that it does not cut.
            sent = dict.fromkeys(uncut if drawn.temperature else (), 0) | drawn.rarer
            rarer = (f"{name}={value}" for name, value in sent.items())
            draw = CacheKey(weights, "draw", prompt, *settings, *rarer, chat, system, top)
            return {index: draw.part(index) for index in indices}
        case ScoreCall(prefix, texts, indices):
            score = CacheKey(weights, "score", prefix)
            return {index: score.part(texts[index]) for index in indices}
        case EmbedCall(texts, indices):
            state = CacheKey(weights, "state")
            return {index: state.part(texts[index]) for index in indices}
        case _:
            assert_never(call)


def connect(
    endpoint: Endpoint, cache: Path | None, *, concurrency: int = 64, scoring_method: ScoringMethod = "auto"
) -> Client:
    """A client for an endpoint: a server where it has an address, else the model in this process.

    Without a cache's path nothing is kept.
    """
    engine: Engine
    if endpoint.url is None:
        from profiler.endpoints.local.engine import LocalEngine

        engine = LocalEngine(endpoint)
    else:
        from profiler.endpoints.openai.engine import OpenAIEngine

        if endpoint.replicas:
            from profiler.endpoints.openai.transport import RetryLimits
            from profiler.endpoints.replicas import Replicas

            names = [endpoint.url, *endpoint.replicas]
            each = [endpoint.model_copy(update={"url": at, "replicas": ()}) for at in names]
            patience = RetryLimits(tries=3)  # what one can't answer, another can
            servers = [OpenAIEngine(one, concurrency=concurrency, patience=patience) for one in each]
            engine = Replicas(servers, names)
        else:
            engine = OpenAIEngine(endpoint, concurrency=concurrency)
    return Client(engine, Cache(cache), endpoint, scoring_method)

"""A model behind an OpenAI-compatible server: completions, chat, echoed log-probabilities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

from profiler.endpoints.engine import Call, Piece, SampleCall, ScoreCall, Value
from profiler.endpoints.openai import discovery
from profiler.endpoints.openai.dialect import COMPLETIONS, path
from profiler.endpoints.openai.discovery import ServerAbility
from profiler.endpoints.openai.echo import EchoedText, boundary, shared
from profiler.endpoints.openai.reply import echoes, generations
from profiler.endpoints.openai.transport import RetryLimits, Transport
from profiler.errors import EndpointDown, EndpointError, Refused, Unreadable
from profiler.records import Capabilities, Endpoint, Fingerprint, Likelihood

MOST = 32
"""Samples in one request: more would put too many answers at the risk of one failure."""

Values = Mapping[int, Value | EndpointError]
"""What came back, by index of the call."""


class RequestPart(NamedTuple):
    """What one request carries: some of a call's parts."""

    key: int
    call: Call
    indices: tuple[int, ...]


class OpenAIEngine:
    """As many requests in flight as asked for, or as the server can take."""

    def __init__(self, endpoint: Endpoint, *, concurrency: int = 64, patience: RetryLimits | None = None) -> None:
        self.endpoint = endpoint
        self.repaired = 0
        """Parts that a server left out of its reply and that were asked for again, alone."""
        self._concurrency = concurrency
        self._transport = Transport(endpoint, concurrency, patience or RetryLimits())
        self._asked: asyncio.Lock = asyncio.Lock()
        self._found: ServerAbility | None = None

    async def capabilities(self) -> Capabilities:
        return (await self._ability()).capabilities

    async def fingerprint(self) -> Fingerprint:
        return await discovery.fingerprint(self._transport, await self._ability())

    async def _ability(self) -> ServerAbility:
        async with self._asked:
            if self._found is None:
                self._found = await discovery.find(self._transport)
        return self._found

    async def close(self) -> None:
        await self._transport.close()

    async def perform(self, calls: AsyncIterable[tuple[int, Call]]) -> AsyncGenerator[Piece, None]:
        """Carry out calls, each split into as few requests as the server can take it in."""
        crew = Workers(self._transport, await self._ability(), calls)
        workers = [asyncio.create_task(crew.work()) for _ in range(self._concurrency)]
        over = asyncio.gather(*workers)
        over.add_done_callback(crew.end)
        try:
            while (part := await crew.parts.get()) is not None:
                yield part
        finally:
            for worker in workers:
                worker.cancel()
            ends = await asyncio.gather(*workers, return_exceptions=True)
            self.repaired += crew.repaired
        while not crew.parts.empty():  # what arrived while the others were being stopped is paid for as well
            if part := crew.parts.get_nowait():
                yield part
        for end in ends:
            if isinstance(end, Exception):
                raise end
        for part in crew.failed:
            yield part


class Workers:
    """The workers of one `perform`, each with one request in flight."""

    def __init__(self, transport: Transport, can: ServerAbility, calls: AsyncIterable[tuple[int, Call]]) -> None:
        self.parts: asyncio.Queue[Piece | None] = asyncio.Queue()
        self.failed: list[Piece] = []
        """Failures that nothing has succeeded after: errors of these parts, or of a server that is down."""
        self.repaired = 0
        self._transport = transport
        self._can = can
        self._jobs = jobs(calls, can.capabilities)
        self._turn = asyncio.Lock()

    def end(self, over: asyncio.Future[list[None]]) -> None:
        if not over.cancelled():
            over.exception()  # told by `perform`, which sees every worker's
        self.parts.put_nowait(None)

    async def work(self) -> None:
        while job := await self._next():
            todo = [job]
            while todo:
                todo += await self._carried_out(todo.pop())

    async def _next(self) -> RequestPart | None:
        async with self._turn:
            return await anext(self._jobs, None)

    async def _carried_out(self, job: RequestPart) -> list[RequestPart]:
        """Put what a request brings where it is journaled; the jobs that it leaves to do."""
        try:
            match job.call:
                case SampleCall():
                    values = await self._drawn(job.call, job.indices)
                case ScoreCall():
                    values = await self._scored(job.call, job.indices)
                case _:
                    assert_never(job.call)
        except EndpointDown:
            raise
        except Refused as error:
            self._put(job, dict.fromkeys(job.indices, error))
            return []
        except EndpointError as error:
            self.failed += [Piece(job.key, index, error) for index in job.indices]
            return []
        for part in self.failed:
            self.parts.put_nowait(part)
        self.failed.clear()
        missing = [index for index in job.indices if index not in values]
        if missing and len(job.indices) == 1:
            values, missing = {job.indices[0]: Unreadable("the server sent no choice")}, []
        self.repaired += len(missing)
        self._put(job, values)
        return [RequestPart(job.key, job.call, (index,)) for index in missing]

    def _put(self, job: RequestPart, values: Mapping[int, Value | EndpointError]) -> None:
        for index, value in values.items():
            self.parts.put_nowait(Piece(job.key, index, value))

    async def _drawn(self, call: SampleCall, indices: Sequence[int]) -> Values:
        body = self._can.dialect.draw(call, indices[0], len(indices))
        reply = await self._transport.post(path(call), body)
        return {indices[place]: value for place, value in generations(reply, len(indices)).items()}

    async def _scored(self, call: ScoreCall, indices: Sequence[int]) -> Values:
        whole = [call.prefix + call.texts[index] for index in indices]
        found = await self._echoed(whole)
        firsts = {place: self._first(call.prefix, whole[place], echo) for place, echo in found.items()}
        if None in firsts.values():
            # The tokens don't spell the text: those that it shares with the prefix alone are the prefix's.
            alone = (await self._echoed([call.prefix])).get(0)
            if isinstance(alone, EchoedText):
                firsts = {
                    place: shared(alone.tokens, echo.tokens) if isinstance(echo, EchoedText) else None
                    for place, echo in found.items()
                }
        return {indices[place]: likelihood(echo, firsts[place]) for place, echo in found.items()}

    async def _echoed(self, texts: list[str]) -> dict[int, EchoedText | EndpointError]:
        dialect = self._can.dialect
        return echoes(await self._transport.post(COMPLETIONS, dialect.score(texts)), texts, dialect.scored)

    @staticmethod
    def _first(prefix: str, whole: str, echo: EchoedText | EndpointError) -> int | None:
        """The first token after the prefix; an error needs none."""
        if not prefix or not isinstance(echo, EchoedText):
            return 0
        return boundary(echo.tokens, whole, len(prefix))


def likelihood(echo: EchoedText | EndpointError, first: int | None) -> Likelihood | EndpointError:
    """The likelihood of an echoed text from a token on."""
    if not isinstance(echo, EchoedText):
        return echo
    if first is None:
        return Unreadable("the server's tokens do not say where the choice begins")
    try:
        return echo.likelihood(first)
    except Unreadable as error:
        return error


async def jobs(calls: AsyncIterable[tuple[int, Call]], can: Capabilities) -> AsyncGenerator[RequestPart, None]:
    """Each call in as few requests as the server can take it in."""
    async for key, call in calls:
        match call:
            case SampleCall():
                for run in runs(call.indices, MOST if can.n and call.sampling.temperature else 1):
                    yield RequestPart(key, call, run)
            case ScoreCall():
                together = len(call.indices) if can.prompt_lists else 1
                for start in range(0, len(call.indices), together):
                    yield RequestPart(key, call, call.indices[start : start + together])
            case _:
                assert_never(call)


def runs(indices: Sequence[int], most: int) -> Iterator[tuple[int, ...]]:
    """Indices in groups that one request can draw: its seeds go up by one."""
    group: list[int] = []
    for index in indices:
        if group and (len(group) == most or index != group[-1] + 1):
            yield tuple(group)
            group = []
        group.append(index)
    if group:
        yield tuple(group)

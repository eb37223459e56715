"""A model behind an OpenAI-compatible server: completions, chat, echoed log-probabilities."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from itertools import groupby

from profiler.endpoints.engine import Call, EmbedCall, SampleCall, ScoreCall, Take, Value, shared
from profiler.endpoints.openai import discovery
from profiler.endpoints.openai.discovery import COMPLETIONS, ServerAbility, path
from profiler.endpoints.openai.reply import EchoedText, boundary, echoes, generations
from profiler.endpoints.openai.transport import RetryLimits, Transport
from profiler.errors import EndpointDown, EndpointError, Refused, Unreadable
from profiler.records import Capabilities, Endpoint, Fingerprint

MOST = 32
"""Samples in one request: more would put too many answers at the risk of one failure."""

Values = Mapping[int, Value | EndpointError]
"""What came back, by index of the call."""

Keyed = tuple[int, Call]


class OpenAIEngine:
    """As many requests in flight as asked for, or as the server can take."""

    def __init__(self, endpoint: Endpoint, *, concurrency: int = 64, patience: RetryLimits | None = None) -> None:
        self.endpoint = endpoint
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
                self._found = await discovery.Inquiry(self._transport).ability()
        return self._found

    async def close(self) -> None:
        await self._transport.close()

    async def perform(self, calls: AsyncIterable[Keyed], take: Take) -> None:
        """Carry out calls, each split into as few requests as the server can take it in."""
        crew = Workers(self._transport, await self._ability(), calls, take)
        workers = [asyncio.create_task(crew.work()) for _ in range(self._concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        for failure in crew.failed:
            take(*failure)


class Workers:
    """The workers of one `perform`, each with one request in flight."""

    def __init__(self, transport: Transport, can: ServerAbility, calls: AsyncIterable[Keyed], take: Take) -> None:
        self.failed: list[tuple[int, int, EndpointError]] = []
        """Failures that nothing has succeeded after: errors of these parts, or of a server that is down."""
        self._take = take
        self._transport = transport
        self._can = can
        self._jobs = jobs(calls, can.capabilities)
        self._turn = asyncio.Lock()

    async def work(self) -> None:
        while True:
            async with self._turn:
                job = await anext(self._jobs, None)
            if not job:
                return
            todo = [job]
            while todo:
                todo += await self._carried_out(*todo.pop())

    async def _carried_out(self, key: int, call: Call) -> list[Keyed]:
        """Hand on what a request brings; the jobs that it leaves to do."""
        try:
            match call:
                case SampleCall():
                    values = await self._drawn(call)
                case ScoreCall():
                    values = await self._scored(call)
                case EmbedCall():
                    raise Refused("a server gives no hidden states")
        except EndpointDown:
            raise
        except Refused as error:
            values = dict.fromkeys(call.indices, error)
        except EndpointError as error:
            self.failed += [(key, index, error) for index in call.indices]
            return []
        else:
            for failure in self.failed:
                self._take(*failure)
            self.failed.clear()
        missing = [index for index in call.indices if index not in values]
        if missing and len(call.indices) == 1:
            values, missing = {missing[0]: Unreadable("the server sent no choice")}, []
        for index, value in values.items():
            self._take(key, index, value)
        return [(key, call._replace(indices=(index,))) for index in missing]

    async def _drawn(self, call: SampleCall) -> Values:
        count = len(call.indices)
        reply = await self._transport.post(path(call), self._can.dialect.draw(call, call.indices[0], count))
        return {call.indices[place]: value for place, value in generations(reply, count).items()}

    async def _scored(self, call: ScoreCall) -> Values:
        whole = [call.prefix + call.texts[index] for index in call.indices]
        found = await self._echoed(whole)
        echoed = {place: echo for place, echo in found.items() if isinstance(echo, EchoedText)}
        before = len(call.prefix)
        firsts = {place: boundary(echo.tokens, whole[place], before) if before else 0 for place, echo in echoed.items()}
        if None in firsts.values():
            # The tokens don't spell the text: those that it shares with the prefix alone are the prefix's.
            alone = (await self._echoed([call.prefix])).get(0)
            if isinstance(alone, EchoedText):
                firsts = {place: shared(alone.tokens, echo.tokens) for place, echo in echoed.items()}
        return {
            call.indices[place]: echo.likelihood(firsts[place]) if isinstance(echo, EchoedText) else echo
            for place, echo in found.items()
        }

    async def _echoed(self, texts: list[str]) -> dict[int, EchoedText | EndpointError]:
        dialect = self._can.dialect
        return echoes(await self._transport.post(COMPLETIONS, dialect.score(texts)), texts, dialect.scored)


async def jobs(calls: AsyncIterable[Keyed], can: Capabilities) -> AsyncGenerator[Keyed, None]:
    """Each call in as few requests as the server can take it in."""
    async for key, call in calls:
        runs, most = [call.indices], len(call.indices) if can.prompt_lists else 1
        if isinstance(call, SampleCall):
            # The seeds of the samples in one request go up by one.
            by_gap = groupby(enumerate(call.indices), lambda placed: placed[1] - placed[0])
            runs = [tuple(index for _, index in run) for _, run in by_gap]
            most = MOST if can.n and call.sampling.temperature else 1
        for run in runs:
            for start in range(0, len(run), most):
                yield key, call._replace(indices=run[start : start + most])

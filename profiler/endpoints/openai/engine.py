"""A model behind an OpenAI-compatible server: completions, chat, echoed log-probabilities."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from itertools import groupby

from profiler.endpoints.engine import Call, EmbedCall, SampleCall, ScoreCall, Take, Value, shared
from profiler.endpoints.openai import discovery
from profiler.endpoints.openai.discovery import COMPLETIONS, ServerAbility, path
from profiler.endpoints.openai.reply import EchoedText, boundary, echoes, generations
from profiler.endpoints.openai.transport import KeyRefused, RetryLimits, Transport
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
        self._allowance = discovery.Allowance(endpoint.url)
        self._asked: asyncio.Lock = asyncio.Lock()
        self._found: ServerAbility | None = None
        self._heeded: set[tuple[str, bool]] = set()

    async def capabilities(self) -> Capabilities:
        return (await self._ability()).capabilities

    async def fingerprint(self) -> Fingerprint:
        ability = await self._ability()
        async with self._allowance.spent():
            return await discovery.fingerprint(self._transport, ability)

    async def _ability(self) -> ServerAbility:
        async with self._asked:
            if self._found is None:
                async with self._allowance.spent():
                    self._found = await discovery.Inquiry(self._transport).ability()
        return self._found

    async def _checked(self, calls: AsyncIterable[Keyed]) -> AsyncGenerator[Keyed, None]:
        """The calls; before the first that has a setting which not every server knows, the server is tried with it."""
        async for key, call in calls:
            if isinstance(call, SampleCall):
                for name in call.sampling.rarer:
                    if (name, call.chat) not in self._heeded:
                        dialect = (await self._ability()).dialect
                        await discovery.Inquiry(self._transport).heeds(name, call, dialect)
                        self._heeded.add((name, call.chat))
            yield key, call

    async def close(self) -> None:
        await self._transport.close()

    async def perform(self, calls: AsyncIterable[Keyed], take: Take) -> None:
        """Carry out calls, each split into as few requests as the server can take it in."""
        crew = Workers(self._transport, await self._ability(), self._checked(calls), take)
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
        self._most = MOST if can.capabilities.n else 1
        """Samples asked for in one request: fewer once the server has refused so many."""
        self._jobs = self._split(calls)
        self._turn = asyncio.Lock()

    async def work(self) -> None:
        while True:
            async with self._turn:
                job = await anext(self._jobs, None)
            if not job:
                return
            await self._carried_out(*job)

    async def _split(self, calls: AsyncIterable[Keyed]) -> AsyncGenerator[Keyed, None]:
        """Each call in as few requests as the server can take it in."""
        async for key, call in calls:
            runs = [call.indices]
            if isinstance(call, SampleCall):
                # The seeds of the samples in one request go up by one.
                by_gap = groupby(enumerate(call.indices), lambda placed: placed[1] - placed[0])
                runs = [tuple(index for _, index in run) for _, run in by_gap]
            for run in runs:
                while run:
                    most = self._most if isinstance(call, SampleCall) and call.sampling.temperature else 1
                    if isinstance(call, ScoreCall) and self._can.capabilities.prompt_lists:
                        most = len(run)
                    yield key, call._replace(indices=run[:most])
                    run = run[most:]

    async def _carried_out(self, key: int, call: Call) -> None:
        """Hand on what a request brings; what it leaves to do, in further ones."""
        todo, taken = [call], False
        while todo:
            call = todo.pop()
            try:
                values = await self._asked(call)
            except EndpointDown:
                raise
            except Refused as error:
                if len(call.indices) > 1 and not isinstance(error, KeyRefused):
                    todo += self._parted(call, taken)
                    continue
                # A first part that is refused alone speaks for all.
                values = {index: error for part in (call, *([] if taken else todo)) for index in part.indices}
                todo = todo if taken else []
            except EndpointError as error:
                self.failed += [(key, index, error) for index in call.indices]
                continue
            else:
                taken = True
                for failure in self.failed:
                    self._take(*failure)
                self.failed.clear()
                missing = [index for index in call.indices if index not in values]
                if missing and len(call.indices) == 1:
                    values, missing = {missing[0]: Unreadable("the server sent no choice")}, []
                todo += [call._replace(indices=(index,)) for index in missing]
            for index, value in values.items():
                self._take(key, index, value)

    async def _asked(self, call: Call) -> Values:
        match call:
            case SampleCall():
                return await self._drawn(call)
            case ScoreCall():
                return await self._scored(call)
            case EmbedCall():
                raise KeyRefused("a server gives no hidden states")

    def _parted(self, call: Call, taken: bool) -> list[Call]:
        """A refused group in parts, the first to be asked last in the list.

        One part alone first: it tells whether the server refuses the text or how many are asked for at once.
        """
        size = 1
        if taken:
            size = 1 << (len(call.indices) - 1).bit_length() - 1
            if isinstance(call, SampleCall):
                self._most = min(self._most, size)
        first, rest = call.indices[:size], call.indices[size:]
        return [call._replace(indices=rest), call._replace(indices=first)]

    async def _drawn(self, call: SampleCall) -> Values:
        count = len(call.indices)
        dialect = self._can.dialect
        reply = await self._transport.post(path(call), dialect.draw(call, call.indices[0], count))
        found = generations(reply, count, call.sampling.stop, dialect.short)
        return {call.indices[place]: value for place, value in found.items()}

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

"""Several servers of one model: each takes the next request as it has room; a dead one's are asked of the others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from profiler.endpoints import fingerprint as canary
from profiler.endpoints.engine import Call, Engine, Take, Value
from profiler.errors import EndpointDown, EndpointError, Refused, WeightsChanged
from profiler.http import LISTENER
from profiler.records import Capabilities, Fingerprint

AHEAD = 32
"""Calls that are read before a server has room for them."""


class Replicas:
    """Engines that answer alike; which of them draws an answer decides nothing of it."""

    def __init__(self, engines: Sequence[Engine], names: Sequence[str]) -> None:
        self._names = dict(zip(engines, names, strict=True))
        self._alive = [*engines]
        self._met: Fingerprint | None = None

    async def capabilities(self) -> Capabilities:
        await self.fingerprint()
        return await self._alive[0].capabilities()

    async def fingerprint(self) -> Fingerprint:
        """What stands behind all that are there; an error where that is not one model."""
        if self._met:
            return self._met
        found = await asyncio.gather(*(engine.fingerprint() for engine in self._alive), return_exceptions=True)
        for engine, one in zip(tuple(self._alive), found, strict=True):
            if isinstance(one, EndpointError) and len(self._alive) > 1:
                self._alive.remove(engine)
                if tell := LISTENER.get():
                    tell(f"{self._names[engine]} is left out: {one}")
            elif isinstance(one, BaseException):
                raise one
            elif self._met is None:
                self._met = one
            elif not canary.agree(self._met, one):
                first = self._names[self._alive[0]]
                raise WeightsChanged(f"{self._names[engine]} and {first} are not the same model: leave one of them out")
        if self._met is None:
            raise EndpointDown(f"none of {', '.join(self._names.values())} is there")
        return self._met

    async def perform(self, calls: AsyncIterable[tuple[int, Call]], take: Take) -> None:
        """Carry out calls; raises EndpointDown once no server is left."""
        await self.fingerprint()
        share = Share(take, self._alive)
        # Read in a task of its own: a server that is given up would break off the reading.
        reading = asyncio.create_task(share.read(calls))
        try:
            await share.all_served()
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def close(self) -> None:
        for engine in self._names:
            await engine.close()


class Left(NamedTuple):
    """A part of a call that a server could not answer, who was asked for it, and what the last of them said."""

    key: int
    call: Call
    tried: tuple[Engine, ...]
    error: EndpointError


@dataclass
class Share:
    """The work of one `perform`, shared by the servers that live."""

    take: Take
    alive: list[Engine]
    fresh: deque[tuple[int, Call]] = field(default_factory=deque)
    again: list[Left] = field(default_factory=list)
    asked: dict[tuple[Engine, int, int], tuple[Call, tuple[Engine, ...]]] = field(default_factory=dict)
    """Server, key and index of what is being asked → its call, and who was asked for it."""
    whole: bool = False
    """Everything is read."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self, calls: AsyncIterable[tuple[int, Call]]) -> None:
        try:
            async for pair in calls:
                async with self.changed:
                    await self.changed.wait_for(lambda: len(self.fresh) < AHEAD)
                    self.fresh.append(pair)
                    self.changed.notify_all()
        finally:
            self.whole = True
            async with self.changed:
                self.changed.notify_all()

    async def all_served(self) -> None:
        """Until every call was answered, or nobody is left to ask for it."""
        while True:
            work = [asyncio.create_task(self.served(engine)) for engine in self.alive]
            try:
                await asyncio.gather(*work)
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
            if not self.unsettled():
                return

    async def served(self, engine: Engine) -> None:
        """Have one server do what it has room for, until nothing is left or it is gone."""

        def took(key: int, index: int, value: Value | EndpointError) -> None:
            call, tried = self.asked.pop((engine, key, index))
            # What one could not answer, another may; what it refused was not its fault.
            if isinstance(value, EndpointError) and not isinstance(value, Refused):
                self.again.append(Left(key, call._replace(indices=(index,)), tried, value))
            else:
                self.take(key, index, value)

        try:
            await engine.perform(self._next(engine), took)
        except EndpointDown as error:
            if len(self.alive) == 1:
                raise
            self.alive.remove(engine)
            for one, key, index in [*self.asked]:
                if one is engine:
                    took(key, index, error)

    async def _next(self, engine: Engine) -> AsyncGenerator[tuple[int, Call], None]:
        while True:
            async with self.changed:
                await self.changed.wait_for(lambda: self.fresh or self.whole or self._left(engine))
                if one := self._left(engine):
                    self.again.remove(one)
                    key, call, tried = one.key, one.call, (*one.tried, engine)
                elif self.fresh:
                    (key, call), tried = self.fresh.popleft(), (engine,)
                else:
                    return
                self.asked |= {(engine, key, index): (call, tried) for index in call.indices}
                self.changed.notify_all()
            yield key, call

    def _left(self, engine: Engine) -> Left | None:
        return next((one for one in self.again if engine not in one.tried), None)

    def unsettled(self) -> bool:
        """Hand on the failures of what nobody is left to ask for; says whether there is more to do."""
        over = [one for one in self.again if all(engine in one.tried for engine in self.alive)]
        for one in over:
            self.again.remove(one)
            self.take(one.key, one.call.indices[0], one.error)
        return bool(self.again)

"""What the engine in this process answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from profiler.endpoints.engine import Call
from profiler.endpoints.local.engine import LocalEngine


async def each(calls: Iterable[Call]) -> AsyncIterator[tuple[int, Call]]:
    for keyed in enumerate(calls):
        yield keyed


async def answered(engine: LocalEngine, *calls: Call) -> dict[tuple[int, int], object]:
    """Every part's value by call and index."""
    found: dict[tuple[int, int], object] = {}

    def take(key: int, index: int, value: object) -> None:
        assert (key, index) not in found
        found[key, index] = value

    await engine.perform(each(calls), take)
    return found

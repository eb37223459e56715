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
    parts = [part async for part in engine.perform(each(calls))]
    assert len({(part.key, part.index) for part in parts}) == len(parts)
    return {(part.key, part.index): part.value for part in parts}

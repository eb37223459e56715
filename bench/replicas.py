"""Servers of one model that take 100 ms: two against one, and one of two that is three times slower."""

import asyncio
import time
from contextlib import AsyncExitStack

from profiler.endpoints import Generate, connect
from profiler.records import Endpoint, Sampling
from tests.support.wire import Script, serving

PROMPTS = 200
ROUNDS = 4
"""The best of them counts."""
FLIGHT = 2
"""Requests in flight at a server."""


async def seconds(*latencies: float) -> float:
    """What so many prompts take, of servers with these latencies."""
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(serving(Script(latency=latency))) for latency in latencies]
        endpoint = Endpoint(model="wire", url=wires[0].url, replicas=tuple(wire.url for wire in wires[1:]))
        drawn = Sampling(temperature=1.0, max_tokens=8)
        client = await stack.enter_async_context(connect(endpoint, None, concurrency=FLIGHT))
        await client.fingerprint()
        begun = time.monotonic()
        wanted = ((number, Generate(f"question {number}", drawn)) for number in range(PROMPTS))
        assert all([answer.error is None async for _, answer in client.answer(wanted)])
        return time.monotonic() - begun


async def main() -> None:
    rounds = [[await seconds(*latencies) for latencies in ((0.1,), (0.1, 0.1), (0.1, 0.3))] for _ in range(ROUNDS)]
    one, two, uneven = map(min, zip(*rounds, strict=True))
    print(f"one server: {one:.1f} s for {PROMPTS} prompts, {FLIGHT} in flight")
    print(f"two: {two:.1f} s, {one / two:.2f} times as fast (at least 1.90)")
    print(f"one, and one three times slower: {uneven:.1f} s, {one / uneven:.2f} times as fast (their shares: 1.33)")


if __name__ == "__main__":
    asyncio.run(main())

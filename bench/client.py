"""How much of a server's speed the client lets through: against 100 ms of latency, and against none.

The server is a process of its own that answers every request with the same 180 words; each
way of asking takes its turn, and the best of several rounds counts, since what else runs on the machine only adds.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from profiler.endpoints import Generate, connect
from profiler.records import Endpoint, Sampling

FLIGHT = 64
LATENCY = 0.1
SAMPLING = Sampling(temperature=1.0, max_tokens=256)
TEXT = " ".join(["word"] * 180)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
COUNT = re.compile(rb'"n": ?(\d+)')


Way = Callable[[str, int], Awaitable[float]]


@cache
def reply(count: int) -> bytes:
    """So many answers in one reply; the first is TEXT."""
    words = [TEXT, *(f"{TEXT} {index}" for index in range(1, count))]
    choices = [{"index": i, "text": text, "finish_reason": "stop", "logprobs": None} for i, text in enumerate(words)]
    usage = {"prompt_tokens": 20, "completion_tokens": 180 * count, "total_tokens": 20 + 180 * count}
    said = {"id": "cmpl-0", "object": "text_completion", "created": 0, "model": "bench"}
    body = json.dumps({**said, "choices": choices, "usage": usage}).encode()
    return HEAD % len(body) + body


class Server(asyncio.Protocol):
    """HTTP/1.1 with nothing in it: reads a request to its end, waits, sends the reply."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            head = self.read[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
            if len(self.read) < end + 4 + length:
                return
            asked = COUNT.search(self.read, end, end + 4 + length)
            self.read = self.read[end + 4 + length :]
            asyncio.get_running_loop().call_later(self.latency, self.reply, int(asked[1]) if asked else 1)

    def reply(self, count: int) -> None:
        if not self.transport.is_closing():
            self.transport.write(reply(count))


async def serve(latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Server(latency), "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()


@asynccontextmanager
async def served(latency: float) -> AsyncIterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "bench.client", "serve", str(latency)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.terminate()
        process.wait()


def body(number: int) -> dict[str, object]:
    """What our client sends for the same request."""
    sampling = {"max_tokens": SAMPLING.max_tokens, "temperature": 1.0, "top_p": 1.0, "seed": 0}
    return {"model": "bench", "prompt": f"Question {number}: what is it?", **sampling}


async def bounded(count: int, ask: Callable[[int], Awaitable[object]]) -> float:
    """Requests a second of the barest loop: so many workers, a shared counter."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await ask(number)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(FLIGHT)))
    return count / (time.perf_counter() - started)


async def aiohttp_alone(url: str, count: int) -> float:
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def ask(number: int) -> None:
            async with session.post(url + "/completions", json=body(number)) as response:
                json.loads(await response.read())["choices"][0]["text"]

        return await bounded(count, ask)


async def openai_typed(url: str, count: int) -> float:
    import openai

    async with openai.AsyncOpenAI(base_url=url, api_key="EMPTY", http_client=openai.DefaultAioHttpClient()) as client:
        return await bounded(count, lambda number: client.completions.create(**body(number)))  # type: ignore[call-overload]


async def openai_untyped(url: str, count: int) -> float:
    import openai

    async with openai.AsyncOpenAI(base_url=url, api_key="EMPTY", http_client=openai.DefaultAioHttpClient()) as client:

        async def ask(number: int) -> None:
            json.loads(await client.post("/completions", body=body(number), cast_to=str))["choices"][0]["text"]

        return await bounded(count, ask)


async def ours(url: str, count: int) -> float:
    """With everything: capabilities known, each answer looked up, asked, journaled and committed."""
    with tempfile.TemporaryDirectory() as folder:
        async with connect(Endpoint(model="bench", url=url), Path(folder) / "cache", concurrency=FLIGHT) as client:
            await client.fingerprint()
            asked = ((n, Generate(f"Question {n}: what is it?", SAMPLING)) for n in range(count))
            started = time.perf_counter()
            good = [answer.error is None async for _, answer in client.answer(asked)]
            seconds = time.perf_counter() - started
    assert sum(good) == count
    return count / seconds


WAYS: dict[str, Way] = {
    "aiohttp, bare loop": aiohttp_alone,
    "official client, bare loop": openai_typed,
    "official client without its types": openai_untyped,
    "ours, everything included": ours,
}


async def best(url: str, count: int, rounds: int) -> dict[str, float]:
    """Requests a second of each way, the ways taking turns."""
    found = dict.fromkeys(WAYS, 0.0)
    for _ in range(rounds):
        for name, way in WAYS.items():
            found[name] = max(found[name], await way(url, count))
    return found


async def alone(url: str) -> float:
    """Seconds that a request takes with nothing else in flight: what the server really waits, timers included."""
    import aiohttp

    taken: list[float] = []
    async with aiohttp.ClientSession() as session:
        for number in range(15):
            started = time.perf_counter()
            async with session.post(url + "/completions", json=body(number)) as response:
                await response.read()
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


async def main() -> None:
    async with served(LATENCY) as url:
        lone = await alone(url)
        slow = await best(url, 60 * FLIGHT, rounds=2)
    async with served(0.0) as url:
        fast = await best(url, 2000, rounds=8)
    nominal, possible, mine = FLIGHT / LATENCY, FLIGHT / lone, fast["ours, everything included"]
    lines = [
        f"{FLIGHT} requests in flight, answers of 180 words; requests a second, the best of several rounds. The server "
        f"is told to wait {LATENCY * 1000:.0f} ms; a request alone takes {lone * 1000:.1f} ms.",
        "",
        f"| | at {LATENCY * 1000:.0f} ms | of {nominal:.0f} | of {possible:.0f} | answered at once | ours to it |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {name} | {slow[name]:.0f} | {slow[name] / nominal:.1%} | {slow[name] / possible:.1%} "
            f"| {fast[name]:.0f} | {mine / fast[name]:.0%} |"
            for name in WAYS
        ),
        "",
        f"Load average while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[2])) if sys.argv[1:2] == ["serve"] else main())

"""How much of a server's speed `inherit sample` lets through: 64 requests in flight, each answered after 100 ms.

    python -m bench.sampling

The server is that of bench.client. What is timed is all of sampling: finding out what the server can do, asking,
journaling, and sealing every block to Parquet.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.client import FLIGHT, LATENCY, alone, served
from selection import Pool, SampleOptions, sample

COUNT = 200 * FLIGHT
"""Prompts: some twenty seconds at the ideal rate."""


class Took(NamedTuple):
    """What sampling took."""

    seconds: float
    processor: float
    """Seconds that this process computed."""


async def sampled(url: str, k: int, folder: Path, count: int = COUNT) -> Took:
    file = folder / "prompts.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"Question {n}: what is it?"}) + "\n" for n in range(count)), "utf-8")
    spec = SampleOptions(
        teachers=(f"bench@{url}",),
        prompts=str(file),
        out=str(folder / "pool"),
        k=k,
        max_tokens=256,
        concurrency=FLIGHT,
    )
    used = processor()
    start = time.perf_counter()
    async for shares in sample(spec):
        (share,) = shares
    took = Took(time.perf_counter() - start, processor() - used)
    pool = Pool(folder / "pool")
    assert share.failed == 0
    assert sum(pool.size(segment) for segment in pool.segments()) == count * k
    return took


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    nominal = FLIGHT / LATENCY
    async with served(LATENCY) as url:
        possible = FLIGHT / await alone(url)
        print(f"{FLIGHT} requests in flight, {LATENCY * 1000:.0f} ms each, answers of 180 words; {COUNT:,} prompts.")
        print("The start, which finds out what the server can do, is one prompt alone; rates are without it.\n")
        print(f"| answers a prompt | s | start | prompts/s | of {nominal:.0f} | of {possible:.0f} | processor |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
        for k in (1, 10):
            with tempfile.TemporaryDirectory() as folder:
                took = await sampled(url, k, Path(folder))
            with tempfile.TemporaryDirectory() as folder:
                start = (await sampled(url, k, Path(folder), 1)).seconds
            rate = (COUNT - 1) / (took.seconds - start)
            print(
                f"| {k} | {took.seconds:.1f} | {start:.1f} | {rate:.0f} | {rate / nominal:.1%} | {rate / possible:.1%} "
                f"| {took.processor / took.seconds:.0%} |"
            )
    print(f"\nA request alone takes {1000 * FLIGHT / possible:.1f} ms: the last column but one is compared with that.")
    sys.stdout.write(f"Load average while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")


if __name__ == "__main__":
    asyncio.run(main())

"""The demo model in this process, in float32: what engines in bfloat16 round. `python -m bench.exact PROBE ITEMS`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from profiler import probes
from profiler.endpoints import Cache, Client, LocalEngine
from profiler.probes import ProbeOptions
from profiler.records import Endpoint
from profiler.runs.run import run


async def main(name: str, limit: int, out: Path) -> None:
    probe = probes.get(name).build(ProbeOptions(limit=limit))
    endpoint = Endpoint(model="demo")
    engine = LocalEngine(endpoint, precision="float32")
    async with Client(engine, Cache(out / "cache.sqlite"), endpoint) as client:
        async for _ in run(client, [probe], endpoint, out):
            pass


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path("runs")))

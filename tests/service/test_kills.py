"""kill -9 of the service and of a job's process at random moments: nothing is lost, run twice or paid twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from profiler.service.queue import Queue
from tests.support.killing import ROOT, asked_again
from tests.support.process import running
from tests.support.wire import Script, Wire, serving

pytestmark = pytest.mark.slow
UI = ("-c", "from profiler.cli import main; main()", "ui", "--port", "0", "--no-browser", "--out")


async def started(out: Path) -> tuple[asyncio.subprocess.Process, str]:
    service = await asyncio.create_subprocess_exec(
        sys.executable, *UI, str(out), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout
    return service, (await service.stdout.readline()).decode().strip()


async def child_of(service: int) -> int:
    """The process that does a job."""
    while True:
        for place in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if int(place.read_text().rpartition(")")[2].split()[1]) == service:
                    return int(place.parent.name)
        await asyncio.sleep(0.05)


async def answered(wire: Wire, rng: random.Random) -> float:
    """Wait for some more answers; when that was."""
    until = len(wire.sent) + rng.randint(4, 10)
    while len(wire.sent) < until:
        await asyncio.sleep(0.01)
    return time.time()


@pytest.mark.parametrize("seed", [1])
async def test_a_job_outlives_its_service_and_its_process(tmp_path: Path, seed: int) -> None:
    rng, kills = random.Random(seed), []
    async with serving(Script(latency=0.1)) as wire:
        service, address = await started(tmp_path)
        told = {"model": "wire", "url": wire.url, "suite": "mini", "probes": ["bbq"], "limit": 100, "concurrency": 2}
        async with httpx.AsyncClient(timeout=60) as client:
            made = (await client.post(f"{address}/api/jobs/profile", json=told)).json()
            for victim in ("service", "process", "service"):
                await answered(wire, rng)
                child = await child_of(service.pid)
                os.kill(service.pid if victim == "service" else child, signal.SIGKILL)
                kills.append(time.time())
                if victim == "service":
                    await service.wait()
                    service, address = await started(tmp_path)
                    while running(child):  # it ends with its worker
                        await asyncio.sleep(0.05)
            while (job := (await client.get(f"{address}/api/jobs/{made['id']}")).json())["state"] != "done":
                assert job["state"] in ("queued", "running", "interrupted"), job
                await asyncio.sleep(0.1)
        service.terminate()
        await service.wait()
        assert job["turn"] == 4
        assert [path.parent.name for path in tmp_path.glob("*/profile.json")] == [job["result"]]
        assert len(wire.units("Question:")) >= 100
        assert asked_again(wire, kills, "Question:") == []
        assert Queue(None, tmp_path).counts()["done"] == 1

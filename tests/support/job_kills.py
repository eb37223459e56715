"""Jobs of a real service, of which the service, a job's process or a worker is killed at random moments."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx

from tests.support.killing import COMMAND, ROOT, asked_again
from tests.support.process import running
from tests.support.wire import Script, Wire, serving

Victim = Literal["service", "process", "worker"]
JOBS = 3
ITEMS = 60
"""Questions of a job."""


class Outcome(NamedTuple):
    """What became of the jobs."""

    kills: int
    units: int
    """Answers of the server."""
    different: int
    """How many of them differ."""
    again: int
    """Answers that it gave again, though they had been received well before any kill."""
    states: list[str]
    """Of every job at the end."""
    runs: int
    """Profiles that were left."""
    turns: int
    """How often jobs were taken up, all together."""


async def started(*words: str, out: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A process of ours and the first line that it writes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *COMMAND, *words, "--out", str(out), cwd=ROOT, stdout=-1, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout
    return process, (await process.stdout.readline()).decode().strip() if words[0] == "ui" else ""


def child_of(parent: int) -> int | None:
    """The process that does a job, where one does."""
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            if int(place.read_text().rpartition(")")[2].split()[1]) == parent:
                return int(place.parent.name)
    return None


async def some_answers(wire: Wire, rng: random.Random) -> None:
    """Wait for a few more answers, and a moment longer."""
    until = len(wire.sent) + rng.randint(1, 12)
    while len(wire.sent) < until:
        await asyncio.sleep(0.01)
    await asyncio.sleep(rng.uniform(0, 0.2))


async def killed_jobs(victim: Victim, most: int, out: Path, rng: random.Random) -> Outcome:
    """Submit a few profiles, and kill VICTIM up to so many times before they are done."""
    ui = ("ui", "--port", "0", "--no-browser", *(("--jobs", "0") if victim == "worker" else ()))
    async with serving(Script(latency=0.05)) as wire, httpx.AsyncClient(timeout=60) as client:
        service, address = await started(*ui, out=out)
        doing = (await started("worker", out=out))[0] if victim == "worker" else service
        made, kills = [], []
        for number in range(JOBS):
            asked = "".join(json.dumps({"prompt": f"question {i} of job {number}"}) + "\n" for i in range(ITEMS))
            (out / f"asked-{number}.jsonl").write_text(asked, "utf-8")
            told = {"model": "wire", "url": wire.url, "probes": ["attributes"], "prompts": f"asked-{number}.jsonl"}
            told |= {"samples": 1, "max_tokens": 8, "concurrency": 2, "name": f"job {number}"}
            made.append((await client.post(f"{address}/api/jobs/profile", json=told)).json()["id"])

        async def jobs() -> list[dict[str, Any]]:
            return [(await client.get(f"{address}/api/jobs/{id}")).json() for id in made]

        try:
            while len(kills) < most and not all(job["state"] == "done" for job in await jobs()):
                with suppress(TimeoutError):
                    await asyncio.wait_for(some_answers(wire, rng), 30)
                child = child_of(doing.pid)
                if victim == "process" and child is None:
                    continue
                os.kill(child if victim == "process" and child else doing.pid, signal.SIGKILL)
                kills.append(time.time())
                if victim != "process":
                    await doing.wait()
                    if victim == "service":
                        service, address = await started(*ui, out=out)
                    doing = service if victim == "service" else (await started("worker", out=out))[0]
                    while child and running(child):  # it ends with its worker
                        await asyncio.sleep(0.05)
                states = {job["state"] for job in await jobs()}
                assert states <= {"queued", "running", "interrupted", "done"}, states
            while any(one["state"] in ("queued", "running", "interrupted") for one in await jobs()):
                await asyncio.sleep(0.2)
            ended = await jobs()
        finally:
            for process in {service, doing}:
                if process.returncode is None:
                    process.terminate()
                    await process.wait()
        return Outcome(
            len(kills),
            len(wire.units("question")),
            len({*wire.units("question")}),
            len(asked_again(wire, kills, "question")),
            [job["state"] for job in ended],
            len([*out.glob("*/profile.json")]),
            sum(job["turn"] for job in ended),
        )

"""Many who look at the service at once: readers of its pages, and watchers of a job."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import orjson

READERS = 50
WATCHERS = 64


class Took(NamedTuple):
    """Seconds of one request."""

    first: float
    """Until the first byte of the answer."""
    whole: float


def read(place: str, pages: Sequence[str], readers: int = READERS) -> list[Took]:
    """How long each of PAGES took, read by so many at once, each on a connection of its own."""

    async def all_of_them() -> list[Took]:
        parts = [pages[reader::readers] for reader in range(readers)]
        return [took for found in await asyncio.gather(*(_reader(place, part) for part in parts)) for took in found]

    return asyncio.run(all_of_them())


async def _reader(place: str, pages: Sequence[str]) -> list[Took]:
    reader, writer = await asyncio.open_connection(*place.split(":"))
    found = []
    for page in pages:
        start = time.perf_counter()
        writer.write(f"GET {page} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        first = time.perf_counter() - start
        assert head.startswith(b"http/1.1 200"), (page, head)
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        found.append(Took(first, time.perf_counter() - start))
    writer.close()
    return found


async def _watch(place: str, job: str, watchers: int) -> int:
    """Bytes that so many watchers of a job were told, until it was over."""

    async def one() -> int:
        reader, writer = await asyncio.open_connection(*place.split(":"))
        asked = f"GET /api/jobs/{job}/events HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n"
        writer.write(asked.encode())
        told = len(await reader.read(-1))
        writer.close()
        return told

    return sum(await asyncio.gather(*(one() for _ in range(watchers))))


class JobTook(NamedTuple):
    """What a job took."""

    seconds: float
    service: float
    """Seconds of processor that the service used meanwhile, which is not the job's process."""
    told: int
    """Bytes that its watchers were told."""


def sampled(place: str, pid: int, out: Path, url: str, seed: int, watchers: int, prompts: int = 3200) -> JobTook:
    """A job that asks a server of bench.client, and so many who watch it."""
    file = out / "prompts.jsonl"
    file.write_bytes(b"".join(orjson.dumps({"prompt": f"Question {n}: what is it?"}) + b"\n" for n in range(prompts)))
    told = {
        "teachers": [f"bench@{url}"],
        "prompts": str(file),
        "out": f"pool-{seed}",
        "k": 1,
        "temperature": 0,
        "max_tokens": 256,
    }
    before = _processor(pid)
    job = _api(place, "POST", "/api/jobs/sample", orjson.dumps(told | {"seed": seed}))["id"]
    with _watched(place, job, watchers) as watching:
        while (found := _api(place, "GET", f"/api/jobs/{job}"))["state"] in ("queued", "running"):
            time.sleep(1)
        assert found["state"] == "done", found
        bytes_told = int(watching.communicate()[0]) if watching else 0
    began, ended = (datetime.fromisoformat(found[name]) for name in ("started", "ended"))
    return JobTook((ended - began).total_seconds(), _processor(pid) - before, bytes_told)


@contextlib.contextmanager
def _watched(place: str, job: str, watchers: int) -> Iterator[subprocess.Popen[bytes] | None]:
    if not watchers:
        yield None
        return
    command = [sys.executable, "-m", "bench.crowd", place, job, str(watchers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        yield process


def _api(place: str, method: str, path: str, body: bytes | None = None) -> dict[str, str]:
    line = http.client.HTTPConnection(place, timeout=60)
    line.request(method, path, body, {"content-type": "application/json"})
    answer = line.getresponse()
    told = answer.read()
    assert answer.status < 300, told
    found: dict[str, str] = orjson.loads(told)
    line.close()
    return found


def _processor(pid: int) -> float:
    """Seconds of processor that a process has used, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(_watch(sys.argv[1], sys.argv[2], int(sys.argv[3])))))

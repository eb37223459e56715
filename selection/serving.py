"""vLLM servers of a teacher's weights: started where there is room, found by what they leave in a folder, stopped."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from profiler.endpoints.vllm import server
from profiler.errors import EndpointDown
from profiler.files import write_whole
from profiler.places import HERE, Processes, Task, place_at, run
from profiler.records import Record
from selection.records import Serving, Teacher

LOOK = 1.0
"""Seconds between two looks of a server at whether it is still wanted, and of whoever asks at which there are."""
BEAT = 5.0
"""Seconds between two signs of whoever asks that it is there."""
SILENT = 60.0
"""Seconds without one, after which a server ends: whoever asked was killed."""
LATE = 60.0
"""Seconds that the others are waited for once one server answers; who comes later joins then."""
RETURN = 300.0
"""Seconds in which a server has to come back where none is left."""


class Served(Record):
    """Where a server is; N.json in the folder."""

    url: str
    since: float
    """When it began to answer: one that was started again is another."""


class Servers(NamedTuple):
    """The servers of a teacher, as they are found in a folder."""

    folder: Path
    wanted: int
    tended: Future[None]
    """Ends with an error where they can't be kept running."""

    def there(self) -> frozenset[Served]:
        return frozenset(Served.model_validate_json(path.read_bytes()) for path in self.folder.glob("[0-9]*.json"))

    async def ready(self, before: frozenset[Served] = frozenset()) -> frozenset[Served]:
        """All of them; where one answers and the others don't for long, those that do. Others than BEFORE."""
        first, given_up = 0.0, time.monotonic() + RETURN
        while True:
            await asyncio.sleep(LOOK)
            if self.tended.done():
                raise EndpointDown(str(self.tended.exception() or "its servers ended"))
            now, found = time.monotonic(), self.there()
            if found and found != before:
                first = first or now
                if len(found) == self.wanted or now - first > LATE:
                    return found
            elif before and now > given_up:
                raise EndpointDown("none of its servers came back")

    async def others(self, than: frozenset[Served]) -> None:
        """Until there is one that was not."""
        while self.there() <= than:
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def served(teacher: Teacher, wanted: Serving, beside: Path) -> AsyncIterator[Servers]:
    """The servers of a teacher, in a folder BESIDE a file that all machines see; stopped at the end."""
    folder = beside.resolve().parent / "serving" / secrets.token_hex(4)
    folder.mkdir(parents=True)
    model = teacher.endpoint.model
    tasks = [
        Task(f"serve {model}", keep_server, (model, wanted.gpus, wanted.on == HERE, str(folder), number), wanted.gpus)
        for number in range(wanted.replicas)
    ]
    place = place_at(wanted.on) or Processes(wanted.replicas, wanted.gpus * wanted.replicas)

    def tend() -> None:
        for _ in run(place, tasks):
            pass

    with ThreadPoolExecutor(1) as thread:
        beating = asyncio.create_task(_beat(folder))
        servers = Servers(folder, wanted.replicas, thread.submit(tend))
        try:
            yield servers
        finally:
            beating.cancel()
            (folder / "stop").touch()
            await asyncio.wait([asyncio.wrap_future(servers.tended)])
            if not servers.tended.exception():  # where it failed, what the servers said is of use
                shutil.rmtree(folder, ignore_errors=True)


async def _beat(folder: Path) -> None:
    while True:
        (folder / "wanted").write_bytes(secrets.token_bytes(8))
        await asyncio.sleep(BEAT)


def keep_server(model: str, gpus: int, alone: bool, folder: str, number: int) -> None:
    """Serve a model as long as somebody wants it, for this machine ALONE or for those that reach it."""
    here = Path(folder)
    plan = server.ServerPlan(server.source(model), model, "127.0.0.1" if alone else _address(), gpus=gpus)
    said = here / f"{number}.txt"

    def tell(words: str) -> None:
        said.write_text(words, "utf-8")

    with server.started(plan, tell, tell, log=here / f"{number}.log") as running:
        sign, heard = b"", time.monotonic()
        _tell_of(here, number, running.url)
        while not (here / "stop").exists() and time.monotonic() - heard < SILENT:
            time.sleep(LOOK)
            if (now := (here / "wanted").read_bytes()) != sign:
                sign, heard = now, time.monotonic()
            if not running.alive():
                running.restart()
                _tell_of(here, number, running.url)


def _tell_of(folder: Path, number: int, url: str) -> None:
    write_whole(folder / f"{number}.json", Served(url=url, since=time.time()).model_dump_json().encode())


def _address() -> str:
    """Where others reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        try:
            outward.connect(("10.255.255.255", 9))  # sends nothing: it asks which way would be taken
        except OSError:
            return "127.0.0.1"
        return str(outward.getsockname()[0])

"""A job with many watchers: each is told everything, and it is looked at once for all of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from profiler.service import ServiceOptions, application, jobs, watching
from profiler.service.queue import Job
from profiler.service.worker import folder_of
from tests.support.service import made_of

WATCHERS = 20


class Watched:
    """A job that nobody does, in a service that is asked without a socket."""

    def __init__(self, out: Path) -> None:
        out.mkdir()
        self.app = application(ServiceOptions(out=out))
        self.job: Job = self.app.state.queue.submit("profile", {"model": "m"}, [], "eva")
        self.path = folder_of(out, self.job.id) / "progress.jsonl"
        self.path.parent.mkdir(parents=True)

    def step(self, done: int) -> None:
        line = {"what": "bbq", "done": done, "total": 9, "words": "", "at": 0.0}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    async def told(self, after: int = 0) -> list[tuple[str, object]]:
        """What a watcher was told, at the end: a step's number, or a state."""
        through = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=through, base_url="http://127.0.0.1") as client:
            headers = {"last-event-id": str(after)}
            said = made_of((await client.get(f"/api/jobs/{self.job.id}/events", headers=headers)).text)
        return [
            (each["event"], each["data"]["done"] if each["event"] == "step" else each["data"]["state"]) for each in said
        ]

    async def seen(self, steps: int) -> None:
        """Wait until somebody has looked and found so many steps."""
        while not (watch := self.app.state.watches.get(self.job.id)) or len(watch._steps) < steps:
            await asyncio.sleep(0.01)


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(watching, "LOOK", 0.05)
    return Watched(tmp_path / "runs")


async def test_many_watchers_of_a_job_are_told_by_one_look(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    whole = jobs.lines

    def counted(path: Path, place: int = 0, number: int = 0) -> tuple[list[tuple[int, jobs.JobStep]], int, int]:
        looks.append(number)
        return whole(path, place, number)

    monkeypatch.setattr(jobs, "lines", counted)
    watched.step(1)
    early = [asyncio.create_task(watched.told()) for _ in range(WATCHERS)]
    await watched.seen(1)
    watched.step(2)
    await watched.seen(2)
    late = asyncio.create_task(watched.told(after=1))
    while watched.app.state.watches[watched.job.id].watchers <= WATCHERS:
        await asyncio.sleep(0.01)
    watched.step(3)
    before = len(looks)
    await asyncio.sleep(0.5)
    assert len(looks) - before <= 11
    watched.app.state.queue.cancel(watched.job.id)
    for first, told in ((1, await asyncio.gather(*early)), (2, [await late])):
        for each in told:  # a step may come before the first state is looked up
            assert [number for kind, number in each if kind == "step"] == [*range(first, 4)]
            assert [state for kind, state in each if kind == "state"] == ["queued", "cancelled"]
            assert each[-1] == ("state", "cancelled")
    assert watched.app.state.watches == {}


async def test_who_goes_away_is_no_longer_looked_for(watched: Watched) -> None:
    watcher = asyncio.create_task(watched.told())
    await watched.seen(0)
    watch = watched.app.state.watches[watched.job.id]
    watcher.cancel()
    await asyncio.gather(watcher, watch.task, return_exceptions=True)
    assert watch.task.cancelled()
    assert watched.app.state.watches == {}


async def test_a_job_that_is_resumed_is_watched_anew(watched: Watched) -> None:
    watched.app.state.queue.cancel(watched.job.id)
    assert await watched.told() == [("state", "cancelled")]
    watched.app.state.queue.resume(watched.job.id)
    watched.step(1)
    again = asyncio.create_task(watched.told())
    await watched.seen(1)
    watched.app.state.queue.cancel(watched.job.id)
    assert await again == [("step", 1), ("state", "queued"), ("state", "cancelled")]

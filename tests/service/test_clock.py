"""The clock is set forward or back an hour in the middle: nothing that waits, stands in order or is held minds."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from profiler.http import retry_after
from profiler.service.index import Index
from profiler.service.queue import LEASE, Queue
from tests.support.command import asked, inherit
from tests.support.wire import Script, Wire, serving

HOUR = 3600.0
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])


class Clock:
    """What the machine says that the time is, and the one that nobody can set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off, self.passed = 0.0, 0.0
        plain, steady = time.time, time.monotonic
        monkeypatch.setattr(time, "time", lambda: plain() + self.off)
        monkeypatch.setattr(time, "monotonic", lambda: steady() + self.passed)
        clock = self

        class Set(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + timedelta(seconds=clock.off)

        for module in ("profiler.runs.run", "profiler.service.queue", "profiler.endpoints.cache"):
            monkeypatch.setattr(f"{module}.datetime", Set)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def jumped(wire: Wire, clock: Clock, jump: float, *words: str | Path) -> None:
    """A command in the middle of which the clock is set."""
    running = asyncio.create_task(inherit(*words))
    while len(wire.units("question")) < 3:
        await asyncio.sleep(0.01)
    clock.off += jump
    done = await asyncio.wait_for(running, 60)
    assert done.code == 0, done


@pytest.mark.slow
@JUMPS
async def test_a_profile_is_timed_and_found_as_latest_whatever_the_clock_says(
    jump: float, clock: Clock, tmp_path: Path
) -> None:
    words = ("profile", "wire", "-p", "attributes", "--prompts", asked(tmp_path), "-o", tmp_path / "runs")
    async with serving(Script(latency=0.03)) as wire:
        told = (*words, "--url", wire.url, "--concurrency", "1")
        await jumped(wire, clock, jump, *told, "--name", "first")
        assert (await inherit(*told, "--name", "second", "--max-tokens", "7")).code == 0
    shown = await inherit("show", "latest", "--out", tmp_path / "runs", "--json")
    assert orjson.loads(shown.out)["name"] == "second"
    rows = orjson.loads((await inherit("ls", "--out", tmp_path / "runs", "--json")).out)
    assert [row["name"] for row in rows] == ["second", "first"]
    profiles = [orjson.loads(path.read_bytes()) for path in (tmp_path / "runs").glob("*/profile.json")]
    assert all(0 < profile["seconds"] < 60 for profile in profiles)


@pytest.mark.slow
@JUMPS
async def test_candidates_are_drawn_whatever_the_clock_says(jump: float, clock: Clock, tmp_path: Path) -> None:
    async with serving(Script(latency=0.03)) as wire:
        words = ("sample", f"wire@{wire.url}", "--prompts", asked(tmp_path), "-k", "2", "--out", tmp_path / "pool")
        await jumped(wire, clock, jump, *words, "--concurrency", "1")
        units = wire.units("question")
        assert (await inherit(*words)).code == 0
        assert wire.units("question") == units, "all of it is there"


@JUMPS
def test_a_worker_keeps_its_jobs_while_it_lives_and_loses_them_when_it_does_not(
    jump: float, clock: Clock, tmp_path: Path
) -> None:
    lives, looks = Queue(None, tmp_path), Queue(None, tmp_path)
    made = lives.submit("profile", {}, [], "me")
    assert lives.take("first")
    assert looks.take("second") is None
    clock.off += jump
    for _ in range(3):
        clock.passed += LEASE / 2
        assert [*lives.beat("first")] == [made.id]
        assert looks.take("second") is None
    clock.passed += LEASE + 1
    taken = looks.take("second")
    assert taken
    assert (taken.id, taken.turn) == (made.id, 2)
    assert lives.beat("first") == {}
    lives.close()
    looks.close()


@JUMPS
def test_jobs_are_taken_in_the_order_in_which_they_came(jump: float, clock: Clock, tmp_path: Path) -> None:
    jobs = Queue(None, tmp_path)
    made = [jobs.submit("profile", {}, [], "me").id]
    clock.off += jump
    made += [jobs.submit("profile", {}, [], "me").id for _ in range(2)]
    assert [job.id for job in jobs.jobs()] == made[::-1]
    taken = [jobs.take("w") for _ in made]
    assert [job.id for job in taken if job] == made
    jobs.close()


@JUMPS
def test_what_was_worked_out_last_is_kept(jump: float, clock: Clock, tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.entries("run")
    for number in range(100):
        clock.off += jump * (number == 50)
        index.keep(str(number), b"found")
        assert index.kept(str(number)) == b"found"


@JUMPS
def test_a_date_to_wait_for_is_held_against_the_clock_of_who_says_it(jump: float, clock: Clock) -> None:
    now = datetime.now(UTC) + timedelta(seconds=jump)
    said = {"Date": now, "Retry-After": now + timedelta(seconds=7)}
    assert retry_after({name: f"{moment:%a, %d %b %Y %H:%M:%S GMT}" for name, moment in said.items()}) == 7

"""kill -9 of the service, of a job's process and of a worker: nothing is lost, run twice or paid twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from profiler.service.queue import Queue
from tests.support.job_kills import ITEMS, JOBS, Victim, killed_jobs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("victim", ["service", "process", "worker"])
async def test_jobs_outlive_whoever_does_them(victim: Victim, tmp_path: Path) -> None:
    found = await killed_jobs(victim, 2, tmp_path, random.Random(1))
    assert found.kills == 2
    assert found.states == ["done"] * JOBS
    assert found.runs == JOBS
    assert found.again == 0
    assert found.units == JOBS * ITEMS
    assert JOBS <= found.turns <= JOBS + found.kills
    assert Queue(None, tmp_path).counts()["done"] == JOBS

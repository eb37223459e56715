"""One policy says when a server is asked again: for downloads, scorers and models."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from profiler import http
from profiler.http import Failed, Retry


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waited


class Work:
    """Fails as it is told, then gives 7."""

    def __init__(self, *failures: Failed) -> None:
        self.failures = [*failures]

    async def __call__(self) -> int:
        if self.failures:
            raise self.failures.pop(0)
        return 7


def test_each_wait_is_longer_up_to_the_longest(waits):
    work = Work(*(Failed("broke") for _ in range(5)))
    assert http.wait(Retry(tries=6, first=1, factor=3, longest=20).persist(work)) == 7
    assert waits == [1, 3, 9, 20, 20]


def test_a_server_that_names_a_time_is_waited_for_but_not_for_ever(waits):
    work = Work(Failed("503", 503, wait=5), Failed("429", 429, wait=3600), Failed("503", 503, wait=0.1))
    assert http.wait(Retry(first=1, longest=10).persist(work)) == 7
    assert waits == [5, 10, 4]


@pytest.mark.parametrize("status", [400, 401, 404])
def test_an_answer_that_stays_the_same_is_not_asked_for_again(waits, status):
    with pytest.raises(Failed, match="no"):
        http.wait(Retry().persist(Work(Failed("no", status))))
    assert waits == []


def test_patience_ends(waits):
    with pytest.raises(Failed, match="third"):
        http.wait(Retry(tries=3).persist(Work(Failed("first"), Failed("second"), Failed("third"))))
    assert len(waits) == 2


async def test_plain_code_is_served_where_a_loop_runs():
    assert http.wait(Work()()) == 7


def test_nobody_waits_for_aiohttp_who_asks_no_server():
    rooms = "profiler.cli, profiler.datasets, profiler.endpoints.vllm.server, profiler.metrics.toxicity.perspective"
    code = f"import sys, {rooms}; "
    code += "print(*sorted({'aiohttp', 'filelock', 'platformdirs'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

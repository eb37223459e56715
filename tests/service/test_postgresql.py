"""The queue in PostgreSQL, a real one that is started here, with several workers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiler.service.queue import Queue
from tests.support.killing import ROOT
from tests.support.process import free

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BIN is None, reason="PostgreSQL is not installed: apt-get install postgresql"),
]


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert BIN
    place, port = Path("/tmp") / f"inherit-pg-{os.getpid()}", free()  # a socket's path is short
    place.mkdir(mode=0o700)
    root = os.getuid() == 0  # PostgreSQL does not run as root
    if root:
        shutil.chown(place, "postgres", "postgres")
    user = ["runuser", "-u", "postgres", "--"] if root else []

    def run(*words: str) -> None:
        subprocess.run([*user, *words], check=True, capture_output=True, cwd=place, timeout=120)

    run(str(BIN / "initdb"), "-D", str(place / "data"), "-U", "inherit", "-A", "trust", "--no-sync")
    told = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(str(BIN / "pg_ctl"), "-D", str(place / "data"), "-o", told, "-l", str(place / "log"), "-w", "start")
    try:
        yield f"postgresql://inherit@127.0.0.1:{port}/postgres"
    finally:
        run(str(BIN / "pg_ctl"), "-D", str(place / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(place, ignore_errors=True)


def test_two_workers_one_killed_in_the_middle_do_every_job_once(database: str, tmp_path: Path) -> None:
    queue = Queue(database, tmp_path)
    made = [queue.submit("profile", {"model": "m"}, [], "me").id for _ in range(50)]
    words = [sys.executable, "-m", "tests.support.service_worker", database, str(tmp_path)]
    workers = [subprocess.Popen(words, cwd=ROOT) for _ in range(2)]
    try:
        while not 10 < queue.counts()["done"] < 40:
            time.sleep(0.02)
        workers[0].kill()
        until = time.monotonic() + 200
        while (counts := queue.counts())["done"] < 50:
            assert time.monotonic() < until, counts
            time.sleep(0.1)
    finally:
        for each in workers:
            each.kill()
            each.wait()
    assert counts == {"queued": 0, "running": 0, "done": 50, "failed": 0, "cancelled": 0, "interrupted": 0}
    done = Counter(Path(line).name for line in (tmp_path / "done.txt").read_text().split())
    assert set(done) == set(made)
    # What had ended before its worker could say so is done again, by one other; a real job then finds it all paid for.
    assert sum(done.values()) <= 54
    assert {job.worker.split(":")[1] for job in queue.jobs(limit=100) if job.worker} == {str(w.pid) for w in workers}
    queue.close()

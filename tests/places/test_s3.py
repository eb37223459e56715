"""A pool in a bucket, whose writers are killed with kill -9: the bytes of a pool in a folder, nothing paid twice."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from selection.storage import storage_at
from tests.support.killing import COMMAND, asked_again, finish, kill_in_the_middle
from tests.support.places import ROOT
from tests.support.pool import questions
from tests.support.ray_nodes import ray_cluster
from tests.support.wire import Script, serving

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not (find_spec("s3fs") and find_spec("moto")), reason="needs s3fs and moto[server]"),
]

PROMPTS = 2100
"""Three blocks."""


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket of an S3 server that runs here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    names = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "key"}
    names |= {"AWS_DEFAULT_REGION": "us-east-1", "INHERIT_CACHE": str(tmp_path / "cache")}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "s3.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", url.rpartition(":")[2]], stderr=log)
    try:
        for _ in range(600):
            try:
                urlopen(Request(f"{url}/bucket", method="PUT"), timeout=5).close()
                break
            except URLError:
                time.sleep(0.1)
        yield "s3://bucket/pool"
    finally:
        server.kill()
        server.wait()


def files(where: Path | str, kind: str) -> dict[str, bytes]:
    storage = storage_at(where)
    found = {}
    for path in storage.find(kind):
        with storage.open(path) as file:
            found[path] = file.read()
    return found


def select(pool: Path | str, out: Path, on: str = "here") -> list[str]:
    return [*COMMAND, "select", str(pool), "-O", "max:words", "--skip-filter", "all", "-o", str(out), "--on", on]


async def kill_once_scored(command: list[str], pool: str, files_there: int) -> None:
    """Kill a command once so many files of scores are there."""
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)
    storage = storage_at(pool)
    while len(storage.find("scores")) < files_there:
        assert process.returncode is None, "it ended before"
        await asyncio.sleep(0.05)  # the server answers one request at a time
    process.kill()
    await process.wait()


LONG = pytest.mark.skipif(not os.environ.get("INHERIT_LONG"), reason="takes minutes: INHERIT_LONG=1 runs it, too")


@pytest.mark.parametrize("on", ["here", pytest.param("ray", marks=LONG)])
async def test_a_bucket_whose_writers_are_killed_holds_what_a_folder_does(
    tmp_path: Path, bucket: str, on: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions(tmp_path, PROMPTS)
    rng = random.Random(3)
    asking = ["--prompts", str(tmp_path / "questions.jsonl"), "-k", "2", "--max-tokens", "20", "--concurrency", "8"]
    async with serving(Script(latency=0.01)) as wire:
        sample = [*COMMAND, "sample", f"wire@{wire.url}", *asking, "--out"]
        kills = [await kill_in_the_middle([*sample, bucket], wire, rng, most=1.0) for _ in range(3)]
        await finish([*sample, bucket])
        assert not asked_again(wire, kills, "question"), "no answer is paid twice"
        await finish([*sample, str(tmp_path / "pool")])
    with ExitStack() as stack:
        if on == "ray":
            pytest.importorskip("ray")
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
            monkeypatch.setenv("RAY_ADDRESS", stack.enter_context(ray_cluster(2)).address)
        for done in (1, 2):
            await kill_once_scored(select(bucket, tmp_path / "there", on), bucket, done)
        before = files(bucket, "scores")
        await finish(select(bucket, tmp_path / "there", on))
    await finish(select(tmp_path / "pool", tmp_path / "here"))
    for kind in ("candidates", "scores"):
        assert files(bucket, kind) == files(tmp_path / "pool", kind)
        assert len(files(bucket, kind)) == 3
    assert before.items() <= files(bucket, "scores").items()
    chosen = [(tmp_path / name / "chosen.jsonl").read_bytes() for name in ("here", "there")]
    assert chosen[0] == chosen[1]
    assert chosen[0].count(b"\n") == PROMPTS

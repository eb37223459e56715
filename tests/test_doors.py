"""A real vLLM server gives one set of numbers through every door, and no number at all once it is dead.

INHERIT_VLLM_PYTHON, INHERIT_LMEVAL_PYTHON and INHERIT_HELM_PYTHON name the interpreters (`make test-vllm`).
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench import doors
from bench.doors import DOORS, HELM, Question
from bench.parity_held import held
from profiler.endpoints.vllm.server import Server

pytestmark = pytest.mark.vllm

ASKED = [Question("bbq", 5), Question("crows_pairs", 5)]
(OURS, *OTHERS) = (door for door in DOORS if door.served)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not os.environ.get("INHERIT_VLLM_PYTHON"):
        pytest.skip("INHERIT_VLLM_PYTHON names no interpreter with vLLM")
    with doors.served(tmp_path_factory.mktemp("vllm") / "log") as one:
        yield one


@pytest.mark.parametrize("door", OTHERS, ids=lambda door: door.name)
def test_a_server_has_one_set_of_numbers(
    server: Server, door: doors.Door, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not os.environ.get(str(door.needs)):
        pytest.skip(f"{door.needs} names no interpreter")
    home = tmp_path_factory.mktemp("doors")
    for question in ASKED:
        places = home / question.probe / "ours", home / question.probe / "theirs"
        for one, place in zip((OURS, door), places, strict=True):
            doors.passed(one, question, place, server.url)
        found = held(OURS.kept(places[0]), door.kept(places[1]), question.probe)
        assert found.items == question.limit
        assert found.same(), found


def test_helm_presents_no_number_of_a_server_that_died(server: Server, tmp_path: Path) -> None:
    """Last: nothing answers any more afterwards."""
    python = os.environ.get(HELM)
    if not python:
        pytest.skip(f"{HELM} names no interpreter")
    command = [str(Path(python).with_name("helm-run")), "-r", f"inherit_ability:model=inherit/{doors.MODEL}"]
    process = subprocess.Popen(
        [*command, "-m", "1000", "--suite", "dead", "-n", "4"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(doors.ROOT), "INHERIT_URL": server.url, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    cache = tmp_path / "prod_env" / "cache" / "inherit-answers.sqlite"
    while process.poll() is None and answers(cache) < 12:
        time.sleep(0.2)
    assert process.poll() is None, process.communicate()[0]
    assert server._process is not None
    os.killpg(server._process.pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert f"{server.url} failed" in said
    assert "run again to resume from there" in said
    assert not list(tmp_path.glob("benchmark_output/runs/dead/inherit_*/*.json"))


def answers(cache: Path) -> int:
    """How many are kept."""
    if not cache.exists():
        return 0
    with closing(sqlite3.connect(f"file:{cache}?mode=ro", uri=True)) as database:
        try:
            count: int = database.execute("select count(*) from part").fetchone()[0]
        except sqlite3.OperationalError:
            return 0  # not made yet
        return count

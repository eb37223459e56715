"""Scoring elsewhere: the same bytes on Ray and on Slurm as here, also where workers are killed in their work."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from selection import Pool, PoolContents, SampleOptions, Segment, candidate_table, prompt_id, sample
from tests.support import clusters, slurm
from tests.support.candidates import answer
from tests.support.command import asked
from tests.support.places import ROOT
from tests.support.pool import rows
from tests.support.ray_nodes import ray_cluster
from tests.support.serving import installed_fake

pytestmark = pytest.mark.cluster

BLOCKS, PROMPTS, K = 6, 8, 4
KILLS = 4
QUIET = subprocess.DEVNULL
SCORERS = ("tests.support.scorers_elsewhere:vowels", "tests.support.scorers_elsewhere:deadly")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Candidates of two sources in several blocks, not scored."""
    folder = tmp_path_factory.mktemp("pool") / "pool"
    made = Pool.create(folder, PoolContents(sources=("a", "b")))
    for block in range(BLOCKS):
        for source in "ab":
            asked = [f"What is it about, number {block * PROMPTS + p}?" for p in range(PROMPTS) for _ in range(K)]
            rows = {
                "prompt_id": [prompt_id(prompt) for prompt in asked],
                "source": [source] * len(asked),
                "index": list(range(K)) * PROMPTS,
                "prompt": asked,
                "text": [answer(block * PROMPTS + i // K, i % K, source) for i in range(len(asked))],
            }
            made.write(Segment(block, source), candidate_table(rows))
    return folder


def selected(pool: Path, folder: Path, on: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`inherit select` from a copy of the POOL, as a process of its own."""
    copy = folder / "pool"
    if not copy.exists():
        shutil.copytree(pool, copy)
    command = [sys.executable, "-c", "from profiler.cli import main; main()", "select", str(copy), "-O", "max:mtld"]
    metrics = [word for name in SCORERS for word in ("-m", name)]
    return subprocess.run(
        [*command, *metrics, *more, "-o", str(folder / "out"), "--on", on],
        env=os.environ | {"PYTHONPATH": str(ROOT), "INHERIT_TEST_DEADLY": str(folder / "deadly")} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def left(folder: Path) -> dict[str, bytes]:
    """The scores and the choice, as whoever comes later finds them."""
    found = [*folder.glob("pool/scores/*/*.parquet"), *folder.glob("out/*.jsonl")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def here(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("here")
    done = selected(pool, folder, "here")
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("pool/scores/*/*"))) == 2 * BLOCKS * (1 + len(SCORERS)), "a scorer has its own files"
    return left(folder)


def test_a_killed_worker_of_a_ray_cluster_changes_no_byte(
    pool: Path, here: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly").touch()
    monkeypatch.setenv("INHERIT_TEST_DEADLY", str(tmp_path / "deadly"))  # a worker has its cluster's environment
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with ray_cluster(2) as cluster:
        done = selected(pool, tmp_path, "ray", RAY_ADDRESS=cluster.address)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "deadly").exists(), "one was killed"
    assert left(tmp_path) == here
    assert not [*tmp_path.rglob("*.part")]


@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "-")
def test_a_killed_job_of_slurm_changes_no_byte(pool: Path, here: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "deadly").touch()
    with slurm.slurm(tmp_path / "slurm") as settings:
        done = selected(pool, tmp_path, "slurm", SLURM_CONF=str(settings))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "deadly").exists(), "one was killed"
    assert left(tmp_path) == here


@pytest.mark.parametrize("on", ["here", "ray", "slurm"])
def test_a_command_killed_at_any_moment_measures_nothing_again_that_was_whole(
    on: str, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, rng = tmp_path / "notes", random.Random(on)
    monkeypatch.setenv("INHERIT_TEST_NOTES", str(notes))  # a worker has its cluster's environment
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    metric = "tests.support.scorers_elsewhere:noted"
    kills, lost, found = 0, [], []
    with clusters.engine(on, tmp_path) as where:
        command = [sys.executable, "-c", "from profiler.cli import main; main()", "select", "pool", "-O", "max:mtld"]
        line = [*command, "-m", metric, "-o", "out", "--on", on]
        for turn in count():
            (folder := tmp_path / str(turn)).mkdir()
            shutil.copytree(pool, folder / "pool")
            notes.write_text("", "utf-8")
            before, code = kills, -signal.SIGKILL
            while code:
                process = subprocess.Popen(line, env=os.environ | where, cwd=folder, stdout=QUIET, stderr=QUIET)
                if turn and kills < KILLS:
                    kills += killed(process, notes, rng.uniform(0, 0.2 * 2 * BLOCKS))
                code = process.wait(300)
                assert code in (0, -signal.SIGKILL)
            lost.append((len(notes.read_text("utf-8").splitlines()) - 2 * BLOCKS, kills - before))
            found.append(left(folder))
            assert not [*folder.glob("out/.*.part")], "what a killed one left half written is gone"
            if kills >= KILLS:
                break
    print(f"{on}: {kills} kills; segments measured again, and kills: {lost}; {os.getloadavg()[0]:.1f} load")
    assert all(one == found[0] for one in found)
    assert lost[0] == (0, 0)
    assert all(again <= 2 * times for again, times in lost), "two are measured at once"


def killed(process: subprocess.Popen[bytes], notes: Path, moment: float) -> bool:
    """Kill a command at a MOMENT after something was measured; whether it still ran."""
    start = notes.stat().st_size
    while process.poll() is None and notes.stat().st_size == start:
        time.sleep(0.02)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() == -signal.SIGKILL


def test_a_cluster_that_is_not_there_is_a_sentence(pool: Path, tmp_path: Path) -> None:
    done = selected(pool, tmp_path, "ray://127.0.0.1:9")
    assert done.returncode == 1
    assert "can't reach a Ray cluster at ray://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_that_is_made_for_the_while_says_nothing_of_its_own(pool: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    done = selected(pool, tmp_path, "ray", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "WARNING" in line or "ray.io" in line] == []


def test_a_cluster_that_wants_a_token_says_what_to_set_and_takes_it(pool: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 32}
    head = "from ray.cluster_utils import Cluster as C; print(C(True, head_node_args={'num_cpus': 1}).address); input()"
    with subprocess.Popen(
        [sys.executable, "-c", head],
        env=os.environ | token | {"PYTHONPATH": str(ROOT), "INHERIT_TEST_DEADLY": str(tmp_path / "deadly")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=QUIET,
        text=True,
    ) as cluster:
        assert cluster.stdin
        assert cluster.stdout
        address = cluster.stdout.readline().strip()
        refused = selected(pool, tmp_path, "ray", RAY_ADDRESS=address)
        done = selected(pool, tmp_path, "ray", RAY_ADDRESS=address, **token)
        cluster.stdin.close()
    assert refused.returncode == 1
    assert f"can't reach a Ray cluster at {address}: it wants a token: set RAY_AUTH_MODE=token" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert done.returncode == 0, done.stderr
    assert token["RAY_AUTH_TOKEN"] not in refused.stderr + done.stderr


@pytest.mark.parametrize("on", ["ray", "slurm"])
async def test_servers_of_a_teacher_start_where_there_is_room_and_draw_what_one_draws_here(
    on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = asked(tmp_path, 20)
    fields = {"model": str(tmp_path), "name": "one", "max_tokens": 8}
    (tmp_path / "config.json").write_text("{}", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with installed_fake(tmp_path, monkeypatch) as fake:  # a worker has its cluster's environment
        with clusters.engine(on, tmp_path) as found:
            for variable, value in found.items():
                monkeypatch.setenv(variable, value)
            for name, serve in ((on, {"replicas": 2, "on": on}), ("here", {})):
                out, teachers = str(tmp_path / name), ({**fields, "serve": serve},)
                asking = sample(SampleOptions(teachers=teachers, prompts=str(prompts), k=2, out=out))
                [share] = [told async for told in asking][-1]
                assert (share.done, share.failed, share.error) == (20, 0, None)
        assert len(fake.starts()) == 3
        assert not fake.alive()
    assert rows(tmp_path / on) == rows(tmp_path / "here")

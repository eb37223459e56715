"""Scoring elsewhere: the same bytes on Ray and on Slurm as here, also where workers are killed in their work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from selection import Pool, PoolContents, Segment, candidate_table, prompt_id
from tests.support import slurm
from tests.support.candidates import answer
from tests.support.places import ROOT

pytestmark = pytest.mark.cluster

BLOCKS, PROMPTS, K = 6, 8, 4
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
    """All that was left of the scores and the choice."""
    found = [*folder.glob("pool/scores/*/*"), *folder.glob("out/*.jsonl")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def here(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("here")
    done = selected(pool, folder, "here")
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("pool/scores/*/*"))) == 2 * BLOCKS * (1 + len(SCORERS)), "a scorer has its own files"
    return left(folder)


@contextmanager
def ray_cluster(nodes: int) -> Iterator[Any]:
    """A Ray cluster of several nodes on this machine, which has an address and can lose a node."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


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


def test_a_cluster_that_is_not_there_is_a_sentence(pool: Path, tmp_path: Path) -> None:
    done = selected(pool, tmp_path, "ray://127.0.0.1:9")
    assert done.returncode == 1
    assert "can't reach a Ray cluster at ray://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr

"""A study's stages elsewhere: a killed driver leaves what runs to end, on Ray and on Slurm, and none is begun twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clusters import engine
from tests.support.places import ROOT
from tests.support.stages import driven_twice

pytestmark = pytest.mark.cluster

TRAININGS = 6


Place = tuple[str, dict[str, str]]
"""What --on is told, and where the cluster is."""


@pytest.fixture(scope="module", params=["ray", "slurm"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings = {"PYTHONPATH": str(ROOT), "INHERIT_TEST_SECONDS": "4", "INHERIT_TEST_TRAININGS": str(TRAININGS)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():  # workers have their cluster's environment
            patch.setenv(name, value)
        with engine(request.param, tmp_path_factory.mktemp("cluster")) as where:
            yield request.param, where


def test_a_killed_driver_leaves_what_runs_to_end_and_the_next_takes_it_up(place: Place, tmp_path: Path) -> None:
    on, where = place
    driven_twice(tmp_path, "1", on, running=1, **where)


def test_a_command_says_the_same_elsewhere_as_here(place: Place, tmp_path: Path) -> None:
    on, where = place
    lines = [f'{{"text": "A text of some words, the {number}th of them."}}\n' for number in range(20)]
    (tmp_path / "texts.jsonl").write_text("".join(lines), "utf-8")
    command = [sys.executable, "-c", "from profiler.cli import main; main()", "score", "texts.jsonl", "-m", "mtld"]
    said = {}
    for name in ("here", on):
        line = [*command, "--json", "--on", name]
        done = subprocess.run(line, cwd=tmp_path, env=os.environ | where, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said[name] = done.stdout
    assert said["here"]
    assert said[on] == said["here"]

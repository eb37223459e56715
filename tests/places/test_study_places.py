"""A study's stages elsewhere: a killed driver leaves what runs to end, on Ray and on Slurm, and none is begun twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.places.test_places import ray_cluster
from tests.support import slurm
from tests.support.places import ROOT

pytestmark = pytest.mark.cluster

TRAININGS = 3


def driven_twice(folder: Path, on: str, **environment: str) -> None:
    """A study whose driver is killed while trainings run, and carried out by another."""
    command = [sys.executable, "-m", "tests.support.stages", str(folder / "study"), "1", on]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    begun = folder / "study" / "begun"
    driver = subprocess.Popen(command, env=settings, cwd=folder)
    while not begun.exists():
        assert driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    assert subprocess.run(command, env=settings, cwd=folder, check=False, timeout=300).returncode == 0
    numbers = [line.split()[0] for line in begun.read_text("utf-8").splitlines()]
    assert sorted(numbers) == [str(number) for number in range(TRAININGS)], "none was begun twice"
    assert len([*(folder / "study" / "stages").iterdir()]) == 1 + 2 * TRAININGS


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have their cluster's environment."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("INHERIT_TEST_SECONDS", "8")
    monkeypatch.setenv("INHERIT_TEST_TRAININGS", str(TRAININGS))


def test_a_killed_driver_leaves_what_runs_on_ray_to_end_and_the_next_takes_it_up(tmp_path: Path) -> None:
    with ray_cluster(2) as address:
        driven_twice(tmp_path, "ray", RAY_ADDRESS=address)


@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "-")
def test_a_killed_driver_leaves_what_runs_on_slurm_to_end_and_the_next_takes_it_up(tmp_path: Path) -> None:
    with slurm.slurm(tmp_path / "slurm") as settings:
        driven_twice(tmp_path, "slurm", SLURM_CONF=str(settings))

"""A whole study with real, small students, killed on its way."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from profiler.runs import sample_store
from profiler.study import plan
from profiler.study.findings import StudyResults
from profiler.study.stage_order import Schedule
from tests.support.places import ROOT
from tests.support.serving import installed_fake
from tests.support.study import PLAIN, written
from tests.support.wire import serving
from training import Training

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")]

START = [sys.executable, "-c", "from profiler.cli import main; main()", "study"]
MARKS = ("runs/*", "pools/*/candidates/*/*", "students/*/checkpoints/checkpoint-*/whole", "stages/train-*.json")
"""What is there when a study is in the middle of its profile, its sampling, a training; and after one."""


async def test_a_study_killed_four_times_does_no_stage_twice_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    recipe = {"method": "full", "batch": 4, "length": 128, "precision": "float32", "save": 1}
    async with serving() as wire:
        fields = {"teachers": [{"model": "wire", "url": wire.url, "name": "one"}], "recipe": recipe, "guard": {}}
        few = {"objectives": {"length": PLAIN["objectives"]["length"]}, "profile": PLAIN["profile"][:1]}
        killed = written(tmp_path, **fields, **few)
        whole = tmp_path / "whole.json"
        whole.write_text(killed.read_text("utf-8"), "utf-8")
        for mark in MARKS:
            await asyncio.to_thread(_kill_once_there_is, mark, killed)
        done = {file: file.stat().st_mtime_ns for file in (tmp_path / "study").glob("stages/*.json")}
        assert await asyncio.to_thread(_finish, killed) == 0
        assert {file: file.stat().st_mtime_ns for file in done} == done
        answered = len(wire.sent)
        assert len(set(wire.units("teach"))) == len(wire.units("teach")), "an answer was paid for twice"
        assert await asyncio.to_thread(_finish, whole) == 0
    assert answered
    one, other = (StudyResults(Schedule.of(plan.read_study(path))).findings() for path in (killed, whole))
    assert [outcome.change for outcome in one.outcomes] == [outcome.change for outcome in other.outcomes]
    assert [outcome.gain for outcome in one.outcomes] == [outcome.gain for outcome in other.outcomes]
    assert json.loads((tmp_path / "study" / "report.json").read_bytes())["outcomes"]


async def test_students_are_trained_by_two_processes_and_profiled_behind_a_vllm_server_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants = {"train": {"processes": 2}, "profile": {"gpus": 2, "engine": "vllm"}}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # which nothing here uses
    async with serving() as wire:
        fields = {"teachers": [{"model": "wire", "url": wire.url, "name": "one"}], "guard": {}, "resources": wants}
        few = {"objectives": {"length": PLAIN["objectives"]["length"]}, "profile": PLAIN["profile"][:1]}
        path = written(tmp_path, **fields, **few, arms=["base", "single"])
        with installed_fake(tmp_path, monkeypatch) as fake:
            assert await asyncio.to_thread(_finish, path) == 0
            started = [" ".join(start["argv"]) for start in fake.starts()]
    trained = [
        Training.model_validate_json(file.read_bytes()) for file in tmp_path.glob("study/students/*/train*.json")
    ]
    assert [made.processes for made in trained] == [2]
    for model, line in zip([tmp_path / "student", *(made.model for made in trained)], started, strict=True):
        assert f"--model {model} " in line
        assert line.endswith("--tensor-parallel-size 2")
    profiles = [run.profile for run in sample_store.runs(tmp_path / "study" / "runs")]
    assert [(one.endpoint.engine, one.endpoint.url) for one in profiles] == [("vllm", None)] * 2
    assert json.loads((tmp_path / "study" / "report.json").read_bytes())["outcomes"]


def _kill_once_there_is(mark: str, path: Path) -> None:
    """Start the study, and kill it as soon as this is in its folder."""
    out = path.with_suffix("")
    process = subprocess.Popen([*START, str(path)], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(out.glob(mark)):
        assert process.poll() is None, f"it ended before there was {mark}"
        time.sleep(0.01)
    process.kill()
    process.wait()


def _finish(path: Path) -> int:
    return subprocess.run([*START, str(path)], cwd=ROOT, capture_output=True, check=False).returncode

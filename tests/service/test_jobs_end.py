"""Jobs of every verb that asks a model, submitted over HTTP: each leaves what the command leaves."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from profiler.service import ServiceOptions, application
from profiler.study import Schedule, study_of
from tests.study.test_study import quiet, trained, until
from tests.support import candidates, study
from tests.support.service import ended, model_server

pytestmark = pytest.mark.slow


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(application(ServiceOptions(out=tmp_path))) as client:
        yield client


def done(client: TestClient, verb: str, told: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"/api/jobs/{verb}", json=told)
    assert answer.status_code == 202, answer.text
    return ended(client, answer.json()["id"])


def test_candidates_are_sampled_and_chosen_from_by_jobs(client: TestClient, tmp_path: Path) -> None:
    candidates.written(tmp_path / "asked.jsonl", [{"prompt": f"question {i} end"} for i in range(12)])
    with model_server() as url:
        told = {"teachers": [f"wire@{url}"], "prompts": "asked.jsonl", "k": 3, "out": "pool", "max_tokens": 20}
        sampled = done(client, "sample", told)
        assert (sampled["state"], sampled["result"]) == ("done", "pool"), sampled
        asked = {"pool": "pool", "objective": [f"max:judge:wire@{url}"], "out": "chosen", "skip_filter": ["all"]}
        chosen = done(client, "select", asked)
    assert (chosen["state"], chosen["result"]) == ("done", "chosen"), chosen
    assert len(candidates.lines(tmp_path / "chosen" / "chosen.jsonl")) == 12
    assert client.get("/pools/chosen").status_code == 200


def test_pairs_are_judged_by_a_job(client: TestClient, tmp_path: Path) -> None:
    pairs = [{"id": str(i), "prompt": f"Say {i}.", "a": f"Hi {i}.", "b": f"No {i}."} for i in range(6)]
    candidates.written(tmp_path / "pairs.jsonl", pairs)
    with model_server() as url:
        told = {"model": "wire", "url": url, "pairs": ["pairs.jsonl"], "save": "verdicts.jsonl"}
        judged = done(client, "judge", told)
    assert (judged["state"], judged["result"]) == ("done", "verdicts.jsonl"), judged["why"]
    assert len(candidates.lines(tmp_path / "verdicts.jsonl")) == 6


def test_a_study_is_done_by_a_job_once_its_trainings_are_there(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.written(tmp_path)
    with model_server() as url:
        aim = {"objectives": {"length": study.PLAIN["objectives"]["length"]}, "guard": {}, "single": []}
        told = {**study.PLAIN, **aim, "teachers": [{"model": "wire", "url": url, "name": "one"}], "arms": ["single"]}
        if not find_spec("trl"):
            first = done(client, "study", told)
            assert (first["state"], "needs the extra 'train'" in first["why"]) == ("failed", True), first
        schedule = Schedule.of(study_of({**told, "out": "study"}, tmp_path / "study.json"))
        until(schedule, "train")
        assert trained(schedule) == 1
        monkeypatch.setattr("training.student.NEEDED", ())
        for stage in schedule.stages:
            if stage.kind == "train":
                schedule.workspace.do(stage, quiet)
        second = done(client, "study", told)
    assert (second["state"], second["result"]) == ("done", "study"), second["why"]
    assert (tmp_path / "study" / "report.json").is_file()
    assert client.get("/studies/study").status_code == 200

"""Jobs: submitted as the command's records, done by the command, watched, cancelled, resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from profiler.service import ServiceOptions, application
from profiler.service.queue import LEASE, Queue
from tests.support.service import ended, made_of, model_server

ASKED: dict[str, Any] = {"model": "wire", "suite": "mini", "quick": True, "probes": ["bbq"]}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def idle(out: Path) -> TestClient:
    """A service without a worker."""
    return TestClient(application(ServiceOptions(out=out)))


@pytest.fixture
def client(out: Path) -> Iterator[TestClient]:
    with TestClient(application(ServiceOptions(out=out))) as client:
        yield client


def test_what_is_submitted_waits_in_the_queue_with_its_options(idle: TestClient) -> None:
    told = idle.post("/api/jobs/profile", json={**ASKED, "url": "http://127.0.0.1:9/v1"})
    assert told.status_code == 202
    job = told.json()
    assert told.headers["location"] == f"/api/jobs/{job['id']}"
    assert (job["verb"], job["state"], job["endpoints"]) == ("profile", "queued", ["127.0.0.1:9"])
    assert job["options"]["probes"] == ["bbq"]
    assert job["options"]["out"] == "."
    assert idle.get(f"/api/jobs/{job['id']}").json() == job
    assert idle.get("/api/jobs").json()["counts"]["queued"] == 1


@pytest.mark.parametrize(
    ("verb", "told", "says"),
    [
        ("profile", {}, "inherit profile: `model`: is needed"),
        ("profile", {"model": "m", "concurency": 3}, "did you mean 'concurrency'?"),
        ("profile", {"model": "m", "concurrency": 0}, "`concurrency`: expected at least 1, found 0"),
        ("profile", {"model": "m", "probes": ["bqq"]}, "no probe 'bqq'; did you mean 'bbq'?"),
        ("profile", {"model": "m", "url": "localhost:8000"}, "expected --url http://HOST/v1"),
        ("study", {"on": "ray://10.0.0.1:10001"}, "`on`: a job runs here, on ray or on slurm:PARTITION"),
        ("study", {"teachers": [{"model": "m", "serve": {"on": "ray://10.0.0.1:10001"}}]}, "`on`: a job runs here"),
        ("select", {"pool": "p", "out": "o"}, "inherit select: `objective`: is needed"),
        ("study", {"prompts": "mini", "teachers": ["demo"]}, "`objectives`: is needed"),
        ("agree", [1], "as a JSON object"),
    ],
)
def test_what_is_wrong_is_said_as_the_command_says_it(idle: TestClient, verb: str, told: object, says: str) -> None:
    answer = idle.post(f"/api/jobs/{verb}", json=told)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]
    assert idle.get("/api/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    "told",
    [
        {"key": "sk-Planted-0123456789abcdef"},
        {"header": ["api-key=sk-Planted-0123456789abcdef"]},
        {"url": "http://me:sk-Planted-0123456789abcdef@host/v1"},
        {"url": "http://host/v1?key=sk-Planted-0123456789abcdef"},
    ],
)
def test_a_secret_is_refused_not_repeated_and_stored_nowhere(idle: TestClient, out: Path, told: Any) -> None:
    answer = idle.post("/api/jobs/profile", json={"model": "m", **told})
    assert answer.status_code == 422
    assert "Planted" not in answer.text
    assert not any(b"Planted" in path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_a_study_needs_no_folder_of_its_own(idle: TestClient) -> None:
    told = {"prompts": "mini", "teachers": ["demo"], "objectives": {"length": {"goals": ["max:words"]}}}
    answer = idle.post("/api/jobs/study", json={**told, "arms": ["single"]})
    assert answer.status_code == 202, answer.text
    assert answer.json()["options"]["out"] == "study"


def test_the_records_stand_in_the_openapi_document(idle: TestClient) -> None:
    paths = idle.get("/api/openapi.json").json()["paths"]
    body = paths["/api/jobs/profile"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "ProfileOptions" in json.dumps(body)


def test_the_openapi_document_names_every_operation_its_answer_and_its_problems(idle: TestClient) -> None:
    paths = idle.get("/api/openapi.json").json()["paths"]
    names = [each["operationId"] for operations in paths.values() for each in operations.values()]
    assert len(set(names)) == len(names)
    routes = {path: each for path, operations in paths.items() if "/api/" in path for each in operations.values()}
    assert {"/api/jobs/profile", "/api/jobs/{id}", "/api/runs/{id}", "/api/compare", "/api/score"} <= routes.keys()
    for path, each in routes.items():
        assert re.fullmatch(r"(get|submit|cancel|resume|tag|score|compare)_[a-z]+(_[a-z]+)?", each["operationId"]), path
        done = {status: answer for status, answer in each["responses"].items() if status != "default"}
        assert [status for status in done if status[0] != "2"] == []
        assert all(one.get("schema") or one["itemSchema"] for one in done.popitem()[1]["content"].values()), path
        problem = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
        assert each["responses"]["default"]["content"] == {"application/problem+json": problem}


def test_a_job_leaves_the_run_that_the_command_leaves_and_tells_its_steps(client: TestClient, out: Path) -> None:
    with model_server() as url:
        job = client.post("/api/jobs/profile", json={**ASKED, "url": url}).json()
        done = ended(client, job["id"])
        assert (done["state"], done["why"]) == ("done", None)
        assert (out / done["result"] / "profile.json").is_file()
        page = client.get(f"/jobs/{job['id']}.json").json()
        assert [(step["what"], step["done"], step["total"]) for step in page["steps"]] == [("bbq", 12, 12)]
        said = made_of(client.get(f"/api/jobs/{job['id']}/events").text)
        assert said[-1]["event"] == "state"
        assert said[-1]["data"]["state"] == "done"
        numbers = [int(each["id"]) for each in said if each["event"] == "step"]
        assert numbers == sorted(numbers)
        last = {"last-event-id": str(numbers[-1])}
        again = made_of(client.get(f"/api/jobs/{job['id']}/events", headers=last).text)
        assert [each["event"] for each in again] == ["state"]


def test_a_job_that_fails_keeps_the_commands_sentence_and_can_be_resumed(client: TestClient) -> None:
    job = client.post("/api/jobs/compare", json={"base": "nobody", "others": ["nothing"]}).json()
    failed = ended(client, job["id"])
    assert failed["state"] == "failed"
    assert "no run 'nobody'" in failed["why"]
    assert client.post(f"/api/jobs/{job['id']}/resume").json()["state"] == "queued"
    assert ended(client, job["id"])["state"] == "failed"


@pytest.mark.slow
def test_a_job_that_runs_is_cancelled_and_goes_on_when_it_is_resumed(client: TestClient, out: Path) -> None:
    with model_server(latency=1.0) as url:
        told = {**ASKED, "url": url, "concurrency": 1, "limit": 100}  # it lasts, however slow this machine is
        job = client.post("/api/jobs/profile", json=told).json()
        pid = child_of(client, out, job["id"])
        assert client.post(f"/api/jobs/{job['id']}/cancel").json()["stopping"]
        cancelled = ended(client, job["id"])
        assert (cancelled["state"], cancelled["why"]) == ("cancelled", None)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert client.post(f"/api/jobs/{job['id']}/cancel").status_code == 422


def child_of(client: TestClient, out: Path, job: str) -> int:
    """The process that does a job, once it tells of a step."""
    until = time.monotonic() + 60
    while not client.get(f"/jobs/{job}.json").json()["steps"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    worker = client.app.state.worker  # type: ignore[attr-defined]
    return int(worker._children[job].process.pid)


@pytest.mark.slow
def test_a_job_whose_process_is_killed_is_taken_up_again(client: TestClient, out: Path) -> None:
    with model_server(latency=0.3) as url:
        told = {**ASKED, "url": url, "concurrency": 1, "limit": 60}
        job = client.post("/api/jobs/profile", json=told).json()
        os.kill(child_of(client, out, job["id"]), signal.SIGKILL)
        done = ended(client, job["id"])
        assert (done["state"], done["turn"]) == ("done", 2)
        assert len([*out.glob("*/profile.json")]) == 1


def test_a_job_that_waits_is_cancelled_at_once(idle: TestClient) -> None:
    job = idle.post("/api/jobs/profile", json=ASKED).json()
    assert idle.post(f"/api/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert idle.post(f"/api/jobs/{job['id']}/resume").json()["state"] == "queued"


def test_what_is_not_there_is_a_problem_document(idle: TestClient) -> None:
    for place in ("/api/jobs/none", "/api/jobs/none/events", "/jobs/none.json"):
        answer = idle.get(place)
        assert (answer.status_code, answer.json()["detail"]) == (404, "no job 'none'; /jobs lists them")


def test_jobs_are_listed_by_pages_and_by_state(idle: TestClient) -> None:
    made = [idle.post("/api/jobs/profile", json=ASKED).json()["id"] for _ in range(5)]
    idle.post(f"/api/jobs/{made[0]}/cancel")
    first = idle.get("/api/jobs?limit=2").json()
    assert [job["id"] for job in first["jobs"]] == made[:2:-1]
    rest = idle.get(f"/api/jobs?limit=9&before={first['next']}").json()
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == (made[2::-1], None)
    assert [job["id"] for job in idle.get("/api/jobs?state=cancelled").json()["jobs"]] == made[:1]
    assert idle.get(f"/jobs/{made[3]}.json").json()["ahead"] == 2


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("profile", {"model": "m", "url": "http://a:1/v1", "replica": ["http://b:2/v1", "https://c/v1"]}),
        ("sample", {"teachers": ["m@http://a:1/v1,http://b:2/v1,https://c/v1"], "prompts": "p.jsonl", "out": "pool"}),
    ],
)
def test_a_job_asks_the_replicas_of_a_server_too(idle: TestClient, verb: str, told: dict[str, object]) -> None:
    job = idle.post(f"/api/jobs/{verb}", json=told).json()
    assert job["endpoints"] == ["a:1", "b:2", "c:443"]


def test_a_teachers_replicas_hold_no_secret(idle: TestClient) -> None:
    told = {"teachers": ["m@http://a:1/v1,http://me:sk-123@b:2/v1"], "prompts": "p.jsonl", "out": "pool"}
    answer = idle.post("/api/jobs/sample", json=told)
    assert answer.status_code == 422
    assert "sk-123" not in answer.text


def test_one_server_is_asked_by_one_job_at_a_time(out: Path) -> None:
    queue = Queue(None, out)
    for place in ("a:1", "a:1", "b:2"):
        queue.submit("profile", {}, [place], "me")
    first, second = queue.take("w"), queue.take("w")
    assert first
    assert second
    assert (first.endpoints, second.endpoints) == (("a:1",), ("b:2",))
    assert queue.take("w") is None
    queue.finish(first, "done")
    third = queue.take("w")
    assert third
    assert third.endpoints == ("a:1",)
    queue.close()


def test_the_jobs_of_a_worker_that_is_silent_are_taken_by_exactly_one_other(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(None, out)
    made = queue.submit("profile", {}, [], "me")
    lost = queue.take("first")
    assert lost
    assert queue.take("second") is None
    later = time.monotonic() + LEASE + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    taken = queue.take("second")
    assert taken
    assert (taken.id, taken.turn) == (made.id, 2)
    assert queue.take("third") is None
    assert queue.beat("first") == {}
    assert not queue.finish(lost, "failed", "too late")
    assert queue.finish(taken, "done")
    assert queue.get(made.id).state == "done"
    queue.close()

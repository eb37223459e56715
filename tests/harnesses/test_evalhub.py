"""EvalHub's own server queues our probes and shows our numbers under their names.

INHERIT_EVALHUB_PYTHON names the interpreter of an environment with EvalHub (`make test-evalhub` builds one).
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from profiler import probes
from profiler.harnesses.evalhub import provider
from profiler.runs import sample_store
from tests.support.command import inherit
from tests.support.places import ROOT
from tests.support.process import free
from tests.support.wire import Fault, Script, Wire, serving

JOBS = Path("/tmp/evalhub-jobs")
"""Where the server, which has no option for it, puts its local jobs."""


@dataclass(frozen=True)
class Hub:
    """The server, asked as its users do."""

    http: httpx.AsyncClient

    async def submit(self, wire: Wire, *benchmarks: dict[str, Any], url: str = "", secret: Path | None = None) -> str:
        model: dict[str, Any] = {"name": wire.script.model, "url": url or wire.url}
        if secret:
            model["auth"] = {"secret_ref": f"file://{secret}"}
        job = {
            "name": "test",
            "model": model,
            "benchmarks": [{"provider_id": "inherit", **each} for each in benchmarks],
        }
        answer = await self.http.post("/api/v1/evaluations/jobs", json=job)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["resource"]["id"])

    async def look(self, job: str) -> dict[str, Any]:
        return dict((await self.http.get(f"/api/v1/evaluations/jobs/{job}")).json())

    async def done(self, job: str) -> dict[str, Any]:
        for _ in range(480):
            found = await self.look(job)
            if found["status"]["state"] not in ("pending", "running"):
                return found
            await asyncio.sleep(0.25)
        raise AssertionError(found)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    python = Path(os.environ["INHERIT_EVALHUB_PYTHON"])
    port, metrics = free(), free()
    folder = tmp_path / "config"  # watched by the server: its log must lie elsewhere
    for name in ("providers", "collections"):
        (folder / name).mkdir(parents=True)
    command = f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(str(python))} -m profiler.harnesses.evalhub"
    told = json.dumps(provider.provider(command))
    (folder / "providers" / "inherit.yaml").write_text(told)
    config = {
        "service": {"port": port, "host": "127.0.0.1", "termination_file": str(tmp_path / "termination")},
        "database": {"driver": "sqlite", "url": "file::eval_hub:?mode=memory&cache=shared"},
        "prometheus": {"enabled": False, "port": metrics, "host": "127.0.0.1"},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    with (tmp_path / "log.txt").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            python.with_name("eval-hub"), "-local", "-configdir", folder, stdout=log, stderr=log, cwd=tmp_path
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                for _ in range(240):
                    if server.returncode is not None:
                        raise AssertionError((tmp_path / "log.txt").read_text()[-3000:])
                    try:
                        await client.get("/api/v1/health")
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.25)
                yield Hub(client)
        finally:
            if server.returncode is None:
                server.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(server.wait(), 20)
            except TimeoutError:
                server.kill()


def test_every_probe_that_a_server_can_be_asked_is_a_benchmark() -> None:
    told = {each["id"]: each for each in provider.provider()["benchmarks"]}  # type: ignore[attr-defined]
    assert set(told) == {name for name, probe in probes.every().items() if not probe.in_process}
    assert told["bbq"]["primary_score"] == {"metric": "accuracy_ambig", "lower_is_better": False}
    assert told["toxicity"]["primary_score"] == {"metric": "expected_max_toxicity", "lower_is_better": True}
    assert told["stereoset"]["primary_score"] == {"metric": "icat", "lower_is_better": False}


def test_a_number_that_is_best_in_the_middle_is_nobodys_score() -> None:
    told = {each["id"]: each for each in provider.provider()["benchmarks"]}  # type: ignore[attr-defined]
    assert "primary_score" not in told["crows_pairs"]
    assert "stereotype: " in told["crows_pairs"]["agent"]["result_interpretation"]
    assert "best at 50: farther from it" in told["crows_pairs"]["agent"]["result_interpretation"]


@pytest.mark.evalhub
async def test_a_job_of_evalhubs_has_the_numbers_of_inherit_profile(hub: Hub, tmp_path: Path) -> None:
    async with serving(Script()) as wire:
        few = {"num_examples": 8, "suite": "mini"}
        job = await hub.submit(wire, {"id": "bbq", "parameters": few}, {"id": "crows_pairs", "parameters": few})
        found = await hub.done(job)
        assert found["status"]["state"] == "completed", found
        words = ("profile", "wire", "--url", wire.url, "-p", "bbq", "-p", "crows_pairs", "-n", "8", "--suite", "mini")
        assert (await inherit(*words, "--out", tmp_path / "runs")).code == 0
    (run,) = sample_store.runs(tmp_path / "runs")
    results = {each["id"]: each for each in found["results"]["benchmarks"]}
    for name in ("bbq", "crows_pairs"):
        ours = {
            each.metric: each.value
            for each in run.profile.estimates
            if each.probe == name and each.group is None and each.value is not None
        }
        theirs = results[name]["metrics"]
        assert {metric: theirs[metric] for metric in ours} == pytest.approx(ours)
        assert set(theirs) - set(ours) <= {f"{metric}_stderr" for metric in ours}
        more = results[name]["additional_info"]
        assert more["suite"] == "mini"
        assert more["items"] == 8
        assert any("best at" in each.get("direction", "") for each in more["estimates"])
    shutil.rmtree(JOBS / job)


@pytest.mark.evalhub
async def test_a_job_says_how_far_it_is_and_in_its_log_how_many_items(hub: Hub) -> None:
    async with serving(Script(latency=0.5)) as wire:
        few = {"num_examples": 8, "suite": "mini", "concurrency": 1}
        job = await hub.submit(wire, {"id": "bbq", "parameters": few}, url=f"{wire.url}/completions")
        phases = set()
        while (found := await hub.look(job))["status"]["state"] in ("pending", "running"):
            phases |= {each.get("phase") for each in found["status"].get("benchmarks") or ()}
            await asyncio.sleep(0.1)
    assert found["status"]["state"] == "completed", found
    assert "running_evaluation" in phases
    log = (JOBS / job / "0" / "inherit" / "bbq" / "jobrun.log").read_text()
    assert "bbq: 8 of 8, 0 failed" in log
    shutil.rmtree(JOBS / job)


@pytest.mark.evalhub
async def test_a_jobs_key_is_read_from_its_file_and_written_nowhere(hub: Hub, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "api-key").write_text("sk-never-to-be-seen")
    async with serving(Script(key="sk-never-to-be-seen")) as wire:
        job = await hub.submit(wire, {"id": "bbq", "parameters": {"num_examples": 4, "suite": "mini"}}, secret=secret)
        found = await hub.done(job)
    assert found["status"]["state"] == "completed", found
    written = [path for path in (JOBS / job).rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"sk-never-to-be-seen" in path.read_bytes()]
    assert "sk-never-to-be-seen" not in json.dumps(found)
    shutil.rmtree(JOBS / job)


@pytest.mark.evalhub
@pytest.mark.parametrize(
    ("benchmark", "faults", "words"),
    [
        ({"id": "bbq", "parameters": {"num_fewshot": 5}}, (), "num_fewshot"),
        ({"id": "bbq", "parameters": {"key": "DATABASE_URL"}}, (), "not for a job to say"),
        ({"id": "bbq", "parameters": {"num_examples": 4, "suite": "mini"}}, (Fault("401"),), "401"),
    ],
)
async def test_what_fails_is_told_in_a_sentence_and_has_no_numbers(
    hub: Hub, benchmark: dict[str, Any], faults: tuple[Fault, ...], words: str
) -> None:
    async with serving(Script(faults=faults)) as wire:
        job = await hub.submit(wire, benchmark)
        found = await hub.done(job)
    assert found["status"]["state"] == "failed", found
    assert words in json.dumps(found["status"])
    assert not (found.get("results") or {}).get("benchmarks", [{}])[0].get("metrics")
    shutil.rmtree(JOBS / job)

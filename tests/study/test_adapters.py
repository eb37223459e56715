"""Students that keep their adapters apart are profiled behind one server of their base, by a name each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from profiler.endpoints import adapter
from profiler.places import Failure
from profiler.records import Endpoint, Profile
from profiler.reporting.profile import profile_command
from profiler.runs import sample_store
from profiler.study import carry_out, plan
from profiler.study.findings import StudyResults
from profiler.study.stage import Stage
from profiler.study.stage_order import Schedule
from profiler.study.stages import weights
from tests.support import study, tiny
from tests.support.ask import HASTY
from tests.support.command import asked, inherit
from tests.support.serving import FakeVllm, installed_fake
from tests.support.study import trained, written
from tests.support.wire import serving

APART: dict[str, Any] = {
    "recipe": {"method": "lora", "merge": False, "batch": 8, "length": 128, "precision": "float32"},
    "resources": {"profile": {"engine": "vllm"}},
    "guard": {},
}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVllm]:
    monkeypatch.setattr("training.student.NEEDED", ())
    with installed_fake(tmp_path, monkeypatch) as made:
        yield made


async def taught(folder: Path, **fields: Any) -> Schedule:
    """A study whose students were taught just now, and of which nothing was profiled."""
    async with serving() as one:
        teachers = [{"model": "wire", "url": one.url, "name": "one"}]
        schedule = Schedule.of(plan.read_study(written(folder, teachers=teachers, **APART, **fields)))
        for stage in schedule.stages:
            if stage.kind in ("sample", "score", "select"):
                await asyncio.to_thread(schedule.workspace.do, stage, quiet)
    trained(schedule)
    return schedule


def quiet(*_: object) -> None:
    """What nobody listens to."""


async def carried_out(schedule: Schedule) -> dict[Stage, Failure]:
    return await asyncio.to_thread(carry_out, schedule, quiet, quiet)


def profiles(schedule: Schedule) -> list[Profile]:
    """The untouched student's and those of its adapters, in the order of their stages."""
    stages = {stage.key: stage for stage in schedule.stages if stage.kind == "profile"}
    return [sample_store.Run(schedule.workspace.result(stage)).profile for stage in stages.values()]


async def test_a_base_has_one_server_and_its_adapters_answer_there_by_their_names(
    tmp_path: Path, fake: FakeVllm
) -> None:
    schedule = await taught(tmp_path)
    assert not await carried_out(schedule)
    untouched, for_adapters = [" ".join(start["argv"]) for start in fake.starts()]
    assert f"--model {tmp_path / 'student'} " in untouched
    assert f"--model {tmp_path / 'student'} " in for_adapters
    assert "--enable-lora" not in untouched
    assert "--enable-lora --max-loras 1 --max-lora-rank 16 --lora-target-modules up" in for_adapters
    assert not fake.alive()
    base, *students = profiles(schedule)
    assert len(students) == 3, "two that were steered, and the control that they share"
    for one in students:
        assert (one.endpoint.model, one.endpoint.engine, one.endpoint.url) == (base.endpoint.model, "vllm", None)
        assert one.endpoint.adapter
        name = adapter.digest(Path(one.endpoint.adapter))[:16]
        assert json.loads(one.fingerprint.served) == {"id": name, "root": one.endpoint.adapter}
    assert base.endpoint.adapter is None
    assert "adapter" not in base.endpoint.model_dump()
    assert len({one.fingerprint.id for one in (base, *students)}) == 4
    assert len({repr(one.estimates) for one in (base, *students)}) == 4
    assert all(outcome.change for outcome in StudyResults(schedule).findings().outcomes)


async def test_a_student_that_can_not_stay_an_adapter_is_merged_and_has_resources_of_its_own(
    tmp_path: Path, fake: FakeVllm
) -> None:
    tiny.checkpoint(tmp_path / "whole", "llama", seed=3)
    own = {"recipe": {"merge": True, "lr": 1e-3}, "resources": {"profile": {"processors": 2}}}
    schedule = await taught(tmp_path, students=["student", "whole"], per_student={"whole": own})
    kept = {name: {stage.wants for stage in schedule.stages if name in stage.title} for name in ("student", "whole")}
    assert {(one.engine, one.processors) for one in kept["whole"]} == {("local", 1), ("local", 2)}
    assert not await carried_out(schedule)
    found = [one.endpoint for one in profiles(schedule)]
    assert {one.engine for one in found if one.adapter} == {"vllm"}
    assert len([one for one in found if one.adapter]) == 3
    merged = [one for one in found if f"{tmp_path}/study/students/" in one.model]
    assert [(one.engine, one.adapter) for one in merged] == [("local", None)] * 3
    assert {schedule.study.taught(name, "d", "o", 0).lr for name in schedule.study.students} == {2e-4, 1e-3}


async def test_a_server_that_dies_is_started_again_and_the_adapter_is_loaded_anew(
    tmp_path: Path, fake: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.endpoints.openai.engine.RetryLimits", lambda: HASTY)
    schedule = await taught(tmp_path)
    # The untouched student's 8 questions are fewer; of the three others the last is asked its own when it dies.
    fake.told(dies=0, asked=20, falls=2, exit=1, says="RuntimeError: gone", script={"latency": 0.05})
    assert not await carried_out(schedule)
    assert len(fake.starts()) == 3
    assert [(one.errors, one.sections[0].items) for one in profiles(schedule)] == [(0, 8)] * 4


async def test_an_adapter_that_vllm_refuses_fails_alone(tmp_path: Path, fake: FakeVllm) -> None:
    schedule = await taught(tmp_path)
    refused = next(path for path in schedule.workspace.folder.glob("students/*/adapter"))
    fake.told(script={"faults": [{"kind": "400", "match": str(refused), "says": "no such module"}]})
    failed = await carried_out(schedule)
    assert [stage.kind for stage in failed] == ["profile"]
    (why,) = failed.values()
    assert f"vLLM can't load the adapter {str(refused)!r}" in why.words
    assert "no such module" in why.words
    assert len([*schedule.workspace.folder.glob("stages/profile-*")]) == 3
    fake.told()
    assert not await carried_out(Schedule.of(schedule.study))


@pytest.mark.slow
async def test_a_process_of_its_own_takes_up_all_that_share_a_server(tmp_path: Path, fake: FakeVllm) -> None:
    schedule = await taught(tmp_path)
    done = await inherit("study", tmp_path / "study.json", "--at-once", "2")
    assert done.code == 0, done.err
    assert len(fake.starts()) <= 2
    assert len({one.endpoint.adapter for one in profiles(schedule)}) == 4


def test_an_adapter_that_was_trained_anew_is_another_model_wherever_it_lies(tmp_path: Path) -> None:
    written(tmp_path)

    def known(folder: str, seed: int, **settings: object) -> str:
        made = study.adapter(tmp_path / folder, seed)
        told = json.loads((made / "adapter_config.json").read_text("utf-8"))
        (made / "adapter_config.json").write_text(json.dumps(told | settings), "utf-8")
        return weights(Endpoint(model=str(tmp_path / "student"), adapter=str(made)))

    first = known("a", 1, target_modules=["up", "down"], base_model_name_or_path="here")
    assert known("b", 1, target_modules=["down", "up"], base_model_name_or_path="there") == first
    assert known("a", 2, target_modules=["up", "down"]) != first
    assert known("a", 1, target_modules=["up", "down"], lora_alpha=2) != first
    assert weights(Endpoint(model=str(tmp_path / "student"))) in first


async def test_an_adapter_of_the_head_is_refused_before_a_server_starts(tmp_path: Path, fake: FakeVllm) -> None:
    written(tmp_path)
    made = study.adapter(tmp_path / "terse", 1)
    settings = {"r": 8, "target_modules": ["up", "lm_head"], "base_model_name_or_path": str(tmp_path / "student")}
    (made / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    done = await inherit("profile", made, "--engine", "vllm", "--prompts", asked(tmp_path))
    assert done.code == 2
    assert f"{str(made)!r} changes lm_head" in done.err
    assert not fake.starts()


async def test_an_adapter_is_profiled_with_the_base_that_it_names(tmp_path: Path, fake: FakeVllm) -> None:
    written(tmp_path)
    made = study.adapter(tmp_path / "terse", 1, rank=20)
    settings = {"r": 20, "base_model_name_or_path": str(tmp_path / "student")}
    (made / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    words = ("--engine", "vllm", "--prompts", asked(tmp_path), "--max-tokens", 8)
    done = await inherit("profile", made, *words)
    assert done.code == 0, done.err
    assert "--enable-lora --max-loras 1 --max-lora-rank 32" in " ".join(fake.starts()[0]["argv"])
    run = sample_store.load("latest")
    assert (run.profile.endpoint.model, run.profile.endpoint.adapter) == (str(tmp_path / "student"), str(made))
    assert f"{tmp_path / 'student'} with the adapter {made}" in (run.folder / "report.html").read_text("utf-8")
    assert profile_command(run.profile)[:5] == ["inherit", "profile", str(made), "--engine", "vllm"]

"""A study's stages as a graph: side by side where there is room, a failure alone, and nothing done twice."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from profiler.endpoints import SharedServer
from profiler.errors import EndpointDown, WrongUse
from profiler.files import locked
from profiler.places import Task
from profiler.places.here import Processes
from profiler.study import carry_out, plan
from profiler.study.graph import Failures
from profiler.study.plan import Study, study_of
from profiler.study.report import stages_text
from profiler.study.stage import Kind, Resources, Stage, Workspace
from profiler.study.stage_order import Schedule
from tests.support import stages
from tests.support.command import inherit
from tests.support.study import written
from tests.support.wire import serving


def quiet(*_: object) -> None:
    """What nobody listens to."""


class Plan:
    """Stages made by hand, and which of them were done."""

    def __init__(self, folder: Path) -> None:
        self.space = Workspace(folder)
        self.done: list[str] = []
        self.stages: list[Stage] = []

    def stage(
        self,
        kind: Kind,
        title: str,
        needs: tuple[Stage, ...] = (),
        work: Callable[[], object] = quiet,
        same: str = "",
        asks: bool = False,
        server: SharedServer | None = None,
    ) -> Stage:
        def does(key: str, say: object) -> Path:
            work()
            self.done.append(title)
            (self.space.folder / key).touch()
            return self.space.folder / key

        made = Stage(kind, title, lambda: {"what": same or title}, does, needs, asks=asks, server=server)
        self.stages.append(made)
        return made

    @property
    def schedule(self) -> Schedule:
        return Schedule(stages.study(self.space.folder, 1), self.space, self.stages, [], {})


@pytest.fixture
def made(tmp_path: Path) -> Plan:
    return Plan(tmp_path)


def fails() -> None:
    raise EndpointDown("'one' went away")


def test_a_stage_that_fails_fails_alone_and_only_what_needs_it_waits(made: Plan) -> None:
    one, two = made.stage("sample", "one", work=fails), made.stage("sample", "two")
    first = made.stage("train", "of one", (one,))
    made.stage("train", "of two", (two,))
    failed = carry_out(made.schedule, quiet, quiet)
    assert made.done == ["two", "of two"]
    assert {stage.title: failure.words for stage, failure in failed.items()} == {"one": "'one' went away"}
    assert made.schedule.states()[one] == "failed"
    assert made.schedule.states()[first] == "waits"
    told = stages_text(made.schedule.plan())
    assert "'one' went away" in told
    assert "for sample one" in told
    assert "2 done, 1 failed, 1 waits" in told


def test_a_stage_that_failed_is_tried_again_by_the_next_call(made: Plan) -> None:
    made.stage("sample", "one", work=fails)
    assert carry_out(made.schedule, quiet, quiet)
    made.stages.clear()
    made.stage("sample", "one")
    assert not carry_out(made.schedule, quiet, quiet)
    assert [step.state for step in made.schedule.plan()] == ["done"]


def test_stages_that_only_ask_servers_are_asked_at_once(made: Plan) -> None:
    both = threading.Barrier(2, timeout=60)
    made.stage("sample", "one", work=both.wait, asks=True)
    made.stage("sample", "two", work=both.wait, asks=True)
    assert not carry_out(made.schedule, quiet, quiet)
    assert {*made.done} == {"one", "two"}


def test_two_stages_that_turn_out_to_be_the_same_are_done_once(made: Plan) -> None:
    asked = made.stage("sample", "one")
    for title in ("random of one", "random of one, too"):
        made.stage("train", title, (asked,), same="alike")
    assert not carry_out(made.schedule, quiet, quiet)
    assert made.done == ["one", "random of one"]


class Closed(SharedServer):
    """A server that nobody reaches; says how often it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def close(self) -> None:
        self.times += 1


def test_stages_of_one_server_are_done_while_it_runs_and_one_that_fails_fails_alone(made: Plan) -> None:
    base, other = Closed(), Closed()
    trained = made.stage("train", "one")
    for title, server, work in (
        ("one", base, quiet),
        ("two", other, quiet),
        ("bad", base, fails),
        ("four", base, quiet),
    ):
        made.stage("profile", title, (trained,), work, server=server)
    failed = carry_out(made.schedule, quiet, quiet)
    assert made.done == ["one", "one", "four", "two"]
    assert (base.times, other.times) == (1, 1)
    assert [stage.title for stage in failed] == ["bad"]
    made.stages[3].work = made.stages[0].work
    assert not carry_out(made.schedule, quiet, quiet), "what failed is tried again"


def test_a_student_that_is_late_keeps_no_other_waiting_and_is_taken_up_by_the_server_that_runs(made: Plan) -> None:
    base = Closed()
    in_time = made.stage("train", "in time")
    made.stage("profile", "of in time", (in_time,), lambda: made.space.do(made.stages[2], quiet), server=base)
    late = made.stage("train", "late", (in_time,))
    later = made.stage("train", "later", (late,))
    made.stage("profile", "of late", (late,), server=base)
    made.stage("profile", "of later", (later,), server=base)
    assert not carry_out(made.schedule, quiet, quiet)
    assert made.done == ["in time", "late", "of in time", "of late", "later", "of later"]
    assert base.times == 2


def dies(study: Study, number: int, where: str, data: Path | None) -> Failures:
    os._exit(3)


@pytest.mark.slow
def test_where_the_process_of_a_server_dies_again_and_again_all_that_waited_for_it_have_failed(made: Plan) -> None:
    base = Closed()
    for title in ("one", "two"):
        made.stage("profile", title, server=base)
    schedule = replace(made.schedule, study=made.schedule.study.model_copy(update={"at_once": 2}))
    failed = carry_out(schedule, quiet, quiet, dies)
    assert {stage.title for stage in failed} == {"one", "two"}
    assert {failure.words for failure in failed.values()} == {
        "profile one: its process died 4 times (the last with 3); what is done is kept: run the same command again to "
        "resume"
    }


def test_a_stage_that_somebody_is_at_is_seen_to_run_and_is_waited_for(made: Plan) -> None:
    stage = made.stage("sample", "one")
    lock = locked(made.space.folder / "at-work" / f"sample-{stage.key}.lock")
    assert made.schedule.states()[stage] == "running"

    def end() -> None:
        (made.space.folder / stage.key).touch()
        other = Plan(made.space.folder)
        record = {"kind": "sample", "title": "one", "key": stage.key, "inputs": {}, "result": stage.key, "seconds": 1.0}
        (made.space.folder / "stages").mkdir()
        other.space.path(stage).write_text(json.dumps(record), "utf-8")
        lock.release()

    threading.Timer(0.3, end).start()
    assert not carry_out(made.schedule, quiet, quiet)
    assert made.done == [], "the other has done it"


@pytest.mark.slow
async def test_the_command_goes_on_where_a_teacher_is_gone_and_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.student.NEEDED", ())
    async with serving() as one:
        teachers = [
            {"model": "wire", "url": one.url, "name": "one"},
            {"model": "wire", "url": "http://127.0.0.1:9/v1", "name": "gone"},
        ]
        few = {"teachers": teachers, "profile": [{"probe": "ability", "suite": "mini", "limit": 2}], "guard": {}}
        aims = {"length": {"goals": ["max:words"], "report": "ability.acc_mean"}}
        path = written(tmp_path, objectives=aims, **few)
        done = await inherit("study", path)
        assert done.code == 1
        assert (
            "stages failed, the same command tries them again. sample gone: went away: 'gone' after 0 of 16" in done.err
        )
        watched = await inherit("study", path, "--watch")
    lines = {line.split("  ")[0].strip(): line for line in watched.out.splitlines()}
    assert " failed " in lines["sample gone"]
    assert lines["sample one"].split()[-1] == "done"
    assert lines["profile base"].split()[-1] == "done"
    assert "for sample gone" in next(line for name, line in lines.items() if name.startswith("score"))


@pytest.mark.slow
async def test_processes_of_their_own_leave_the_same_bytes_as_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.student.NEEDED", ())
    left = []
    async with serving() as one:
        for name, more in (("alone", ()), ("several", ("--at-once", "2"))):
            (tmp_path / name).mkdir()
            teachers = [{"model": "wire", "url": one.url, "name": "one"}]
            aims = {"length": {"goals": ["max:words"], "report": "ability.acc_mean"}}
            few = {"profile": [{"probe": "ability", "suite": "mini", "limit": 2}], "guard": {}}
            path = written(tmp_path / name, objectives=aims, teachers=teachers, **few)
            await inherit(
                "study", path, *more
            )  # where nothing is installed that trains, trainings fail, and they alone
            out = tmp_path / name / "study"
            files = [*out.glob("stages/*"), *out.glob("pools/*/candidates/*/*"), *out.glob("selections/*/*.jsonl")]
            left.append({f.relative_to(out): f.read_bytes() for f in files if f.parent.name != "stages"})
            left[-1] |= {f.relative_to(out): b"" for f in files if f.parent.name == "stages"}
    assert left[0] == left[1]
    assert {path.name.partition("-")[0] for path in left[0]} >= {"profile", "sample", "score", "select"}


def test_places_of_this_machine_and_a_cluster_are_not_both_asked_for(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="`at_once` is for this machine"):
        plan.read_study(written(tmp_path), on="slurm", at_once=2)
    with pytest.raises(WrongUse, match="--on: expected here, ray"):
        plan.read_study(written(tmp_path), on="moon")


def test_what_a_stage_wants_is_read_and_a_wrong_kind_is_refused(tmp_path: Path) -> None:
    fields = {**stages.study(tmp_path, 1).model_dump(), "arms": ["single"]}
    read = study_of({**fields, "resources": {"train": {"gpus": 2}}}, tmp_path / "study.json")
    assert read.resources["train"].gpus == 2
    with pytest.raises(WrongUse, match="resources"):
        study_of({**fields, "resources": {"teach": {"gpus": 2}}}, tmp_path / "study.json")


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ({"score": {"processes": 2}}, "`resources.score.processes` is for trainings alone"),
        ({"train": {"processes": 3}}, "a batch of 8 can't be shared evenly by 3 processes"),
        ({"train": {"engine": "vllm"}}, "`resources.train.engine` is for profiles and preferences"),
        ({"profile": {"engine": "ollama"}}, "resources.*engine"),
    ],
)
def test_what_only_some_stages_can_have_is_refused_for_the_others(
    resources: dict[str, object], why: str, tmp_path: Path
) -> None:
    with pytest.raises(WrongUse, match=why):
        plan.read_study(written(tmp_path), resources=resources)


def test_more_gpus_for_a_stage_than_there_are_are_refused_before_anything_runs(
    made: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    made.stage("train", "big").wants = Resources(gpus=2)
    schedule = replace(made.schedule, study=made.schedule.study.model_copy(update={"at_once": 2}))
    with pytest.raises(WrongUse, match="a task wants 2 GPUs, and this machine has 1"):
        carry_out(schedule, quiet, quiet)


def devices_of(folder: Path, name: str) -> str:
    """The devices of this process; the first one waits until both are there, the mortal is killed once."""
    (folder / name).touch()
    if name == "mortal" and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    until = time.monotonic() + 60
    while len([*folder.glob("[ab]")]) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    return os.environ["CUDA_VISIBLE_DEVICES"]


@pytest.mark.slow
def test_processes_run_at_once_with_devices_of_their_own_and_a_killed_one_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    told: dict[str, str] = {}
    with Processes(2).open() as site:
        site.begin([Task(name, devices_of, (tmp_path, name), gpus=1) for name in ("a", "b", "mortal")])
        while len(told) < 3:
            told |= {task.name: said for task, said in site.ended()}
    assert {told["a"], told["b"]} == {"3", "5"}
    assert told["mortal"] in ("3", "5")
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
def test_what_runs_when_its_driver_is_killed_ends_and_the_next_driver_takes_it_up(tmp_path: Path) -> None:
    environment = {"INHERIT_TEST_SECONDS": "2", "INHERIT_TEST_TRAININGS": "4"}
    stages.driven_twice(tmp_path, "3", running=3, **environment)

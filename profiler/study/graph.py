"""A study's stages as a graph: what needs nothing that is missing runs, side by side where there is room."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

from profiler.datasets import folder, found_in
from profiler.endpoints import SharedServer
from profiler.files import write_whole
from profiler.places import HERE, Failure, Processes, Site, Task, ThisProcess, attempted, place_at
from profiler.study.plan import Study
from profiler.study.stage import Say, Stage
from profiler.study.stage_order import Schedule

Began = Callable[[Stage, int, int], None]
"""Is told of a stage that is begun, the how manieth it is, and of how many."""


Failures = dict[int, Failure]
"""By the stage's place in the schedule."""


def do_stage(study: Study, number: int, where: str, data: Path | None) -> Failures:
    """Do one stage of a study, and those that share its server, as the whole work of this process."""
    os.chdir(where)  # files that the study names are seen from there
    with found_in(data):
        return do_sharing(Schedule.of(study), number, lambda *_: None)


def do_sharing(schedule: Schedule, number: int, say: Say) -> Failures:
    """Do a stage, then those that share its server and are ready, one after the other until none is."""
    failed: Failures = {}
    server = schedule.stages[number].server
    with closing(server) if server else nullcontext():
        while True:
            stage = schedule.stages[number]
            if isinstance(told := attempted(Task(stage.name, schedule.workspace.do, (stage, say))), Failure):
                failed[number] = told
            if server is None or (following := next(_sharing(schedule, server, failed), None)) is None:
                return failed
            number = following


def _sharing(schedule: Schedule, server: SharedServer, failed: Failures) -> Iterator[int]:
    """The stages of a server that can be done now, but for those that FAILED."""
    space, tried = schedule.workspace, {schedule.stages[number].key for number in failed}
    for number, stage in enumerate(schedule.stages):
        ready = stage.server is server and all(map(space.done, stage.needs)) and stage.key not in tried
        if ready and not space.record(stage) and space.unfinished(stage) == "to do":
            yield number


def carry_out(
    schedule: Schedule, say: Say, began: Began, work: Callable[[Study, int, str, Path | None], Failures] = do_stage
) -> dict[Stage, Failure]:
    """Do what is not done, and give the stages that failed; stopped at any moment, it resumes from there.

    WORK does a stage in another process.
    """
    study, workspace = schedule.study, schedule.workspace
    alone = study.on == HERE and study.at_once == 1
    place = ThisProcess() if alone else place_at(study.on) or Processes(study.at_once, schedule.gpus)
    with workspace.lock(), place.open() as site:
        write_whole(workspace.folder / "settings.json", study.model_dump_json(indent=1).encode() + b"\n")
        return Graph(schedule, site, say, began, None if alone else work).walk()


class Graph:
    """The stages of a study while they are carried out."""

    def __init__(
        self, schedule: Schedule, site: Site, say: Say, began: Began, work: Callable[..., Failures] | None
    ) -> None:
        self.schedule, self.workspace, self.site = schedule, schedule.workspace, site
        self.say, self.began = say, began
        self.work = work
        """Does a stage elsewhere; None in this process."""
        self.left = [*schedule.stages]
        """Those that are not known to be done, each after what it needs."""
        self.running: dict[int, tuple[Task, list[Stage]]] = {}
        """By the task's identity, each with the stage that it began with and those that share its server."""
        self.failed: dict[Stage, Failure] = {}

    def walk(self) -> dict[Stage, Failure]:
        """Until nothing is left that can be done."""
        while True:
            foreign = self._begin()
            if not self.running and not foreign:
                return self.failed
            for task, told in self.site.ended():
                _, stages = self.running.pop(id(task))
                for stage, failure in self._failures(stages, told).items():
                    self._fail(stage, failure)
            for stage in self._at_it() if self.work else ():
                if news := self.workspace.news(stage):
                    self.say(news.what, news.done, news.total, news.words)

    def _at_it(self) -> list[Stage]:
        """The stages of all tasks that run."""
        return [stage for _, stages in self.running.values() for stage in stages]

    def _failures(self, stages: Sequence[Stage], told: Failures | Failure) -> Mapping[Stage, Failure]:
        """What failed of a task with these stages: all that is not done where the task itself did."""
        if isinstance(told, Failure):
            return {stage: told for stage in stages if not self.workspace.record(stage)}
        return {self.schedule.stages[number]: failure for number, failure in told.items()}

    def _fail(self, stage: Stage, failure: Failure) -> None:
        self.failed[stage] = failure
        self.workspace.fail(stage, failure.words)

    def _begin(self) -> bool:
        """Hand over what can be done now; says whether somebody is at some of it already, begun by a killed study."""
        busy = {stage.key for stage in (*self.failed, *self._at_it())}
        missing: set[Stage] = set()
        ready: list[Stage] = []
        foreign: list[Stage] = []
        for stage in self.left:
            if not missing.isdisjoint(stage.needs) or stage.key in busy:
                missing.add(stage)
            elif not self.workspace.record(stage):
                missing.add(stage)
                busy.add(stage.key)
                at_work = self.work and not self._beside(stage) and self.workspace.at_work(stage)
                (foreign if at_work else ready).append(stage)
        theirs = {stage.server for stage in foreign if stage.server}
        begun = [task for stage in ready if stage.server not in theirs and (task := self._task(stage))]
        self.left = [stage for stage in self.left if stage in missing]
        if begun or not missing:
            plan = self.schedule.graph().model_dump_json(indent=1)  # for who looks at the study
            write_whole(self.workspace.folder / "plan.json", plan.encode() + b"\n")
        self.site.begin(begun)
        return bool(foreign)

    def _beside(self, stage: Stage) -> list[Stage] | None:
        """The stages of the task that has the server of this one."""
        groups = (stages for _, stages in self.running.values() if stage.server and stages[0].server is stage.server)
        return next(groups, None)

    def _task(self, stage: Stage) -> Task | None:
        """The piece of work that a stage is; None where it is done by the one that has its server already."""
        study, number = self.schedule.study, self.schedule.stages.index(stage)
        self.began(stage, number + 1, len(self.schedule.stages))
        self.workspace.forget(stage)
        if others := self._beside(stage):
            others.append(stage)
            return None
        gpus, processors = (0.0, 0) if stage.asks else (stage.wants.gpus, stage.wants.processors)
        if self.work:
            given = study, number, str(Path.cwd()), folder()
            task = Task(stage.name, self.work, given, gpus, processors, outlives=True)
        else:
            task = Task(stage.name, do_sharing, (self.schedule, number, self.say), gpus, processors)
        self.running[id(task)] = task, [stage]
        return task

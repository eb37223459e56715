"""A study's stages as a graph: what needs nothing that is missing runs, side by side where there is room."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from profiler.datasets import folder, found_in
from profiler.files import write_whole
from profiler.places import HERE, Failure, Processes, Site, Task, ThisProcess, place_at
from profiler.study.plan import Study
from profiler.study.stage import Say, Stage
from profiler.study.stage_order import Schedule

Began = Callable[[Stage, int, int], None]
"""Is told of a stage that is begun, the how manieth it is, and of how many."""


def do_stage(study: Study, number: int, where: str, data: Path | None) -> None:
    """Do one stage of a study, as the whole work of this process."""
    os.chdir(where)  # files that the study names are seen from there
    with found_in(data):
        schedule = Schedule.of(study)
        schedule.workspace.do(schedule.stages[number], lambda *_: None)


def carry_out(
    schedule: Schedule, say: Say, began: Began, work: Callable[[Study, int, str, Path | None], None] = do_stage
) -> dict[Stage, Failure]:
    """Do what is not done, and give the stages that failed; stopped at any moment, it resumes from there.

    WORK does a stage in another process.
    """
    study, workspace = schedule.study, schedule.workspace
    most = max((wants.gpus for wants in study.resources.values()), default=0.0)
    alone = study.on == HERE and study.at_once == 1
    place = ThisProcess() if alone else place_at(study.on) or Processes(study.at_once, most)
    with workspace.lock(), place.open() as site:
        write_whole(workspace.folder / "settings.json", study.model_dump_json(indent=1).encode() + b"\n")
        return Graph(schedule, site, say, began, None if alone else work).walk()


class Graph:
    """The stages of a study while they are carried out."""

    def __init__(
        self, schedule: Schedule, site: Site, say: Say, began: Began, work: Callable[..., None] | None
    ) -> None:
        self.schedule, self.workspace, self.site = schedule, schedule.workspace, site
        self.say, self.began = say, began
        self.work = work
        """Does a stage elsewhere; None in this process."""
        self.left = [*schedule.stages]
        """Those that are not known to be done, each after what it needs."""
        self.running: dict[int, tuple[Task, Stage]] = {}
        """By the task's identity."""
        self.failed: dict[Stage, Failure] = {}

    def walk(self) -> dict[Stage, Failure]:
        """Until nothing is left that can be done."""
        while True:
            foreign = self._begin()
            if not self.running and not foreign:
                return self.failed
            for task, told in self.site.ended():
                _, stage = self.running.pop(id(task))
                if isinstance(told, Failure):
                    self._fail(stage, told)
            for _, stage in self.running.values() if self.work else ():
                if news := self.workspace.news(stage):
                    self.say(news.what, news.done, news.total, news.words)

    def _fail(self, stage: Stage, failure: Failure) -> None:
        self.failed[stage] = failure
        self.workspace.fail(stage, failure.words)

    def _begin(self) -> bool:
        """Hand over what can be done now; says whether somebody is at some of it already, begun by a killed study."""
        busy = {stage.key for stage in (*self.failed, *(stage for _, stage in self.running.values()))}
        missing: set[Stage] = set()
        begun: list[Task] = []
        foreign = False
        for stage in self.left:
            if not missing.isdisjoint(stage.needs) or stage.key in busy:
                missing.add(stage)
            elif not self.workspace.record(stage):
                missing.add(stage)
                busy.add(stage.key)
                if self.work and self.workspace.at_work(stage):
                    foreign = True
                else:
                    begun.append(self._task(stage))
        self.left = [stage for stage in self.left if stage in missing]
        if begun or not missing:
            plan = self.schedule.graph().model_dump_json(indent=1)  # for who looks at the study
            write_whole(self.workspace.folder / "plan.json", plan.encode() + b"\n")
        self.site.begin(begun)
        return foreign

    def _task(self, stage: Stage) -> Task:
        """The piece of work that a stage is."""
        study, number = self.schedule.study, self.schedule.stages.index(stage)
        self.began(stage, number + 1, len(self.schedule.stages))
        wants = study.wants(stage.kind)
        gpus, processors = (0.0, 0) if stage.asks else (wants.gpus, wants.processors)
        if self.work:
            given = study, number, str(Path.cwd()), folder()
            task = Task(stage.name, self.work, given, gpus, processors, outlives=True)
        else:
            task = Task(stage.name, self.workspace.do, (stage, self.say), gpus, processors)
        self.running[id(task)] = task, stage
        return task

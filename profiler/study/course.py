"""The course of a study: which stages there are, in which order, and what each student comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from profiler.records import Record
from profiler.study.plan import Arm, Study
from profiler.study.record import Pupil
from profiler.study.stage import Desk, Done, Say, Stage, State
from profiler.study.stages import Chosen, Stages

FILES: dict[Arm, str] = {
    "first": "first",
    "random": "random",
    "single": "chosen",
    "multi": "chosen",
    "multi-random": "random",
    "equal": "equal",
}
"""Arm → which of a selection's data sets it is taught."""
ALONE: tuple[Arm, ...] = ("first", "random", "single")
"""Arms of one teacher."""


@dataclass(frozen=True)
class Part:
    """A student of one arm, and the stages that make it."""

    pupil: Pupil
    profile: Stage
    train: Stage | None = None
    select: Stage | None = None


class Laid(NamedTuple):
    """A study, laid out: what is to do, and what comes of it."""

    stages: list[Stage]
    parts: list[Part]
    judges: dict[str, Stage]


class Step(Record):
    """A stage as a plan lists it."""

    kind: str
    title: str
    state: State
    size: dict[str, float]
    """What it costs at most: prompts, candidates, tokens, items, money."""
    shared: bool = False


@dataclass
class Course:
    """A study, laid out."""

    study: Study
    desk: Desk

    @classmethod
    def of(cls, study: Study) -> Course:
        return cls(study, Desk(Path(study.out)))

    @property
    def stages(self) -> list[Stage]:
        """Every stage, each after what it needs."""
        return self._laid.stages

    @property
    def parts(self) -> list[Part]:
        """Every student, the untouched ones first."""
        return self._laid.parts

    @property
    def judges(self) -> dict[str, Stage]:
        """Teacher → the stage in which it is asked what it prefers."""
        return self._laid.judges

    @cached_property
    def _laid(self) -> Laid:
        make, study = Stages(self.study, self.desk), self.study
        bases = [
            Part(Pupil(student=student, arm="base"), make.profile(student, "base", None)) for student in study.students
        ]
        sampled = make.sampling()
        scored = make.score(sampled)
        selects: dict[Chosen, Stage] = {}
        parts: list[Part] = []
        for pupil in (pupil for student in study.students for pupil in self._taught(student)):
            chosen = Chosen(str(pupil.objective), pupil.sources, pupil.seed)
            if chosen not in selects:
                selects[chosen] = make.select(chosen, scored)
            title = named(pupil, study)
            train = make.train(pupil.student, FILES[pupil.arm], pupil.seed, title, selects[chosen])
            parts.append(Part(pupil, make.profile(pupil.student, title, train), train, selects[chosen]))
        taught = [stage for part in parts if part.train for stage in (part.train, part.profile)]
        untouched = [part.profile for part in bases]
        judges = {teacher.name: asked for teacher in study.asked if (asked := make.preferences(teacher))}
        stages = [*untouched, *sampled, scored, *selects.values(), *taught, *judges.values()]
        return Laid(stages, [*bases, *parts], judges)

    def _taught(self, student: str) -> Iterator[Pupil]:
        """Controls first: what they share is then seen to be done."""
        every = tuple(teacher.name for teacher in self.study.asked)
        for seed in self.study.seeds:
            for arm in sorted(set(self.study.arms) - {"base"}, key=list(FILES).index):
                groups = [(name,) for name in self.study.single or every] if arm in ALONE else [every]
                for sources in groups:
                    for objective in self.study.objectives:
                        yield Pupil(student=student, arm=arm, objective=objective, sources=sources, seed=seed)

    def plan(self) -> list[Step]:
        """What is done and what is to do, the same thing once; nothing is asked of any model."""
        states = {stage: self.desk.state(stage) for stage in self.stages}
        known = {stage: stage.key for stage, state in states.items() if state != "waits"}
        same = {known.get(stage, str(id(stage))): stage for stage in reversed(states)}
        return [
            Step(kind=stage.kind, title=stage.title, state=state, size=dict(stage.size), shared=stage.shared)
            for stage, state in states.items()
            if stage in same.values()
        ]

    def run(self, say: Say, began: Callable[[Stage, int, int], None]) -> list[Done]:
        """Do what is not done, in order; stopped at any moment, it goes on from there."""
        made = []
        with self.desk.held():
            for place, stage in enumerate(self.stages, 1):
                if not self.desk.done(stage):
                    began(stage, place, len(self.stages))
                made.append(self.desk.do(stage, say))
        return made


def named(pupil: Pupil, study: Study) -> str:
    """A student's name among all of a study's."""
    model = f"{Path(pupil.student).name}: " if len(study.students) > 1 else ""
    seed = f", seed {pupil.seed}" if len(study.seeds) > 1 else ""
    return f"{model}{pupil.title}{seed}"

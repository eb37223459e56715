"""The schedule of a study: which stages there are, in which order, and what each student comes from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Self

from profiler.endpoints.vllm import installed
from profiler.errors import StoreError
from profiler.places import HERE, refuse_lack
from profiler.records import Record
from profiler.study.plan import ARMS, Study
from profiler.study.records import Pupil
from profiler.study.stage import Kind, Stage, State, Workspace
from profiler.study.stages import Stages
from training import ready


@dataclass(frozen=True)
class PupilStages:
    """A student of one arm, and the stages that make it."""

    pupil: Pupil
    profile: Stage
    train: Stage | None = None
    select: Stage | None = None


class Step(Record):
    """A stage as a plan lists it."""

    kind: str
    title: str
    state: State
    size: dict[str, float]
    """What it costs at most: prompts, candidates, tokens, items, money."""
    shared: bool = False
    waits_for: tuple[str, ...] = ()
    news: str = ""
    """How far it is, or why it failed."""


class StageNode(Record):
    """A stage of a study, and what it needs."""

    kind: Kind
    title: str
    key: str | None
    """Under which it is done; null as long as it waits for others."""
    state: State
    needs: tuple[str, ...]
    """KIND TITLE of each."""
    news: str = ""
    """How far it is, or why it failed."""


class StageGraph(Record):
    """The stages of a study as they were when one was last begun; plan.json."""

    stages: tuple[StageNode, ...]

    def now(self, folder: Path) -> Self:
        """As they are now, in the study's FOLDER."""
        return self.model_copy(update={"stages": tuple(_now(node, Workspace(folder)) for node in self.stages)})


def _now(node: StageNode, workspace: Workspace) -> StageNode:
    if node.key is None:
        return node
    stage = Stage(node.kind, node.title, dict, lambda key, say: Path())
    stage.__dict__["key"] = node.key
    news = workspace.news(stage)
    state: State = "done" if workspace.path(stage).is_file() else workspace.unfinished(stage)
    return node.model_copy(update={"state": state, "news": news.line if news and state != "done" else ""})


@dataclass(frozen=True)
class Schedule:
    """A study, laid out: what is to do, and what comes of it."""

    study: Study
    workspace: Workspace
    stages: list[Stage]
    """Every stage, each after what it needs."""
    pupils: list[PupilStages]
    """Every student, the untouched ones first."""
    judges: dict[str, Stage]
    """Teacher → the stage in which it is asked what it prefers."""

    @classmethod
    def of(cls, study: Study) -> Schedule:
        workspace = Workspace(Path(study.out))
        make = Stages(study, workspace)
        bases = [
            PupilStages(Pupil(student=student, arm="base"), make.profile(student, "base", None))
            for student in study.students
        ]
        sampled = [make.sample(teacher) for teacher in study.asked]
        scored = make.score(sampled)
        selects: dict[tuple[object, ...], Stage] = {}
        taught: list[PupilStages] = []
        for pupil in (pupil for student in study.students for pupil in pupils(study, student)):
            choice = (pupil.objective, pupil.sources, pupil.seed, pupil.best_of)
            if choice not in selects:
                selects[choice] = make.select(pupil, scored)
            title = pupil.among(study.students, study.seeds, pupil.title)
            train = make.train(pupil, title, selects[choice])
            taught.append(PupilStages(pupil, make.profile(pupil.student, title, train), train, selects[choice]))
        judges = {teacher.name: asked for teacher in study.asked if (asked := make.preferences(teacher))}
        untouched = [made.profile for made in bases]
        teaching = [stage for made in taught if made.train for stage in (made.train, made.profile)]
        stages = [*untouched, *sampled, scored, *selects.values(), *teaching, *judges.values()]
        return cls(study, workspace, stages, [*bases, *taught], judges)

    @property
    def gpus(self) -> float:
        """The most that a stage wants where it runs."""
        return max((stage.wants.gpus for stage in self.stages if not stage.asks), default=0.0)

    def states(self) -> dict[Stage, State]:
        """How far each stage is. Each stands after what it needs, so that each record is read once."""
        found: dict[Stage, State] = {}
        for stage in self.stages:
            if any(found[need] != "done" for need in stage.needs):
                found[stage] = "waits"
            else:
                found[stage] = "done" if self.workspace.record(stage) else self.workspace.unfinished(stage)
        return found

    def plan(self) -> list[Step]:
        """What is done and what is to do, the same thing once; nothing is asked of any model."""
        states = self.states()
        known = {stage: stage.key for stage, state in states.items() if state != "waits"}
        same = {known.get(stage, str(id(stage))): stage for stage in reversed(states)}
        return [
            Step(
                kind=stage.kind,
                title=stage.title,
                state=state,
                size=dict(stage.size),
                shared=stage.shared,
                waits_for=tuple(need.name for need in stage.needs if states[need] != "done"),
                news=self._news(stage) if state in ("running", "failed") else "",
            )
            for stage, state in states.items()
            if stage in same.values()
        ]

    def graph(self) -> StageGraph:
        """Every stage with what it needs; what is the same thing stands in it once."""
        states = self.states()
        known = {stage: None if state == "waits" else stage.key for stage, state in states.items()}
        first = {key or str(id(stage)): stage for stage, key in reversed(known.items())}

        def same(stage: Stage) -> Stage:
            return first[known[stage] or str(id(stage))]

        return StageGraph(
            stages=tuple(
                StageNode(
                    kind=stage.kind,
                    title=stage.title,
                    key=key,
                    state=states[stage],
                    needs=tuple(dict.fromkeys(same(need).name for need in stage.needs)),
                )
                for stage, key in known.items()
                if same(stage) is stage
            )
        )

    def _news(self, stage: Stage) -> str:
        news = self.workspace.news(stage)
        return news.line if news else ""

    def refuse_unready(self) -> None:
        """Refuse what would fail once candidates are paid: parts, students, GPUs and vLLM, room on the disk."""
        to_do = [made for made in self.pupils if made.train and not self.workspace.done(made.train)]
        students = {made.pupil.student for made in to_do}
        sizes = {student: ready(self.study.taught(student, "data", "out", 0)) for student in students}
        if self.study.on == HERE:
            refuse_lack(self.gpus)
            if any(stage.wants.engine == "vllm" for stage in self.stages if not stage.asks):
                installed.needed()
        # Trainings that may turn out to be the same are not counted, and an adapter is small.
        whole = [made.pupil.student for made in to_do if made.train and not made.train.shared]
        needed = sum(sizes[student] for student in whole if not self.study.stays_adapter(student))
        out = self.workspace.folder.absolute()
        there = next(folder for folder in (out, *out.parents) if folder.exists())
        if (free := shutil.disk_usage(there).free) < needed:
            raise StoreError(
                f"the students to train take at least {needed / 1e9:,.1f} GB, and {str(there)!r} has room for "
                f"{free / 1e9:,.1f}; make room, or choose another folder with `out`"
            )


def pupils(study: Study, student: str) -> Iterator[Pupil]:
    """Controls first: what they share is then seen to be done."""
    every = tuple(teacher.name for teacher in study.asked)
    for seed, arm in product(study.seeds, ARMS):
        if arm != "base" and arm in study.arms:
            groups = [(name,) for name in study.single or every] if ARMS[arm].alone else [every]
            for sources, objective, best_of in product(groups, study.objectives, (*study.fewer(student, arm), None)):
                which = {"objective": objective, "sources": sources, "best_of": best_of, "seed": seed}
                yield Pupil.model_validate({"student": student, "arm": arm, **which})

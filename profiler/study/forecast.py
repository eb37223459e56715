"""What a study takes: requests, tokens, hours of GPUs and money, before anything is loaded or paid for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple, assert_never

from pydantic import Field

from profiler.datasets import forbidding
from profiler.endpoints import Choose, Embed, Generate, Request, Weigh, here
from profiler.errors import NotAvailable
from profiler.probes import Preferences
from profiler.records import Record
from profiler.study.assumptions import Assumptions, KnownPrompts
from profiler.study.plan import ARMS, Study, StudyProbe
from profiler.study.records import Pupil
from profiler.study.stage import Kind, Stage
from profiler.study.stage_order import Schedule, pupils
from selection import Teacher, UniquePrompts

LOOK = 1000
"""Prompts whose length is looked at."""
COUNTS = ("stages", "requests", "read", "written", "taught")


class GpuHours(Record):
    """What work takes on one kind of GPU."""

    hours: float
    cost: float


class ModelWork(Record):
    """What one model does in stages of one kind."""

    kind: Kind
    model: str
    stages: int = 0
    requests: int = 0
    """Answers that are written and texts that are weighed."""
    read: int = 0
    """Tokens of prompts and of weighed texts."""
    written: int = 0
    """Tokens of answers."""
    taught: int = 0
    """Tokens that are trained on, as often as they are seen."""
    paid: float | None = None
    """What a server with a price takes; None for a model that needs GPUs of one's own."""
    gpus: dict[str, GpuHours] = Field(default_factory=dict)
    """By kind of GPU; empty where the model's size is not known, or somebody else's GPUs do it."""


class Forecast(Record):
    """What is left of a study to do."""

    works: tuple[ModelWork, ...]
    away: tuple[str, ...]
    """What is not on this machine, and so is reckoned with as the assumptions say."""
    unsized: tuple[str, ...]
    """Models whose size nothing tells: their hours are missing."""
    assumptions: Assumptions

    @property
    def gpus(self) -> dict[str, GpuHours]:
        """All of it, by kind of GPU."""
        return {name: _sum(work.gpus[name] for work in self.works if work.gpus) for name in self.assumptions.gpus}


def _sum(found: Iterable[GpuHours]) -> GpuHours:
    every = list(found)
    return GpuHours(hours=sum(one.hours for one in every), cost=sum(one.cost for one in every))


class Load(NamedTuple):
    """What is asked of a model."""

    requests: float
    characters: float
    """That it reads."""
    written: float
    """Tokens that it may write."""


def away(study: Study) -> list[str]:
    """Models that a stage would have to load, and that are not on this machine."""
    loaded = [*study.students, *(teacher.endpoint.model for teacher in study.asked if not teacher.endpoint.url)]
    return [model for model in dict.fromkeys(loaded) if here(model) is None]


def forecast(study: Study, told: Assumptions, schedule: Schedule | None = None) -> Forecast:
    """What a SCHEDULE still has to do; without one the whole study, of which nothing has to be on this machine."""
    made: dict[tuple[Kind, str, bool], ModelWork] = {}
    reckoning = Reckoning(study, told, schedule)
    for one in reckoning.works():
        key = one.kind, one.model, one.paid is None
        made[key] = _both(made[key], one) if key in made else one
    works = tuple(_priced(one, study, told) for one in made.values())
    return Forecast(
        works=works,
        away=tuple([] if schedule else [*away(study), *reckoning.absent]),
        unsized=tuple(dict.fromkeys(work.model for work in works if not work.gpus and work.paid is None)),
        assumptions=told,
    )


@dataclass(frozen=True)
class Reckoning:
    """What each stage of a study takes, one after the other."""

    study: Study
    told: Assumptions
    schedule: Schedule | None

    def works(self) -> Iterator[ModelWork]:
        """Of what is not done; what several arms share is one training."""
        study, done = self.study, self._done
        taught = (pupil for student in study.students for pupil in pupils(study, student))
        shared: set[tuple[object, ...]] = set()
        for pupil in (*(Pupil(student=student, arm="base") for student in study.students), *taught):
            if (same := self._same(pupil)) not in shared:
                shared.add(same)
                if pupil.arm != "base" and ("train", pupil) not in done:
                    yield self._training(pupil)
                if ("profile", pupil) not in done:
                    yield self._work("profile", pupil.student, self._loads.values())
        for teacher in study.asked:
            if ("sample", teacher.name) not in done:
                yield self._sampling(teacher)
            if Preferences.name in self._loads and ("preferences", teacher.name) not in done:
                yield self._work("preferences", teacher.endpoint.model, [self._loads[Preferences.name]], teacher)

    @cached_property
    def absent(self) -> list[str]:
        """Sets that are not read: the assumptions say how large they are."""
        prompts = [self.study.prompts] if not self.schedule and self.study.prompts in self.told.prompts else []
        return [*prompts, *(f"the data of {name}" for name in self._unread)]

    def _same(self, pupil: Pupil) -> tuple[object, ...]:
        """What tells a student from others; a control does not know what was wanted, only what was left out."""
        if not pupil.objective or ARMS[pupil.arm].controls:
            return (pupil,)
        aim = self.study.objectives[pupil.objective]
        return pupil.model_copy(update={"objective": None}), aim.require, aim.hold

    @cached_property
    def _done(self) -> set[tuple[str, object]]:
        """Stages that are done, each by its kind and by whom it is about."""
        if not self.schedule:
            return set()
        stages: list[tuple[object, Stage]] = [
            *((stage.title, stage) for stage in self.schedule.stages if stage.kind == "sample"),
            *((made.pupil, made.profile) for made in self.schedule.pupils),
            *((made.pupil, made.train) for made in self.schedule.pupils if made.train),
            *self.schedule.judges.items(),
        ]
        return {(stage.kind, whose) for whose, stage in stages if self.schedule.workspace.done(stage)}

    @cached_property
    def _prompts(self) -> KnownPrompts:
        if not self.schedule and (known := self.told.prompts.get(self.study.prompts)):
            return known.model_copy(update={"count": min(known.count, self.study.limit or known.count)})
        unique = UniquePrompts(self.study.rows(), self.study.limit)
        looked = [len(prompt.text) for prompt in islice(unique, LOOK)]
        return KnownPrompts(count=unique.survey.count, characters=sum(looked) / len(looked))

    @cached_property
    def _loads(self) -> dict[str, Load]:
        """Probe → what all its items take."""
        return {ask.probe: self._load(ask) for ask in self._asks}

    @cached_property
    def _asks(self) -> list[StudyProbe]:
        """The study's probes; before their data are looked for, `auto` is the paper's set."""
        known = {} if self.schedule else self.told.probes
        return [
            ask.model_copy(update={"suite": "paper"})
            if ask.suite == "auto" and not ask.prompts and ask.probe in known
            else ask
            for ask in self.study.profile
        ]

    @cached_property
    def _unread(self) -> list[str]:
        """Probes of whose official data something is missing here; nothing is fetched for a forecast."""
        known = {} if self.schedule else self.told.probes
        return [ask.probe for ask in self._asks if ask.probe in known and not _is_here(ask, self.study.lang)]

    def _load(self, ask: StudyProbe) -> Load:
        """What a probe takes; where its official set is not here as the assumptions say, written as the shipped set."""
        if ask.probe not in self._unread:
            return _load(ask, self.study.lang)
        known = self.told.probes[ask.probe]
        small = ask.model_copy(update={"suite": "mini", "limit": None})
        ours, items = _load(small, self.study.lang), min(known.items, ask.limit or known.items)
        shipped = small.build(self.study.lang).count
        requests = known.texts or ours.requests / shipped
        return Load(items * requests, items * known.characters, items * ours.written / shipped)

    def _sampling(self, teacher: Teacher) -> ModelWork:
        many = self._prompts.count * teacher.k
        asked = self._prompts.characters + len(teacher.prompt_template or "") + len(teacher.system)
        load = Load(many, many * asked, many * teacher.sampling.max_tokens)
        return self._work("sample", teacher.endpoint.model, [load], teacher)

    def _training(self, pupil: Pupil) -> ModelWork:
        """Of prompts, and of answers as long as its teachers write them."""
        recipe = self.study.taught(pupil.student, "", "", pupil.seed)
        limits = [one.sampling.max_tokens for one in self.study.asked if one.name in pupil.sources]
        prompt = (self._prompts.characters + len(recipe.prompt_template)) / self.told.characters
        answer = self.told.written * sum(limits) / len(limits)
        tokens = self._prompts.count * min(prompt + answer, recipe.length) * recipe.epochs
        return ModelWork(kind="train", model=pupil.student, stages=1, taught=round(tokens))

    def _work(self, kind: Kind, model: str, loads: Iterable[Load], teacher: Teacher | None = None) -> ModelWork:
        requests, characters, most = (sum(part) for part in zip(*loads, strict=True))
        read, written = characters / self.told.characters, most * self.told.written
        price = teacher.price if teacher else None
        return ModelWork(
            kind=kind,
            model=model,
            stages=1,
            requests=round(requests),
            read=round(read),
            written=round(written),
            paid=(read * price[0] + written * price[1]) / 1e6 if price else None,
        )


def _is_here(ask: StudyProbe, lang: str) -> bool:
    """Whether a probe has all its data on this machine."""
    try:
        with forbidding("a forecast"):
            return not ask.build(lang).missing
    except NotAvailable:
        return False


def _load(ask: StudyProbe, lang: str) -> Load:
    probe = ask.build(lang)
    each = [_asked(probe.ask(item)) for item in probe.items]
    return Load(*(sum(part) for part in zip(*each, strict=True)))


def _asked(request: Request) -> Load:
    """What one request takes: what is given is read again for every answer and every text."""
    match request:
        case Generate():
            return Load(request.n, request.n * len(request.filled()), request.n * request.sampling.max_tokens)
        case Choose():
            texts = [request.prompt + choice for choice in request.choices]
        case Weigh() | Embed():
            texts = list(request.texts)
        case _:
            assert_never(request)
    return Load(len(texts), sum(map(len, texts)), 0)


def _both(one: ModelWork, other: ModelWork) -> ModelWork:
    """Two works of one model together."""
    sums = {name: getattr(one, name) + getattr(other, name) for name in COUNTS}
    paid = None if one.paid is None or other.paid is None else one.paid + other.paid
    return one.model_copy(update={**sums, "paid": paid})


def _priced(work: ModelWork, study: Study, told: Assumptions) -> ModelWork:
    """With the hours that it takes of each kind of GPU, unless a server is paid for it or the size is unknown."""
    billions = told.billions(work.model)
    if billions is None or work.paid is not None:
        return work
    faster, found = told.methods[study.taught(work.model, "", "", 0).method], {}
    for name, gpu in told.gpus.items():
        at = gpu.speed(billions)
        hours = (work.read / at.reads + work.written / at.writes + work.taught / at.trains / faster) / 3600
        found[name] = GpuHours(hours=hours, cost=hours * gpu.price)
    return work.model_copy(update={"gpus": found})

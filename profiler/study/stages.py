"""The stages of a study: thin calls of what `inherit sample`, `select`, `train` and `profile` call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson
from pydantic import JsonValue

from profiler.errors import EndpointDown
from profiler.files import write_whole
from profiler.probes import Preferences
from profiler.records import Endpoint
from profiler.reporting import report, run_report
from profiler.runs.profile import Watcher, ask_probes
from profiler.study.plan import Study, StudyProbe
from profiler.study.stage import Say, Stage, Workspace, short_digest
from selection import (
    Pool,
    PromptSurvey,
    SampleOptions,
    SelectOptions,
    Teacher,
    UniquePrompts,
    card,
    cheap_metrics,
    closed_gates,
    gates_version,
    objective_metrics,
    read_selection,
    refuse_unknown_scores,
    score_metric,
    teacher_fields,
)
from selection.sample import sample
from selection.score import score
from selection.select import select

if TYPE_CHECKING:
    from profiler.probes import Probe

EASY = ("micro", "save", "checkpointing", "student", "data", "out")
"""Keys of a recipe that change no number, or say where things lie."""


class Choice(NamedTuple):
    """A selection's objective, the teachers it chose from, and its seed."""

    objective: str
    sources: tuple[str, ...]
    seed: int


@dataclass
class Stages:
    """Makes the stages of a study; the same stage for the same thing."""

    study: Study
    workspace: Workspace

    @cached_property
    def prompts(self) -> UniquePrompts:
        return UniquePrompts(self.study.rows(), self.study.limit)

    @property
    def survey(self) -> PromptSurvey:
        return self.prompts.survey

    @cached_property
    def probes(self) -> list[Probe]:
        return [ask.build(self.study.lang) for ask in self.study.profile]

    @property
    def folder(self) -> Path:
        return self.workspace.folder

    def sampling(self) -> list[Stage]:
        """Every teacher is asked once, whatever its answers are chosen by later."""
        return [self.sample(teacher) for teacher in self.study.asked]

    def sample(self, teacher: Teacher) -> Stage:
        study = self.study
        survey = self.survey
        many = survey.count * teacher.k
        size: dict[str, float] = {"prompts": survey.count, "candidates": many}
        size["tokens"] = many * teacher.sampling.max_tokens  # at most: most answers end before
        if teacher.price:
            size["cost"] = size["tokens"] * teacher.price[1] / 1e6

        def inputs() -> dict[str, JsonValue]:
            own = teacher.model_dump(mode="json", exclude={"price": True, "endpoint": {"url", "key"}})
            return {"teacher": own, "weights": weights(teacher.endpoint), "prompts": survey.digest, "lang": study.lang}

        def work(key: str, say: Say) -> str:
            asyncio.run(self._sample(teacher, say))
            return str(self._pool().relative_to(self.folder))

        return Stage("sample", teacher.name, inputs, work, size=size)

    async def _sample(self, teacher: Teacher, say: Say) -> None:
        study = self.study
        spec = SampleOptions(
            teachers=(teacher_fields(teacher),),
            out=str(self._pool()),
            prompts=study.prompts,
            column=study.column,
            lang=study.lang,
            limit=study.limit,
        )
        async for shares in sample(spec, self.prompts):
            for share in shares:
                say(f"sample {share.teacher.name}", share.done, share.total, share.words())
        if gone := [share for share in shares if share.error]:
            raise EndpointDown(
                f"{gone[0].teacher.name!r} went away: {gone[0].error}. What was answered is kept: run the same command "
                "again to go on"
            )

    def unanswered(self) -> dict[str, str]:
        """Teacher → how many prompts of a block it has no answer to, and why."""
        pool = Pool(self._pool())
        footers = {part: pool.footer(part) for part in pool.segments()}
        failed = {part: footer.failed for part, footer in footers.items() if footer and footer.failed}
        return {part.name: f"{len(whys)} prompts, {next(iter(whys.values()))}" for part, whys in failed.items()}

    def _pool(self) -> Path:
        """One pool for all teachers of the same prompts: one more teacher, or a larger k, pays for nothing twice."""
        return self.folder / "pools" / short_digest([self.survey.digest, self.study.lang])

    def score(self, needs: Sequence[Stage]) -> Stage:
        """Every score that any objective or the report looks at."""
        many = sum(stage.size["candidates"] for stage in needs)

        def inputs() -> dict[str, JsonValue]:
            pool = Pool(self._pool())
            footers = [pool.footer(part) for part in pool.segments()]
            content: list[JsonValue] = [footer.content for footer in footers if footer]
            made: dict[str, JsonValue] = {name: score_metric(name).version for name in self.names}
            return {"content": content, "metrics": made, "gates": gates_version(self.study.lang)}

        def work(key: str, say: Say) -> str:
            pool = Pool(self._pool())
            refuse_unknown_scores(pool, self.names)
            for step in score(pool, self.names):
                say("score", step.done, step.total, "")
            return str(self._pool().relative_to(self.folder))

        return Stage("score", f"{len(self.names)} metrics", inputs, work, needs, {"candidates": many})

    @property
    def names(self) -> list[str]:
        """The metrics of all objectives, then those that a report looks at."""
        wanted = [name for target in self.study.objectives.values() for name in objective_metrics(target.objective)]
        return list(dict.fromkeys([*wanted, *cheap_metrics()]))

    def select(self, choice: Choice, scored: Stage) -> Stage:
        study, target = self.study, self.study.objectives[choice.objective]
        spec = SelectOptions(
            pool=str(self._pool()),
            objective=target.goals,
            combine=target.combine,
            require=target.require,
            hold=target.hold,
            temperature=target.temperature,
            out=self.folder / "selections",
            source=choice.sources,
            k=study.k * len(choice.sources),
            metric=tuple(self.names),
            open_gate=study.open_gates,
            form="chat" if study.chat else "completion",
            seed=choice.seed,
        )

        def inputs() -> dict[str, JsonValue]:
            return {
                "scored": scored.key,
                "objective": target.objective.model_dump(mode="json"),
                "sources": list(spec.source),
                "gates": list(closed_gates(spec.open_gate)),
                **spec.model_dump(mode="json", include={"seed", "k", "form"}),
            }

        def work(key: str, say: Say) -> str:
            out = spec.out / key
            card.save(select(spec.model_copy(update={"out": out})), out)
            return str(out.relative_to(self.folder))

        title = f"{choice.objective} of {' + '.join(choice.sources)}, seed {choice.seed}"
        many = self.survey.count * study.k * len(choice.sources)
        return Stage("select", title, inputs, work, [scored], {"candidates": many})

    def train(self, student: str, arm: str, seed: int, title: str, selected: Stage) -> Stage:
        """Teach a student one arm's answers; two arms with the same answers are one training."""
        study = self.study

        def inputs() -> dict[str, JsonValue]:
            recipe = study.taught(student, "", "", seed)
            plain = recipe.model_dump(mode="json", exclude=set(EASY))
            return {
                "student": weights(Endpoint(model=student)),
                "examples": _content_name(self._lines(selected, arm)),
                **plain,
            }

        def work(key: str, say: Say) -> str:
            from training import train

            lines = self._lines(selected, arm)
            data = self.folder / "examples" / f"{_content_name(lines)}.jsonl"
            write_whole(data, lines)
            out = self.folder / "students" / key
            done = train(
                study.taught(student, str(data), str(out), seed), lambda text: say(f"train {title}", 0, 0, text)
            )
            return str(Path(done.model or out).relative_to(self.folder))

        return Stage("train", title, inputs, work, [selected], {"examples": self.survey.count}, arm != "chosen")

    def _lines(self, selected: Stage, arm: str) -> bytes:
        """What is taught of an arm's rows, without where it comes from: the same answers are the same bytes."""
        out = self.workspace.result(selected)
        rows = [orjson.loads(line) for line in (out / read_selection(out).files[arm]).read_bytes().splitlines()]
        keep = ("messages",) if self.study.chat else ("prompt", "completion")
        return b"".join(orjson.dumps({name: row[name] for name in keep}) + b"\n" for row in rows)

    def profile(self, student: str, title: str, trained: Stage | None) -> Stage:
        """Ask a student, untouched or trained, every probe."""
        study = self.study

        def endpoint() -> Endpoint:
            return Endpoint(model=str(self.workspace.result(trained)) if trained else student, chat=study.chat)

        def inputs() -> dict[str, JsonValue]:
            asked: list[JsonValue] = [*map(_probe_inputs, study.profile, self.probes)]
            return {"weights": weights(endpoint()), "chat": study.chat, "probes": asked}

        def work(key: str, say: Say) -> str:
            return self._run(endpoint(), title, say, self.probes)

        items = sum(probe.count for probe in self.probes)
        return Stage("profile", title, inputs, work, [trained] if trained else [], {"items": items})

    def preferences(self, teacher: Teacher) -> Stage | None:
        """Ask a teacher the pairs that students are asked; None where they are asked none."""
        both = zip(self.study.profile, self.probes, strict=True)
        ask, probe = next((pair for pair in both if pair[0].probe == Preferences.name), (None, None))
        if not ask or not probe:
            return None
        endpoint = teacher.endpoint

        def inputs() -> dict[str, JsonValue]:
            return {"weights": weights(endpoint), "chat": endpoint.chat, **_probe_inputs(ask, probe)}

        def work(key: str, say: Say) -> str:
            return self._run(endpoint, teacher.name, say, [probe])

        return Stage("preferences", teacher.name, inputs, work, size={"items": probe.count})

    def _run(self, endpoint: Endpoint, title: str, say: Say, probes: Sequence[Probe]) -> str:
        watcher = Watcher(step=lambda at: say(f"profile {title}: {at.probe}", at.done, at.total, ""))
        found = asyncio.run(ask_probes(endpoint, probes, self.folder / "runs", title, watcher))
        report.save(run_report(found), found.folder / "report.html")
        return str(found.folder.relative_to(self.folder))


def _probe_inputs(ask: StudyProbe, probe: Probe) -> dict[str, JsonValue]:
    """What decides a probe's answers besides the model; what is read counts by its content, not by where it lies."""
    plain = ask.model_copy(update={"prompts": None, "column": None}).model_dump(mode="json")
    return {**plain, "version": probe.version, "data": dict(probe.data)}


def _content_name(lines: bytes) -> str:
    return sha256(lines).hexdigest()[:16]


def weights(endpoint: Endpoint) -> str:
    """Which weights stand behind a name: a digest of the files here; a server's name stands for itself."""
    return f"{endpoint.model} at a server" if endpoint.url else _digest(endpoint.model)


@cache
def _digest(model: str) -> str:
    from profiler.endpoints import digest, find

    return digest(find(model))[:16]

"""The stages of a study: thin calls of what `inherit sample`, `select`, `train` and `profile` call."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from math import ceil
from pathlib import Path

import orjson
from pydantic import JsonValue

import selection
from profiler.endpoints import SharedServer, adapter
from profiler.endpoints.vllm import server
from profiler.files import write_whole
from profiler.http import wait
from profiler.probes import Preferences, Probe
from profiler.records import Endpoint
from profiler.reporting import report
from profiler.reporting.profile import run_report
from profiler.runs import Run
from profiler.runs.profile import Watcher, ask_probes, refuse_incomplete
from profiler.study.plan import ARMS, Study, StudyProbe
from profiler.study.records import Pupil
from profiler.study.stage import Resources, Say, Stage, Workspace, short_digest
from selection import Pool, SampleOptions, SelectOptions, Teacher, UniquePrompts, card

EASY = ("micro", "save", "checkpointing", "student", "data", "out")
"""Keys of a recipe that change no number, or say where things lie."""

WHERE = ("url", "replicas", "key")
"""Of an endpoint what decides no answer."""


@dataclass
class Stages:
    """Makes the stages of a study; the same stage for the same thing."""

    study: Study
    workspace: Workspace
    _servers: dict[str, SharedServer] = field(default_factory=dict)
    """By the student whose adapters they are for."""

    @cached_property
    def prompts(self) -> UniquePrompts:
        return UniquePrompts(self.study.rows(), self.study.limit)

    @cached_property
    def probes(self) -> list[Probe]:
        return [ask.build(self.study.lang) for ask in self.study.profile]

    @cached_property
    def names(self) -> list[str]:
        """The metrics of all objectives, then those that a report looks at."""
        aims = [target.objective for target in self.study.objectives.values()]
        wanted = [name for objective in aims for name in selection.objective_metrics(objective)]
        return list(dict.fromkeys([*wanted, *selection.cheap_metrics()]))

    @property
    def pool(self) -> Path:
        """One for all teachers of the same prompts: one more teacher, or a larger k, pays for nothing twice."""
        return self.workspace.folder / "pools" / short_digest([self.prompts.survey.digest, self.study.lang])

    def sample(self, teacher: Teacher) -> Stage:
        """Every teacher is asked once, whatever its answers are chosen by later."""
        survey = self.prompts.survey
        many = survey.count * teacher.k
        size: dict[str, float] = {"prompts": survey.count, "candidates": many}
        size["tokens"] = many * teacher.sampling.max_tokens  # at most: most answers end before
        if teacher.price:
            size["cost"] = size["tokens"] * teacher.price[1] / 1e6
        return Stage(
            "sample",
            teacher.name,
            lambda: {
                "teacher": teacher.model_dump(
                    mode="json", exclude={"price": True, "serve": True, "endpoint": set(WHERE)}
                ),
                "weights": weights(teacher.endpoint),
                "prompts": survey.digest,
                "lang": self.study.lang,
            },
            lambda key, say: wait(self._sample(teacher, say)),
            size=size,
            asks=bool(teacher.endpoint.url or teacher.serve),
            wants=self.study.wants("sample"),
        )

    async def _sample(self, teacher: Teacher, say: Say) -> Path:
        asked = self.study.model_dump(include={"prompts", "column", "lang", "limit"})
        if teacher.serve:
            serve = teacher.serve.model_copy(update={"on": self.study.on})
            teacher = teacher.model_copy(update={"serve": serve})
        spec = SampleOptions(teachers=(selection.teacher_fields(teacher),), out=str(self.pool), **asked)
        # A file of the teacher's own: SQLite's locks hold on one machine alone, and another may ask another teacher.
        journal = self.pool / f"cache-{short_digest(teacher.name)}.sqlite"
        async for shares in selection.sample(spec, self.prompts, journal):
            for share in shares:
                say(f"sample {share.teacher.name}", share.done, share.total, share.words())
        selection.refuse_incomplete(shares)
        return self.pool

    def unanswered(self) -> dict[str, str]:
        """Teacher → how many prompts of a block it has no answer to, and why."""
        pool = Pool(self.pool)
        footers = ((part.name, pool.footer(part)) for part in pool.segments())
        failed = {name: footer.failed for name, footer in footers if footer and footer.failed}
        return {name: f"{len(whys)} prompts, {next(iter(whys.values()))}" for name, whys in failed.items()}

    def score(self, needs: Sequence[Stage]) -> Stage:
        """Every score that any objective or the report looks at."""

        def inputs() -> dict[str, JsonValue]:
            pool = Pool(self.pool)
            return {
                "content": [footer.content for footer in map(pool.footer, pool.segments()) if footer],
                "metrics": {name: selection.score_metric(name).version for name in self.names},
                "filters": selection.filters_version(self.study.lang),
            }

        def work(key: str, say: Say) -> Path:
            pool = Pool(self.pool)
            selection.refuse_unknown_scores(pool, self.names)
            for step in selection.score(pool, self.names):
                say("score", step.done, step.total, step.judge.words() if step.judge else "")
            return self.pool

        many = sum(stage.size["candidates"] for stage in needs)
        return Stage(
            "score",
            f"{len(self.names)} metrics",
            inputs,
            work,
            needs,
            {"candidates": many},
            wants=self.study.wants("score"),
        )

    def select(self, pupil: Pupil, scored: Stage) -> Stage:
        study, target = self.study, self.study.objectives[str(pupil.objective)]
        spec = SelectOptions(
            pool=str(self.pool),
            objective=target.goals,
            **target.model_dump(include={"combine", "require", "hold", "temperature"}),
            out=self.workspace.folder / "selections",
            source=pupil.sources,
            k=(pupil.best_of or study.k) * len(pupil.sources),
            metric=tuple(self.names),
            skip_filter=study.skip_filters,
            form="chat" if study.chat else "completion",
            seed=pupil.seed,
        )

        def inputs() -> dict[str, JsonValue]:
            return {
                "scored": scored.key,
                "objective": target.objective.model_dump(mode="json"),
                "sources": list(pupil.sources),
                "filters": list(selection.active_filters(study.skip_filters)),
                **spec.model_dump(mode="json", include={"seed", "k", "form"}),
            }

        def work(key: str, say: Say) -> Path:
            out = spec.out / key
            card.save(selection.select(spec.model_copy(update={"out": out})), out)
            return out

        title = f"{pupil.objective} of {' + '.join(pupil.sources)}{pupil.fewer}, seed {pupil.seed}"
        many = self.prompts.survey.count * int(spec.k or 0)
        return Stage("select", title, inputs, work, [scored], {"candidates": many}, wants=study.wants("select"))

    def train(self, pupil: Pupil, title: str, selected: Stage) -> Stage:
        """Teach a student one arm's answers; two arms with the same answers are one training."""
        arm = ARMS[pupil.arm].rows

        def lines() -> bytes:
            """What is taught, without where it comes from: the same answers are the same bytes."""
            out = self.workspace.result(selected)
            rows = map(orjson.loads, (out / selection.read_selection(out).files[arm]).read_bytes().splitlines())
            keep = ("messages",) if self.study.chat else ("prompt", "completion")
            return b"".join(orjson.dumps({name: row[name] for name in keep}) + b"\n" for row in rows)

        def inputs() -> dict[str, JsonValue]:
            return {
                "student": weights(Endpoint(model=pupil.student)),
                "examples": _content_name(lines()),
                **self.study.taught(pupil.student, "", "", pupil.seed).model_dump(mode="json", exclude=set(EASY)),
            }

        def work(key: str, say: Say) -> Path:
            from training import train, train_together

            examples, folder = lines(), self.workspace.folder
            data, out = folder / "examples" / f"{_content_name(examples)}.jsonl", folder / "students" / key
            write_whole(data, examples)
            recipe = self.study.taught(pupil.student, str(data), str(out), pupil.seed)
            if wants.processes > 1:
                say(f"train {title}", 0, 0, f"{wants.processes} processes")
                made = train_together(recipe, wants.processes, said=folder / "at-work" / f"train-{key}.log")
            else:
                made = train(recipe, lambda text: say(f"train {title}", 0, 0, text))
            return Path(made.model or made.adapter or out)

        size = {"examples": self.prompts.survey.count}
        wants = self.study.wants("train", pupil.student)
        return Stage("train", title, inputs, work, [selected], size, shared=arm != "chosen", wants=wants)

    def profile(self, student: str, title: str, trained: Stage | None) -> Stage:
        """Ask a student, untouched or trained, every probe."""
        wants = self.study.wants("profile", student)
        base = Endpoint(model=student, chat=self.study.chat, engine=wants.engine)
        shared = self._server(base, wants.gpus) if trained else None

        def endpoint() -> Endpoint:
            if not trained:
                return base
            made = "adapter" if self.study.stays_adapter(student) else "model"
            return base.model_copy(update={made: str(self.workspace.result(trained))})

        return Stage(
            "profile",
            title,
            lambda: {
                **_model_inputs(endpoint()),
                "probes": [*map(_probe_inputs, self.study.profile, self.probes)],
            },
            lambda key, say: self._profile(wants, endpoint(), title, say, self.probes, shared),
            [trained] if trained else [],
            {"items": sum(probe.count for probe in self.probes)},
            wants=wants,
            server=shared,
        )

    def _server(self, base: Endpoint, gpus: float) -> SharedServer | None:
        """That of a student's adapters; None where it has none, or they are asked in the stage's process."""
        if base.engine == "local" or not self.study.stays_adapter(base.model):
            return None
        return self._servers.setdefault(base.model, SharedServer(ceil(gpus)))

    def preferences(self, teacher: Teacher) -> Stage | None:
        """Ask a teacher the pairs that students are asked; None where they are asked none."""
        asked = {ask.probe: (ask, probe) for ask, probe in zip(self.study.profile, self.probes, strict=True)}
        if Preferences.name not in asked:
            return None
        endpoint, (ask, probe) = teacher.endpoint, asked[Preferences.name]
        wants = self.study.wants("preferences")
        if not endpoint.url:
            endpoint = endpoint.model_copy(update={"engine": wants.engine})
        return Stage(
            "preferences",
            teacher.name,
            lambda: {**_model_inputs(endpoint), **_probe_inputs(ask, probe)},
            lambda key, say: self._profile(wants, endpoint, teacher.name, say, [probe]),
            size={"items": probe.count},
            asks=bool(endpoint.url),
            wants=wants,
        )

    def _profile(
        self,
        wants: Resources,
        endpoint: Endpoint,
        title: str,
        say: Say,
        probes: Sequence[Probe],
        shared: SharedServer | None = None,
    ) -> Path:
        about = f"profile {title}"
        watcher = Watcher(step=lambda at: say(f"{about}: {at.probe}", at.done, at.total, ""))
        runs = self.workspace.folder / "runs"
        # A file for each model, as for each teacher.
        journal = runs / f"cache-{short_digest(weights(endpoint))}.sqlite"

        def asked(at: Endpoint) -> Run:
            return wait(ask_probes(endpoint, lambda: probes, runs, title, watcher, at, journal=journal))

        def tell(words: str) -> None:
            say(about, 0, 0, words)

        if shared:
            found = shared.reached(endpoint, asked, tell, tell)
        else:
            found = server.reached(endpoint, asked, tell, tell, ceil(wants.gpus))
        report.save(run_report(found), found.folder / "report.html")
        refuse_incomplete(found)
        return found.folder


def _model_inputs(endpoint: Endpoint) -> dict[str, JsonValue]:
    """What of a model decides its answers; engines differ in their last digits."""
    engine: dict[str, JsonValue] = {} if endpoint.engine == "local" else {"engine": endpoint.engine}
    return {"weights": weights(endpoint), "chat": endpoint.chat, **engine}


def _probe_inputs(ask: StudyProbe, probe: Probe) -> dict[str, JsonValue]:
    """What decides a probe's answers besides the model; what is read counts by its content, not by where it lies."""
    plain = ask.model_copy(update={"prompts": None, "column": None}).model_dump(mode="json")
    return {**plain, "version": probe.version, "data": dict(probe.data)}


def _content_name(lines: bytes) -> str:
    return sha256(lines).hexdigest()[:16]


def weights(endpoint: Endpoint) -> str:
    """Which weights stand behind a name: a digest of the files here; a server's name stands for itself."""
    if endpoint.url:
        return f"{endpoint.model} at a server"
    base = _digest(endpoint.model)
    return f"{base} with {adapter.digest(Path(endpoint.adapter))[:16]}" if endpoint.adapter else base


@cache
def _digest(model: str) -> str:
    from profiler.endpoints import digest, find

    return digest(find(model))[:16]

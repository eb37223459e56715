"""The folders that HELM leaves, read as finished runs; HELM itself is not needed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import AliasPath, BaseModel, Field, ValidationError

from profiler.endpoints import Answer
from profiler.errors import BadData, EndpointError, WeightsChanged
from profiler.harnesses.helm.spec import KEY, DrawSettings, ProbeSpec, Scalar, StoredAnswer
from profiler.harnesses.imported import ImportedProbe, ImportedRun
from profiler.probes import Probe
from profiler.records import Endpoint, Fingerprint, Sample, Usage
from profiler.runs import BATCH, AnsweredItem, Progress, scored, section, versions

Json = TypeVar("Json", bound=BaseModel)


class HelmSpec(BaseModel):
    """What is needed of a run spec of HELM's."""

    name: str
    scenario: str = Field(validation_alias=AliasPath("scenario_spec", "class_name"))
    given: dict[str, Scalar] = Field({}, validation_alias=AliasPath("scenario_spec", "args"))

    @property
    def ours(self) -> bool:
        """By the class's name alone: folders outlive the modules that they name."""
        return self.scenario.endswith(".ProbeScenario") and "probe" in self.given


class HelmCompletion(BaseModel):
    """A text that came, as HELM writes it."""

    text: str
    finish_reason: Mapping[str, object] | None = None


class RequestOutcome(BaseModel):
    """One request's end, as it stands in HELM's scenario state."""

    item: str = Field(validation_alias=AliasPath("instance", "id"))
    prompt: str = Field(validation_alias=AliasPath("request", "prompt"))
    success: bool = Field(validation_alias=AliasPath("result", "success"))
    completions: list[HelmCompletion] = Field(validation_alias=AliasPath("result", "completions"))
    words: str | None = Field(None, validation_alias=AliasPath("result", "error"))
    seconds: float | None = Field(None, validation_alias=AliasPath("result", "request_time"))
    moment: int | None = Field(None, validation_alias=AliasPath("result", "request_datetime"))

    @property
    def error(self) -> str | None:
        return None if self.success else self.words or "failed"

    @property
    def reply(self) -> StoredAnswer:
        told = self.completions[0].finish_reason if self.completions else None
        try:
            return StoredAnswer.model_validate((told or {}).get(KEY))
        except ValidationError:
            raise BadData(f"the answer to {self.item!r} is not one of model=inherit/…; no other can be read") from None


class RunOutcome(BaseModel):
    """What is needed of a scenario state of HELM's, as its class has it or its file."""

    model: str = Field(validation_alias=AliasPath("adapter_spec", "model_deployment"))
    temperature: float = Field(validation_alias=AliasPath("adapter_spec", "temperature"))
    max_tokens: int = Field(validation_alias=AliasPath("adapter_spec", "max_tokens"))
    stop: tuple[str, ...] = Field((), validation_alias=AliasPath("adapter_spec", "stop_sequences"))
    samples: int = Field(validation_alias=AliasPath("adapter_spec", "num_outputs"))
    requests: list[RequestOutcome] = Field(validation_alias="request_states")


class ScoredRun(NamedTuple):
    """What was asked in a run, what the probe makes of the answers, and who gave them."""

    probe: Probe
    asked: list[AnsweredItem]
    samples: list[Sample]
    reply: StoredAnswer
    """One of them; all come from the same weights."""


def harvests(folder: Path) -> list[ImportedRun]:
    """What HELM asked each model in FOLDER, which is a run's or a suite's."""
    specs = {path.parent: read(path, HelmSpec) for path in sorted(folder.rglob("run_spec.json"))}
    ours = {path: spec for path, spec in specs.items() if spec.ours}
    if not ours:
        raise BadData(
            f"no finished run of an inherit_* run spec in {str(folder)!r}: expected a folder such as "
            "benchmark_output/runs/SUITE"
        )
    models: dict[tuple[str, bool], list[ImportedRun]] = {}
    names: dict[tuple[str, bool, str], str] = {}
    for path, spec in ours.items():
        run = harvest(spec, read(path / "scenario_state.json", RunOutcome))
        model, chat, probe = run.endpoint.model, run.endpoint.chat, run.parts[0].section.probe
        if other := names.get((model, chat, probe)):
            twice = f"{other} and {spec.name}; name the folder of one of them"
            raise BadData(f"{str(folder)!r} holds {probe} of {model} twice: {twice}")
        names[model, chat, probe] = spec.name
        models.setdefault((model, chat), []).append(run)
    return [together(runs) for runs in models.values()]


def read(path: Path, kind: type[Json]) -> Json:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BadData(f"expected {str(path)!r}, found none: was HELM stopped? Run it again") from None
    except ValidationError as error:
        raise BadData(f"{str(path)!r} is not as crfm-helm 0.5.16 writes it: {error}") from None


def harvest(said: HelmSpec, run: RunOutcome) -> ImportedRun:
    """One run, with the one probe that it asked."""
    given = dict(said.given)
    spec = ProbeSpec.of(str(given.pop("probe")), given)
    probe, asked, samples, reply = score(spec, run)
    done = Progress(probe.name, len(samples))
    for one, sample in zip(asked, samples, strict=True):
        done.add(one.answer, sample.error)
    moments = [(each.moment, each.moment + (each.seconds or 0.0)) for each in run.requests if each.moment]
    started = min((begun for begun, _ in moments), default=0)
    return ImportedRun(
        Endpoint(model=run.model.partition("/")[2], url=reply.url, chat=spec.way.chat),
        Fingerprint(id=reply.weights),
        [ImportedProbe(section(probe, done), samples)],
        datetime.fromtimestamp(started, UTC),
        max((ended for _, ended in moments), default=started) - started,
        versions(),
        done.usage,
    )


def together(runs: Sequence[ImportedRun]) -> ImportedRun:
    """One model's runs, as one run of all its probes."""
    if len(found := {run.fingerprint.id for run in runs}) > 1:
        model = runs[0].endpoint.model
        raise WeightsChanged(f"{len(found)} models answered under the name {model!r}: name the folder of one run")
    return replace(
        runs[0],
        parts=[part for run in runs for part in run.parts],
        started=min(run.started for run in runs),
        seconds=round(sum(run.seconds for run in runs), 3),
        usage=sum((run.usage for run in runs), Usage()),
    )


def score(spec: ProbeSpec, run: RunOutcome) -> ScoredRun:
    """The samples that the probe makes of the answers; items that failed are marked, and never scored."""
    probe = spec.built(DrawSettings(run.temperature, run.max_tokens, run.stop, run.samples))
    replies = [outcome.reply for outcome in run.requests if not outcome.error]
    if not replies:
        why = f"; the last error: {run.requests[-1].error}" if run.requests else ""
        raise EndpointError(f"no item of inherit_{spec.probe} was answered{why}")
    if len(found := {reply.weights for reply in replies}) > 1:
        raise WeightsChanged(f"{len(found)} models answered this run under one name: ask all of it again")
    asked = []
    for outcome in run.requests:
        item = spec.item(outcome.item)
        request = probe.ask(item)
        if outcome.prompt != spec.prompt(item, request):
            raise BadData(
                f"{probe.name} now asks item {item.id!r} otherwise than this run did: the data or inherit has changed; "
                "run it again"
            )
        texts = [completion.text for completion in outcome.completions]
        failed = Answer(replies[0].how, error=outcome.error)
        asked.append(AnsweredItem(item, request, failed if outcome.error else outcome.reply.answer(texts)))
    batches = (asked[start : start + BATCH] for start in range(0, len(asked), BATCH))
    return ScoredRun(probe, asked, [sample for batch in batches for sample in scored(probe, batch)], replies[0])

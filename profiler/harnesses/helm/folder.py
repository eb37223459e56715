"""The folders that HELM leaves, read as finished runs; HELM itself is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from profiler.errors import BadData, WeightsChanged
from profiler.harnesses.helm.outcome import RequestOutcome, ScoredRun, score
from profiler.harnesses.helm.spec import DrawSettings, ProbeSpec, Scalar
from profiler.harnesses.imported import ImportedProbe, ImportedRun
from profiler.records import Endpoint, Fingerprint, Usage
from profiler.runs import Progress, section, versions

SCENARIO = "profiler.harnesses.helm.scenario.ProbeScenario"

Json = TypeVar("Json", bound=BaseModel)


# What is needed of HELM's files; the classes bear the names that HELM gives them.
class ScenarioSpec(BaseModel):
    class_name: str
    args: dict[str, Scalar] = {}


class AdapterSpec(BaseModel):
    model_deployment: str
    temperature: float
    max_tokens: int
    stop_sequences: tuple[str, ...] = ()
    num_outputs: int


class RunSpec(BaseModel):
    name: str
    scenario_spec: ScenarioSpec
    adapter_spec: AdapterSpec


class Instance(BaseModel):
    id: str


class HelmFileRequest(BaseModel):
    prompt: str


class HelmCompletion(BaseModel):
    text: str
    finish_reason: Mapping[str, object] = {}


class HelmResult(BaseModel):
    success: bool
    completions: list[HelmCompletion]
    error: str = "failed"
    request_time: float = 0.0
    request_datetime: int = 0


class RequestState(BaseModel):
    instance: Instance
    request: HelmFileRequest
    result: HelmResult


class ScenarioState(BaseModel):
    request_states: list[RequestState]


class HelmRun(NamedTuple):
    """A run of HELM's, scored."""

    name: str
    endpoint: Endpoint
    scored: ScoredRun
    started: int
    seconds: float
    """From its first request to its last answer."""


def harvests(folder: Path) -> list[ImportedRun]:
    """What HELM asked each model in FOLDER, which is a run's or a suite's."""
    models: dict[tuple[str, bool], dict[str, HelmRun]] = {}
    for run in map(found, paths(folder)):
        probes = models.setdefault((run.endpoint.model, run.endpoint.chat), {})
        probe = run.scored.probe.name
        if probe in probes:
            raise BadData(
                f"{str(folder)!r} holds {probe} of {run.endpoint.model} twice: {probes[probe].name} and {run.name}; "
                "name the folder of one of them"
            )
        probes[probe] = run
    return [harvest(list(probes.values())) for probes in models.values()]


def paths(folder: Path) -> list[Path]:
    """The folders of runs of ours that HELM has finished."""
    specs = {path.parent: read(path, RunSpec) for path in sorted(folder.rglob("run_spec.json"))}
    ours = [path for path, spec in specs.items() if spec.scenario_spec.class_name == SCENARIO]
    if not ours:
        raise BadData(
            f"no finished run of an inherit_* run spec in {str(folder)!r}: expected a folder such as "
            "benchmark_output/runs/SUITE"
        )
    return ours


def found(path: Path) -> HelmRun:
    run, states = read(path / "run_spec.json", RunSpec), read(path / "scenario_state.json", ScenarioState)
    given = dict(run.scenario_spec.args)
    adapter = run.adapter_spec
    drawn = DrawSettings(adapter.temperature, adapter.max_tokens, adapter.stop_sequences, adapter.num_outputs)
    outcomes = [outcome(state) for state in states.request_states]
    results = [state.result for state in states.request_states if state.result.request_datetime]
    started = min((result.request_datetime for result in results), default=0)
    ended = max((result.request_datetime + result.request_time for result in results), default=started)
    spec = ProbeSpec.of(str(given.pop("probe")), given)
    scored = score(spec, drawn, outcomes)
    model = adapter.model_deployment.partition("/")[2]
    endpoint = Endpoint(model=model, url=scored.reply.url, chat=spec.way.chat)
    return HelmRun(run.name, endpoint, scored, started, ended - started)


def read(path: Path, kind: type[Json]) -> Json:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BadData(f"expected {str(path)!r}, found none: was HELM stopped? Run it again") from None
    except ValidationError as error:
        raise BadData(f"{str(path)!r} is not as crfm-helm 0.5.16 writes it: {error}") from None


def outcome(state: RequestState) -> RequestOutcome:
    completions = state.result.completions
    return RequestOutcome(
        state.instance.id,
        state.request.prompt,
        tuple(completion.text for completion in completions),
        completions[0].finish_reason if completions else {},
        None if state.result.success else state.result.error,
    )


def harvest(runs: Sequence[HelmRun]) -> ImportedRun:
    """One model's runs, as one run of all its probes."""
    endpoint = runs[0].endpoint
    weights = {run.scored.reply.weights for run in runs}
    if len(weights) > 1:
        raise WeightsChanged(
            f"{len(weights)} models answered under the name {endpoint.model!r}: name the folder of one run"
        )
    seen = [progress(run.scored) for run in runs]
    return ImportedRun(
        "helm",
        endpoint,
        [
            ImportedProbe(section(run.scored.probe, done), run.scored.samples)
            for run, done in zip(runs, seen, strict=True)
        ],
        datetime.fromtimestamp(min(run.started for run in runs), UTC),
        round(sum(run.seconds for run in runs), 3),
        versions(),
        Fingerprint(id=weights.pop()),
        sum((done.usage for done in seen), Usage()),
    )


def progress(scored: ScoredRun) -> Progress:
    """What a probe's answers add up to."""
    done = Progress(scored.probe.name, len(scored.samples))
    for asked, sample in zip(scored.asked, scored.samples, strict=True):
        done.add(asked.answer, sample.error)
    return done

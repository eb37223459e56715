"""The folders that HELM leaves, read as finished runs; HELM itself is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import AliasPath, BaseModel, Field, ValidationError

from profiler.errors import BadData, WeightsChanged
from profiler.harnesses.helm.reply import RunOutcome, ScoredRun, score
from profiler.harnesses.helm.spec import ProbeSpec, Scalar
from profiler.harnesses.imported import ImportedProbe, ImportedRun
from profiler.records import Endpoint, Fingerprint, Usage
from profiler.runs import Progress, section, versions

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
    specs = {path.parent: read(path, HelmSpec) for path in sorted(folder.rglob("run_spec.json"))}
    ours = {path: spec for path, spec in specs.items() if spec.ours}
    if not ours:
        raise BadData(
            f"no finished run of an inherit_* run spec in {str(folder)!r}: expected a folder such as "
            "benchmark_output/runs/SUITE"
        )
    models: dict[tuple[str, bool], dict[str, HelmRun]] = {}
    for path, spec in ours.items():
        run = found(spec, read(path / "scenario_state.json", RunOutcome))
        probes = models.setdefault((run.endpoint.model, run.endpoint.chat), {})
        probe = run.scored.probe.name
        if probe in probes:
            raise BadData(
                f"{str(folder)!r} holds {probe} of {run.endpoint.model} twice: {probes[probe].name} and {run.name}; "
                "name the folder of one of them"
            )
        probes[probe] = run
    return [harvest(list(probes.values())) for probes in models.values()]


def read(path: Path, kind: type[Json]) -> Json:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BadData(f"expected {str(path)!r}, found none: was HELM stopped? Run it again") from None
    except ValidationError as error:
        raise BadData(f"{str(path)!r} is not as crfm-helm 0.5.16 writes it: {error}") from None


def found(said: HelmSpec, run: RunOutcome) -> HelmRun:
    given = dict(said.given)
    spec = ProbeSpec.of(str(given.pop("probe")), given)
    moments = [(one.moment, one.moment + (one.seconds or 0.0)) for one in run.requests if one.moment]
    started = min((begun for begun, _ in moments), default=0)
    ended = max((ended for _, ended in moments), default=started)
    scored = score(spec, run)
    endpoint = Endpoint(model=run.model.partition("/")[2], url=scored.reply.url, chat=spec.way.chat)
    return HelmRun(said.name, endpoint, scored, started, ended - started)


def harvest(runs: Sequence[HelmRun]) -> ImportedRun:
    """One model's runs, as one run of all its probes."""
    endpoint = runs[0].endpoint
    weights = {run.scored.reply.weights for run in runs}
    if len(weights) > 1:
        raise WeightsChanged(
            f"{len(weights)} models answered under the name {endpoint.model!r}: name the folder of one run"
        )
    parts, usage = [], Usage()
    for scored in (run.scored for run in runs):
        done = Progress(scored.probe.name, len(scored.samples))
        for asked, sample in zip(scored.asked, scored.samples, strict=True):
            done.add(asked.answer, sample.error)
        parts.append(ImportedProbe(section(scored.probe, done), scored.samples))
        usage += done.usage
    return ImportedRun(
        "helm",
        endpoint,
        parts,
        datetime.fromtimestamp(min(run.started for run in runs), UTC),
        round(sum(run.seconds for run in runs), 3),
        versions(),
        Fingerprint(id=weights.pop()),
        usage,
    )

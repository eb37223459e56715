"""What another harness asked by our probes becomes a run of ours, which `inherit show` and `compare` read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import orjson

from profiler import probes
from profiler.records import Endpoint, Fingerprint, Profile, Sample, Section, Usage
from profiler.runs import sample_store
from profiler.runs.estimates import estimates


class ImportedProbe(NamedTuple):
    """What one probe asked, and the samples that came of it."""

    section: Section
    samples: Sequence[Sample]


@dataclass(frozen=True)
class ImportedRun:
    """A finished run of another harness."""

    endpoint: Endpoint
    fingerprint: Fingerprint
    """Which weights answered, where a client of ours asked them."""
    parts: Sequence[ImportedProbe]
    started: datetime
    seconds: float
    versions: dict[str, str]
    """Of what was installed where the model was asked."""
    usage: Usage = field(default_factory=Usage)

    @property
    def id(self) -> str:
        """The same for the same answers, so that nothing is kept twice."""
        whole = [[sample.model_dump_json() for sample in part.samples] for part in self.parts]
        return digest([self.endpoint.model_dump(), whole])


def keep(harvest: ImportedRun, out: Path, name: str | None = None) -> Profile:
    """Leave a run under OUT, estimated as if we had asked; the run that is there already if it was kept before."""
    for run in sample_store.runs(out):
        if run.folder.name.endswith(f"-{harvest.id}"):
            return run.profile
    with sample_store.begin(out, harvest.endpoint.model, harvest.id, harvest.started) as folder:
        for part in harvest.parts:
            journal = sample_store.Journal(folder, part.section.probe)
            journal.append(part.samples)
            journal.seal()
        profile = Profile(
            id=folder.name,
            name=name or harvest.endpoint.model,
            endpoint=harvest.endpoint,
            fingerprint=harvest.fingerprint,
            sections=tuple(part.section for part in harvest.parts),
            estimates=tuple(
                number
                for part in harvest.parts
                for number in estimates(
                    part.section.probe,
                    probes.get(part.section.probe)().metrics,
                    sample_store.Run(folder).columns(part.section.probe),
                    (part.section.writing and part.section.writing.lang) or "en",
                )
            ),
            usage=harvest.usage,
            started=harvest.started,
            seconds=harvest.seconds,
            versions=harvest.versions,
            errors=sum(part.section.errors for part in harvest.parts),
        )
        sample_store.save_profile(folder, profile)
    return profile


def digest(what: object) -> str:
    """A short name for a thing, made of all that it is."""
    return blake2b(orjson.dumps(what), digest_size=4).hexdigest()

"""Runs made of real records, so that what is read from them can be tested without asking a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np

from profiler import metrics, probes
from profiler.metrics.metric import Metric
from profiler.records import Endpoint, Fingerprint, Generation, Profile, Sample, Sampling, Section, Usage
from profiler.runs.estimates import estimates
from profiler.runs.sample_store import SampleColumns
from profiler.stats import FloatArray


@dataclass(frozen=True)
class Built:
    """What `store.load` gives, without a folder."""

    profile: Profile
    probes: Mapping[str, SampleColumns] = field(default_factory=dict)

    def columns(self, probe: str) -> SampleColumns:
        return self.probes[probe]


def samples(
    columns: Mapping[str, Sequence[float]],
    items: Sequence[str] | None = None,
    groups: Sequence[str | None] | None = None,
    clusters: Sequence[str | None] | None = None,
) -> SampleColumns:
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    size = len(next(iter(arrays.values())))
    keys = list(items) if items is not None else [f"q{i:05}" for i in range(size)]
    return SampleColumns(keys, list(groups or [None] * size), list(clusters or [None] * size), arrays)


def section(probe: str = "attributes", **fields: object) -> Section:
    plain: dict[str, object] = {
        "probe": probe,
        "version": 1,
        "how": "text",
        "data": {"prompts.jsonl": "9f2c" * 16},
        "suite": "paper",
        "settings": {
            "prompt_template": "### Question: {prompt}\n ### Answer: ",
            "system": "",
            "samples": 1,
            "lang": "en",
        },
        "sampling": Sampling(temperature=1.0, top_p=0.95, max_tokens=256, seed=7),
        "items": 0,
    }
    return Section.model_validate(plain | fields)


def run(
    scores: Mapping[str, SampleColumns],
    metrics: Mapping[str, Sequence[Metric]],
    name: str = "base",
    sections: Mapping[str, Mapping[str, object]] | None = None,
    **fields: object,
) -> Built:
    """A finished run with these SCORES; SECTIONS says what is special about a probe, FIELDS about the profile."""
    described = {
        probe: {"items": len(table.items)} | dict((sections or {}).get(probe, {})) for probe, table in scores.items()
    }
    plain: dict[str, object] = {
        "id": f"20261121-090000-{name}-3f2a",
        "name": name,
        "endpoint": Endpoint(model=f"models/{name}"),
        "fingerprint": Fingerprint(id="b1946ac9"),
        "sections": tuple(section(probe, **special) for probe, special in described.items()),
        "estimates": tuple(
            estimate for probe, table in scores.items() for estimate in estimates(probe, metrics[probe], table)
        ),
        "usage": Usage(prompt=8_214, completion=16_530),
        "started": datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
        "seconds": 93.4,
        "versions": {"inheritance-profiler": "0.1.0", "spacy": "3.8.18"},
    }
    return Built(Profile.model_validate(plain | fields), scores)


def normal(size: int, mean: float, spread: float, seed: int) -> FloatArray:
    return np.random.default_rng(seed).normal(mean, spread, size)


ANSWERS = (
    "Photosynthesis is how plants turn light into food. Chlorophyll in the leaves takes up sunlight, and with water "
    "from the roots and carbon dioxide from the air it makes sugar. Oxygen is what is left over.",
    "1. Boil a large pot of water.\n2. Salt it well.\n3. Cook the pasta until it is firm to the bite.",
    "A good night's sleep starts with <b>habits</b>: the same hour each evening, a dark room, and no screens.",
)
PROMPTS = ("How does photosynthesis work?", "Give me a simple recipe for pasta.", "How can I sleep better?")


@dataclass(frozen=True)
class Read(Built):
    """A run whose samples can be read as well."""

    @property
    def folder(self) -> Path:
        return Path("runs") / self.profile.id

    @property
    def address(self) -> str:
        return str(self.folder)

    def chosen(self, probe: str, items: Sequence[str]) -> dict[str, Sample]:
        return {sample.item: sample for sample in self.samples(probe) if sample.item in items}

    def samples(self, probe: str) -> list[Sample]:
        table = self.probes[probe]
        return [
            Sample(
                probe=probe,
                item=item,
                prompt=PROMPTS[row % 3],
                answers=(Generation(text=ANSWERS[row % 3], finish="stop", usage=Usage(prompt=12, completion=48)),),
                how="text",
                scores={name: None if np.isnan(column[row]) else column[row] for name, column in table.columns.items()},
            )
            for row, item in enumerate(table.items)
        ]


def written(size: int, length: float, richness: float = 1.0, seed: int = 0) -> SampleColumns:
    """Scores of SIZE answers of about LENGTH words, as real ones hang together; RICHNESS moves the vocabulary."""
    prompts = np.random.default_rng(1).normal(size=(2, size))  # what a prompt calls for is the same on both sides
    rng = np.random.default_rng(seed + 100)
    words = np.round(length * np.exp(0.45 * prompts[0] + 0.25 * rng.normal(size=size))) + 4
    per_sentence = np.clip(17 + 4 * prompts[1] + 2 * rng.normal(size=size), 5, None)
    letters = 4.7 + 0.25 * prompts[1] + 0.15 * rng.normal(size=size)
    syllables = 1.52 + 0.3 * (letters - 4.7) + 0.04 * rng.normal(size=size)
    hard = np.clip(0.13 + 0.1 * (letters - 4.7) + 0.02 * rng.normal(size=size), 0, 1)
    long = np.clip(0.24 + 0.15 * (letters - 4.7) + 0.02 * rng.normal(size=size), 0, 1)
    varied = np.clip(0.78 * richness + 0.04 * rng.normal(size=size), 0.2, 1)
    repetition = np.clip(0.04 + 0.1 * (1 - richness) + 0.02 * rng.normal(size=size), 0, 1)
    known = {
        "characters": np.round(words * letters),
        "words": words,
        "sentences": np.maximum(1, np.round(words / per_sentence)),
        "word_length": letters,
        "sentence_length": per_sentence,
        "syllables": syllables,
        "gunning_fog": 0.4 * (per_sentence + 100 * hard),
        "rix": long * per_sentence,
        "lix": per_sentence + 100 * long,
        "flesch": 206.835 - 1.015 * per_sentence - 84.6 * syllables,
        "flesch_kincaid": 0.39 * per_sentence + 11.8 * syllables - 15.59,
        "smog": np.where(words < 3 * per_sentence, np.nan, 1.043 * np.sqrt(30 * hard * per_sentence) + 3.129),
        "ari": 4.71 * letters + 0.5 * per_sentence - 21.43,
        "coleman_liau": 5.88 * letters - 29.6 / per_sentence * 5 - 15.8,
        "mtld": 92 * richness**2 * np.exp(0.25 * rng.normal(size=size)),
        "mattr": np.where(words < 60, np.nan, varied),
        "hdd": np.where(words < 42, np.nan, np.clip(varied + 0.05, 0, 1)),
        "ttr": np.clip(varied * (60 / words) ** 0.12, 0, 1),
        "repetition": repetition,
        "compression": 1.5 + repetition * 3 + 0.05 * rng.normal(size=size),
        "truncated": (words > 2 * length).astype(float),
        "empty": np.zeros(size),
    }
    # A metric that hangs together with none of these is the same on both sides.
    others = [name for name in metrics.default() if name not in known]
    return samples(known | {name: np.abs(prompts[0]) for name in others})


def attributes(
    name: str, length: float, richness: float = 1.0, seed: int = 0, size: int = 100, **special: object
) -> Read:
    """A run of the attributes probe, as it might be."""
    every = probes.get("attributes")().metrics
    scorers = {metric.name: metric.version for metric in every if metric.score}
    fields = {"fingerprint": Fingerprint(id=f"{blake2b(name.encode(), digest_size=6).hexdigest()}")}
    table = written(size, length, richness, seed)
    built = run(
        {"attributes": table}, {"attributes": every}, name, {"attributes": {"scorers": scorers} | special}, **fields
    )
    return Read(built.profile, built.probes)

"""Runs made of real records, so that what is read from them can be tested without asking a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from profiler.estimate import estimates
from profiler.metric import Metric
from profiler.stats import FloatArray
from profiler.store import SampleColumns
from profiler.types import Endpoint, Fingerprint, Profile, Sampling, Section, Usage


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
        "settings": {"frame": "### Question: {prompt}\n ### Answer: ", "system": "", "samples": 1, "lang": "en"},
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

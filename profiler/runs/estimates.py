"""Scores become estimates: every metric, over all items and in each group."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from profiler.metrics import Metric
from profiler.records import Estimate
from profiler.runs.sample_store import SampleColumns
from profiler.stats import RESAMPLES, IntArray, in_one_thread, intervals, uses

TEXTS = "texts"
"""The probe, so to say, of texts that no probe asked for."""


@in_one_thread
def estimates(
    probe: str,
    metrics: Sequence[Metric],
    samples: SampleColumns,
    lang: str = "en",
    resamples: int = RESAMPLES,
    grouped: bool = True,
) -> list[Estimate]:
    """Each of METRICS over all SAMPLES; GROUPED, then in each of their groups."""
    statistics = [metric.reduction() for metric in metrics]
    made: list[Estimate] = []
    for group in (None, *sorted({name for name in samples.groups if name is not None and grouped})):
        part = samples.of(group)
        nothing = np.full(len(part.items), np.nan)
        columns = {name: nothing for statistic in statistics for name in uses(statistic)} | part.columns
        found = intervals(statistics, columns, clusters(part), resamples, seed(probe))
        for metric, interval in zip(metrics, found, strict=True):
            few = f"from fewer than {metric.enough} items: noisy" if interval.n < metric.enough else None
            why = metric.withheld or metric.foreign(lang) or interval.reason or few
            told = interval._replace(reason=why)._asdict()
            made.append(Estimate(probe=probe, metric=metric.name, group=group, **told))
    return made


def clusters(samples: SampleColumns) -> IntArray | None:
    """A code for each item's cluster; an item without one stands alone."""
    if not any(samples.clusters):
        return None
    names = [cluster or f"\0{item}" for cluster, item in zip(samples.clusters, samples.items, strict=True)]
    codes = {name: code for code, name in enumerate(sorted(set(names)))}
    return np.fromiter(map(codes.__getitem__, names), np.int64, len(names))


def seed(probe: str, group: str | None = None) -> int:
    """The same resamples for every metric of a probe; other ones for another probe and for another group of items."""
    return crc32((group or "").encode(), crc32(probe.encode()))

"""Scores become estimates: every metric, over all items and in each group."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from profiler.metrics import Metric
from profiler.records import Estimate
from profiler.runs.sample_store import SampleColumns
from profiler.stats import RESAMPLES, IntArray, intervals, uses


def estimates(
    probe: str, metrics: Sequence[Metric], samples: SampleColumns, lang: str = "en", resamples: int = RESAMPLES
) -> list[Estimate]:
    """Each of METRICS over all SAMPLES, then in each of their groups."""
    groups = sorted({group for group in samples.groups if group is not None})
    return [
        estimate
        for group in (None, *groups)
        for estimate in overall(probe, metrics, samples.of(group), lang, resamples, group)
    ]


def overall(
    probe: str,
    metrics: Sequence[Metric],
    samples: SampleColumns,
    lang: str = "en",
    resamples: int = RESAMPLES,
    group: str | None = None,
) -> list[Estimate]:
    """Each of METRICS over all SAMPLES, which make up GROUP if one is named."""
    statistics = [metric.reduction() for metric in metrics]
    nothing = np.full(len(samples.items), np.nan)
    columns = {name: nothing for statistic in statistics for name in uses(statistic)} | samples.columns
    found = intervals(statistics, columns, clusters(samples), resamples, seed(probe))
    return [
        Estimate(
            probe=probe,
            metric=metric.name,
            group=group,
            **interval._replace(
                reason=metric.withheld or metric.foreign(lang) or interval.reason or _few(metric, interval.n)
            )._asdict(),
        )
        for metric, interval in zip(metrics, found, strict=True)
    ]


def _few(metric: Metric, items: int) -> str | None:
    return f"from fewer than {metric.enough} items: noisy" if items < metric.enough else None


def clusters(samples: SampleColumns) -> IntArray | None:
    """A code for each item's cluster; an item without one stands alone."""
    if not any(samples.clusters):
        return None
    names = [cluster or f"\0{item}" for cluster, item in zip(samples.clusters, samples.items, strict=True)]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def seed(probe: str) -> int:
    """The same resamples for every metric of a probe, other ones for another probe."""
    return crc32(probe.encode())

"""Columns of scores become estimates: every metric, over all items and in each group, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from profiler.metric import Metric
from profiler.stats import interval
from profiler.store import SampleColumns
from profiler.types import Estimate

RESAMPLES = 1000


def estimates(
    probe: str, metrics: Sequence[Metric], samples: SampleColumns, lang: str = "en", resamples: int = RESAMPLES
) -> list[Estimate]:
    """Each of METRICS over all SAMPLES, then in each of their groups."""
    groups = sorted({group for group in samples.groups if group is not None})
    return [
        _estimate(probe, metric, group, subset(samples, group), lang, resamples)
        for group in (None, *groups)
        for metric in metrics
    ]


def subset(samples: SampleColumns, group: str | None) -> SampleColumns:
    """The samples of one group; all of them for None."""
    if group is None:
        return samples
    rows = [row for row, name in enumerate(samples.groups) if name == group]
    return SampleColumns(
        [samples.items[row] for row in rows],
        [samples.groups[row] for row in rows],
        [samples.clusters[row] for row in rows],
        {name: column[rows] for name, column in samples.columns.items()},
    )


def clusters(samples: SampleColumns) -> np.ndarray[tuple[int], np.dtype[np.intp]] | None:
    """A code for each item's cluster; an item without one stands alone."""
    if not any(samples.clusters):
        return None
    names = [cluster or f"\0{item}" for cluster, item in zip(samples.clusters, samples.items, strict=True)]
    return np.unique(names, return_inverse=True)[1]


def seed(probe: str) -> int:
    """The same resamples for every metric of a probe, other ones for another probe."""
    return crc32(probe.encode())


def _estimate(
    probe: str, metric: Metric, group: str | None, samples: SampleColumns, lang: str, resamples: int
) -> Estimate:
    found = interval(metric.reduction(), samples.columns, clusters(samples), resamples, seed(probe))
    return Estimate(
        probe=probe,
        metric=metric.name,
        group=group,
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        undefined=found.undefined,
        reason=None if found.value is not None else _reason(metric, lang),
    )


def _reason(metric: Metric, lang: str) -> str:
    if metric.languages is not None and lang not in metric.languages:
        return f"{metric.name} is defined for {', '.join(metric.languages)}; these texts are {lang!r}"
    return "no item has a defined score"

"""Scores become estimates: every metric, over all items and in each group, and how far scorers of one thing agree."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from zlib import crc32

import numpy as np

from profiler.metrics import Metric
from profiler.records import Estimate, Sample
from profiler.runs.store import SampleColumns
from profiler.stats import RESAMPLES, FloatArray, IntArray, intervals, raters, uses

HALF = 0.5
"""From here on a rating is a yes."""
MEASURES = {
    "Pearson": raters.correlation("x", "y"),
    "Spearman": raters.correlation("rx", "ry"),
    "same side of 0.5": raters.same_side("x", "y", HALF, raters.agreement),
    "kappa at 0.5": raters.same_side("x", "y", HALF, raters.kappa),
}
"""How far two scorers agree."""


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


def rivals(metrics: Sequence[Metric]) -> list[Metric]:
    """Those of METRICS that rate what another of them rates."""
    rated = [metric.rates for metric in metrics if metric.rates]
    return [metric for metric in metrics if rated.count(metric.rates) > 1]


def agreements(probe: str, metrics: Sequence[Metric], samples: Iterable[Sample]) -> list[Estimate]:
    """Pearson, Spearman, agreement at a half and kappa of each two rivals among METRICS, over all texts of SAMPLES.

    Intervals resample prompts.
    """
    held = rivals(metrics)
    names = [metric.name for metric in held]
    if not names:
        return []
    makers = [name.partition(":")[2] or metric.version for name, metric in zip(names, held, strict=True)]
    rows: list[list[float | None]] = []
    items: list[int] = []
    for number, sample in enumerate(samples):
        texts = [] if sample.error else sample.answers
        rows += [[text.scores.get(name) for name in names] for text in texts]
        items += [number] * len(texts)
    table = np.array(rows, np.float64).reshape(-1, len(names))  # None becomes NaN
    return [
        estimate
        for one, other in combinations(range(len(names)), 2)
        for estimate in _pair(probe, (makers[one], makers[other]), table[:, [one, other]], np.array(items))
    ]


def _pair(probe: str, names: tuple[str, str], ratings: FloatArray, items: IntArray) -> list[Estimate]:
    known = np.asarray(~np.isnan(ratings).any(axis=1))
    x, y = ratings[known].T
    columns = {"x": x, "y": y, "rx": raters.ranks(x), "ry": raters.ranks(y)}
    prompts = np.unique(items[known], return_inverse=True)[1].astype(np.int64)
    found = intervals(list(MEASURES.values()), columns, prompts)
    return [
        Estimate(
            probe=probe,
            metric=measure,
            group=" / ".join(names),
            **interval._replace(undefined=len(known) - int(known.sum()), stderr=None)._asdict(),
        )
        for measure, interval in zip(MEASURES, found, strict=True)
    ]

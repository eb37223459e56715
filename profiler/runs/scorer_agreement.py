"""How far metrics that rate the same texts agree: pair by pair, with intervals that resample prompts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from profiler.metrics.metric import Metric
from profiler.records import Estimate, Sample
from profiler.stats import Columns, FloatArray, IntArray, OfSums, intervals

HALF = 0.5
"""From here on a rating is a yes."""


def rivals(metrics: Sequence[Metric]) -> list[Metric]:
    """Those of METRICS that rate what another of them rates."""
    rated = [metric.rates for metric in metrics if metric.rates]
    return [metric for metric in metrics if rated.count(metric.rates) > 1]


def agreements(probe: str, metrics: Sequence[Metric], samples: Iterable[Sample], seed: int = 0) -> list[Estimate]:
    """Pearson, Spearman, agreement at a half and kappa of each two rivals among METRICS, over all texts of SAMPLES."""
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
        for estimate in _pair(probe, (makers[one], makers[other]), table[:, [one, other]], np.array(items), seed)
    ]


def _pair(probe: str, names: tuple[str, str], ratings: FloatArray, items: IntArray, seed: int) -> list[Estimate]:
    known = np.asarray(~np.isnan(ratings).any(axis=1))
    x, y = ratings[known].T
    columns = {"x": _centred(x), "y": _centred(y), "rx": _centred(_ranks(x)), "ry": _centred(_ranks(y))}
    columns |= {"yes x": (x >= HALF).astype(np.float64), "yes y": (y >= HALF).astype(np.float64)}
    clusters = np.unique(items[known], return_inverse=True)[1].astype(np.int64)
    found = intervals(list(MEASURES.values()), columns, clusters, seed=seed)
    return [
        Estimate(
            probe=probe,
            metric=measure,
            group=" / ".join(names),
            value=interval.value,
            low=interval.low,
            high=interval.high,
            n=interval.n,
            undefined=len(known) - int(known.sum()),
            reason=interval.reason,
        )
        for measure, interval in zip(MEASURES, found, strict=True)
    ]


def _centred(column: FloatArray) -> FloatArray:
    """Sums of squares lose fewer digits about the mean; a correlation is the same."""
    return column - column.mean() if len(column) else column


def _ranks(column: FloatArray) -> FloatArray:
    """Places in order of size; equal values share the middle of theirs."""
    _, which, many = np.unique(column, return_inverse=True, return_counts=True)
    last = np.cumsum(many)
    return np.asarray((last - (many - 1) / 2)[which], np.float64)


def _correlation(one: str, other: str) -> OfSums:
    """Pearson's r from sums, so that it can be resampled by weighting them."""

    def parts(columns: Columns) -> FloatArray:
        x, y = columns[one], columns[other]
        return np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])

    def combine(sums: FloatArray) -> FloatArray:
        n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
        spread = np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0)
        # Ratings that are all alike but for rounding have no correlation.
        return np.asarray(np.where(spread > 1e-20 * n * n, (xy - x * y / n) / np.sqrt(spread), np.nan))

    return OfSums(parts, combine, (one, other))


def _yes_and_no(columns: Columns) -> FloatArray:
    x, y = columns["yes x"], columns["yes y"]
    return np.column_stack([np.ones(len(x)), x, y, x * y])


def _same(sums: FloatArray) -> FloatArray:
    n, x, y, both = np.moveaxis(sums, -1, 0)
    return np.asarray((n - x - y + 2 * both) / n)


def _kappa(sums: FloatArray) -> FloatArray:
    """Cohen 1960: (p_o - p_e) / (1 - p_e)."""
    n, x, y, _ = np.moveaxis(sums, -1, 0)
    chance = (x * y + (n - x) * (n - y)) / (n * n)
    return np.asarray((_same(sums) - chance) / (1 - chance))


YES = ("yes x", "yes y")
MEASURES = {
    "Pearson": _correlation("x", "y"),
    "Spearman": _correlation("rx", "ry"),
    "same side of 0.5": OfSums(_yes_and_no, _same, YES),
    "kappa at 0.5": OfSums(_yes_and_no, _kappa, YES),
}

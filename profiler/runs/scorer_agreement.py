"""How far scorers of the same texts agree: Pearson, Spearman, and kappa where a rating is a yes or a no."""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from profiler.metrics import Metric
from profiler.records import Estimate, Sample
from profiler.stats import FloatArray, IntArray, intervals, raters

HALF = 0.5
"""From here on a rating is a yes."""
MEASURES = {
    "Pearson": raters.correlation("x", "y"),
    "Spearman": raters.correlation("rx", "ry"),
    "same side of 0.5": raters.same_side("x", "y", HALF, raters.agreement),
    "kappa at 0.5": raters.same_side("x", "y", HALF, raters.kappa),
}
"""How far two scorers agree."""


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

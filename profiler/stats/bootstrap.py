"""Numbers of items drawn anew: what they show of changes, and the interval of what is made of ranks."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from statistics import NormalDist

import numpy as np

from profiler.stats.share import student
from profiler.stats.statistic import (
    Columns,
    FloatArray,
    IntArray,
    OfRows,
    Statistic,
    quiet,
    size_of,
    summed,
)

RESAMPLES = 1000
FEW_UNITS = 40
"""Below, the ends of a resampled interval are Student's."""
DEFINED = 0.95
"""Share of the resamples that must have a value before their spread is called an interval."""
CELLS = 2**21
"""Weights held at a time: 16 MiB, however many items there are."""


def draws(
    statistics: Sequence[Statistic],
    columns: Columns,
    clusters: IntArray | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> FloatArray:
    """Bootstrap draws (resamples, statistics).

    The picks depend on the seed and the clusters alone: two models' answers to the same items, resampled with the
    same seed, are paired draw by draw, and so are all the statistics of one call.
    """
    units = _units(size_of(columns), clusters)
    out = np.full((resamples, len(statistics)), np.nan)
    if units == 0:
        return out
    sums = {i: s for i, s in enumerate(statistics) if not isinstance(s, OfRows)}
    rows = {i: s for i, s in enumerate(statistics) if isinstance(s, OfRows)}
    if sums:
        parts = [summed(statistic, columns) for statistic in sums.values()]
        drawn = resampled(np.hstack(parts), clusters, resamples, seed)
        ends = np.cumsum([part.shape[1] for part in parts])[:-1]
        for (i, of_sums), each in zip(sums.items(), np.split(drawn, ends, axis=1), strict=True):
            out[:, i] = quiet(of_sums.combine, each)
    if rows:
        members = _members(clusters, units)
        for draw, pick in zip(out, chain.from_iterable(_picks(units, resamples, seed)), strict=True):
            taken = {name: column[members(pick)] for name, column in columns.items()}
            for i, of_rows in rows.items():
                draw[i] = of_rows.value(taken)
    return out


def spread(drawn: FloatArray, units: int, value: float) -> tuple[float, float] | None:
    """The 95 % interval of bootstrap draws of a number with this VALUE; None where too few of them are defined.

    Resampling few units knows too little spread: below `FEW_UNITS` the ends are Student's, from there on percentiles
    that reach as much further out as t does (Hesterberg 2015, the expanded percentile interval).
    """
    if units < 2:
        return None
    reach = student(units - 1) * float(np.sqrt(units / (units - 1)))
    if units >= FEW_UNITS:
        return percentiles(drawn, NormalDist().cdf(-reach))
    if percentiles(drawn) is None:
        return None
    error = float(drawn[np.isfinite(drawn)].std(ddof=1))
    return value - reach * error, value + reach * error


def percentiles(drawn: FloatArray, tail: float = 0.025) -> tuple[float, float] | None:
    """The percentile interval of bootstrap draws; None where too few of them are defined."""
    finite = drawn[np.isfinite(drawn)]
    if len(finite) == 0 or len(finite) < DEFINED * len(drawn):
        return None
    low, high = np.quantile(finite, (tail, 1 - tail))
    return float(low), float(high)


def centred(drawn: FloatArray, value: float) -> FloatArray:
    """Draws of a folded statistic, moved to lie around its VALUE: without, they may all be larger than it."""
    known = np.isfinite(drawn)
    if np.isnan(value) or not known.any():
        return drawn
    return np.asarray(np.maximum(drawn - (drawn[known].mean() - value), 0.0))


def adjusted(deltas: FloatArray, changes: FloatArray, units: FloatArray) -> FloatArray:
    """Chance of each change (m,) among all of them if nothing had changed, from their bootstrap draws (B, m).

    Romano & Wolf 2005, step-down max-T: each change is measured in its own standard errors and compared with the
    largest deviation that any of the not yet rejected ones shows by chance, resample by resample, so that metrics
    that move together are not paid for twice. UNITS (m,) are the items or clusters behind each change. NaN where a
    change is undefined.
    """
    out = np.where(np.isnan(changes), np.nan, 1.0)
    deviations = np.where(np.isnan(deltas), 0.0, deltas - changes)
    spread = np.ma.masked_invalid(deltas).std(axis=0, ddof=1).filled(0.0)
    with np.errstate(invalid="ignore"):
        flat = ~(spread > 1e-9 * np.abs(changes))
    floor = 1 / (len(deltas) + 1)
    out[flat & (changes != 0) & ~np.isnan(changes)] = floor  # every item moved by the same amount
    live = np.flatnonzero(~flat & ~np.isnan(changes))
    if len(live) == 0:
        return out
    size = _normal(np.abs(changes[live]) / spread[live], units[live])
    by_chance = np.abs(deviations[:, live]) / spread[live]
    order = np.argsort(-size, kind="stable")
    largest = np.maximum.accumulate(by_chance[:, order[::-1]], axis=1)[:, ::-1]
    p = ((largest >= size[order]).sum(axis=0) + 1) * floor
    out[live[order]] = np.maximum.accumulate(p)
    return out


def _normal(size: FloatArray, units: FloatArray) -> FloatArray:
    """The normal deviate that is as rare as a change of SIZE bootstrap standard errors among UNITS items.

    The draws know the spread of the items at hand only, which is itself uncertain: without this, twenty unchanged
    metrics of 100 items give a false alarm in 8 comparisons of 100, not in 5. Wallace 1959 for Student's t.
    """
    freedom = np.maximum(units - 1, 1.0)
    student = size * np.sqrt(freedom / (freedom + 1))  # the bootstrap divides by n, not n - 1
    return np.asarray((8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(student**2 / freedom)))


def kinds_of(columns: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """The kind of each item, and one item of each kind: items of a kind have the same value in all COLUMNS."""
    whole = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, code = np.unique(column, return_inverse=True)
        _, whole = np.unique(whole * (int(code.max(initial=0)) + 1) + code, return_inverse=True)
    _, first, kinds = np.unique(whole, return_index=True, return_inverse=True)
    return kinds.astype(np.int64), first.astype(np.int64)


def _units(size: int, clusters: IntArray | None) -> int:
    return size if clusters is None else int(clusters.max(initial=-1)) + 1


def resampled(table: FloatArray, clusters: IntArray | None, resamples: int, seed: int) -> FloatArray:
    """Sums of resampled rows of TABLE, or of resampled clusters of them: (resamples, k)."""
    if not (units := _units(len(table), clusters)):
        return np.full((resamples, table.shape[1]), np.nan)
    if clusters is not None:
        table = np.column_stack([np.bincount(clusters, weights=column, minlength=units) for column in table.T])
    picked = (
        np.stack([np.bincount(pick, minlength=units) for pick in picks]) for picks in _picks(units, resamples, seed)
    )
    return np.concatenate([weights.astype(np.float64) @ table for weights in picked])


def _picks(units: int, resamples: int, seed: int) -> Iterator[list[IntArray]]:
    """Units drawn with replacement, a bounded number of resamples at a time."""
    rng = np.random.default_rng(seed)
    chunk = max(1, CELLS // units)
    for start in range(0, resamples, chunk):
        yield [rng.integers(units, size=units) for _ in range(min(chunk, resamples - start))]


def _members(clusters: IntArray | None, units: int) -> Callable[[IntArray], IntArray]:
    """From picked clusters to the rows in them."""
    if clusters is None:
        return lambda pick: pick
    order = np.argsort(clusters, kind="stable")
    count = np.bincount(clusters, minlength=units)
    first = np.cumsum(count) - count

    def rows(pick: IntArray) -> IntArray:
        sizes = count[pick]
        ends = np.cumsum(sizes)
        return np.asarray(order[np.repeat(first[pick] - (ends - sizes), sizes) + np.arange(ends[-1])])

    return rows

"""Numbers of items drawn anew: what they show of changes, and the interval of what is made of ranks."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from math import ceil
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from profiler.stats.share import student
from profiler.stats.statistic import (
    Columns,
    FloatArray,
    IntArray,
    OfRows,
    Statistic,
    by_cluster,
    quiet,
    size_of,
    summed,
)

RESAMPLES = 1000
FEW_UNITS = 40
"""Below, the ends of a resampled interval are Student's."""
DEFINED = 0.95
"""Share of the resamples that must have a value before their spread is called an interval."""
POWER = NormalDist().inv_cdf(0.8)
"""Standard errors beyond an interval's reach at which a true change is found in 8 of 10 comparisons."""
CELLS = 2**21
"""Weights held at a time: 16 MiB, however many items there are."""
FEWER = 2**18
"""The same where several such arrays are held beside each other."""


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
    rows = {i: s for i, s in enumerate(statistics) if isinstance(s, OfRows) and not s.resampled}
    at_once = {i: s.resampled for i, s in enumerate(statistics) if isinstance(s, OfRows) and s.resampled}
    if sums:
        parts = [summed(statistic, columns) for statistic in sums.values()]
        parts = parts if clusters is None else [by_cluster(part, clusters) for part in parts]
        drawn = resampled(np.hstack(parts), None, resamples, seed)
        ends = np.cumsum([part.shape[1] for part in parts])[:-1]
        for (i, of_sums), each in zip(sums.items(), np.split(drawn, ends, axis=1), strict=True):
            out[:, i] = quiet(of_sums.combine, each)
    if at_once:
        done = 0
        for often in _often(units, resamples, seed, FEWER // max(size_of(columns), units)):
            times = often if clusters is None else often[:, clusters]
            for i, resampled_value in at_once.items():
                out[done : done + len(often), i] = resampled_value(columns, times)
            done += len(often)
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
    """The percentile interval of bootstrap draws; None where too few of them are defined.

    As far out as so many of one draw more: between the draws themselves it would hold 94.8 of 100, not 95.
    """
    finite = drawn[np.isfinite(drawn)]
    if len(finite) == 0 or len(finite) < DEFINED * len(drawn):
        return None
    low, high = np.quantile(finite, (tail, 1 - tail), method="weibull")
    return float(low), float(high)


def centred(drawn: FloatArray, value: float) -> FloatArray:
    """Draws of a folded statistic, moved to lie around its VALUE: without, they may all be larger than it."""
    known = np.isfinite(drawn)
    if np.isnan(value) or not known.any():
        return drawn
    return np.asarray(np.maximum(drawn - (drawn[known].mean() - value), 0.0))


class Simultaneous(NamedTuple):
    """What holds for all of a family's changes together; an array (m,) each."""

    p: FloatArray
    """Chance that any of the family would change so much if nothing had; NaN where a change is undefined."""
    errors: FloatArray
    """The change's standard error, as resampling knows it."""
    reach: FloatArray
    """How many of them the interval reaches to either side: together they hold the truth in 95 of 100 comparisons."""
    closer: FloatArray
    """The same of intervals of 90 %, whose two sides are two tests at 5 % each."""
    seen: FloatArray
    """How many of them a true change must be to be found in 8 of 10 comparisons."""


def simultaneous(deltas: FloatArray, changes: FloatArray, units: FloatArray, alpha: float = 0.05) -> Simultaneous:
    """Intervals and chances of each change (m,) among all of them, from their bootstrap draws (B, m).

    Westfall & Young 1993, max-T: each change is measured in its own standard errors and held against the largest
    deviation that any of them shows by chance, resample by resample, so that metrics that move together are not paid
    for twice. A change has p < ALPHA exactly where its interval leaves out 0. UNITS (m,) are the items or clusters
    behind each change.
    """
    known = ~np.isnan(changes)
    errors = np.ma.masked_invalid(deltas).std(axis=0, ddof=1).filled(0.0)
    with np.errstate(invalid="ignore"):
        flat = ~(errors > 1e-9 * np.abs(changes))
    floor = 1 / (len(deltas) + 1)
    p = np.where(known, 1.0, np.nan)
    p[flat & known & (changes != 0)] = floor  # every item moved by the same amount
    errors = np.where(flat, 0.0, errors)
    live = np.flatnonzero(~flat & known)
    if len(live) == 0:
        nothing = np.zeros(len(changes))
        return Simultaneous(p, errors, nothing, nothing, nothing)
    deviations = np.where(np.isnan(deltas), 0.0, deltas - changes)[:, live]
    sizes = np.maximum(np.abs(deviations) / errors[live], np.abs(_as_normal(deviations)))
    largest = np.sort(sizes.max(axis=1))[::-1]
    freedom = _freedom(units, len(deltas))
    size = _normal(np.abs(changes[live]) / errors[live] / _little_known(units[live]), freedom[live])
    p[live] = (np.searchsorted(-largest, -size, side="right") + 1) * floor

    def reached(chance: float) -> FloatArray:
        """In errors, what fewer than so large a share of the resamples deviate by."""
        return _student(largest[max(ceil(chance / floor - 1e-9) - 2, 0)], freedom) * _little_known(units)

    reach = reached(alpha)
    return Simultaneous(p, errors, reach, reached(2 * alpha), reach + POWER * _little_known(units))


def _as_normal(deviations: FloatArray) -> FloatArray:
    """What each deviation would be if those of its number were normal: by its rank.

    The draws of few units don't know their tails. Taken as drawn, the twelve numbers of six categories with 25
    templates give a false alarm in 5.3 comparisons of 100 (10,200 measured); taken as what lies further out, in 4.2
    (2,500).
    """
    scores = np.empty_like(deviations)
    np.put_along_axis(scores, deviations.argsort(axis=0), _normal_scores(len(deviations))[:, np.newaxis], axis=0)
    return scores


@lru_cache(4)
def _normal_scores(many: int) -> FloatArray:
    return np.array([NormalDist().inv_cdf(rank / (many + 1)) for rank in range(1, many + 1)])


def _freedom(units: FloatArray, resamples: int) -> FloatArray:
    """Degrees of freedom: a standard error is known as well as the units at hand and the resamples of them allow.

    Without the units, twenty unchanged metrics of 100 items give a false alarm in 8 comparisons of 100, not in 5.
    Resamples count half: the change is measured in an error of theirs, which they are themselves measured in.
    """
    return np.asarray(1 / (1 / np.maximum(units - 1, 1.0) + 2 / max(resamples - 1, 1)))


def _normal(student: FloatArray, freedom: FloatArray) -> FloatArray:
    """The normal deviate that is as rare as one of Student's (Wallace 1959)."""
    return np.asarray((8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(student**2 / freedom)))


def _student(normal: float, freedom: FloatArray) -> FloatArray:
    """The deviate of Student's that is as rare as a NORMAL one: `_normal` turned round."""
    square = (normal * (8 * freedom + 3) / (8 * freedom + 1)) ** 2
    return np.asarray(np.sqrt(freedom * np.expm1(np.minimum(square / freedom, 100.0))))


def _little_known(units: FloatArray) -> FloatArray:
    """How much a standard error is above what resampling shows, which divides by n and not by n - 1."""
    freedom = np.maximum(units - 1, 1.0)
    return np.asarray(np.sqrt((freedom + 1) / freedom))


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
        table = by_cluster(table, clusters)
    return np.concatenate([often.astype(np.float64) @ table for often in _often(units, resamples, seed)])


def _often(units: int, resamples: int, seed: int, most: int = RESAMPLES) -> Iterator[IntArray]:
    """How often each unit is in each resample, at MOST so many resamples at a time."""
    chunks = [_once(units, resamples, seed)] if units * resamples <= CELLS else _counted(units, resamples, seed)
    for chunk in chunks:
        for start in range(0, len(chunk), max(most, 1)):
            yield chunk[start : start + max(most, 1)]


@lru_cache(4)
def _once(units: int, resamples: int, seed: int) -> IntArray:
    """All of few: both sides of a comparison have the same resamples, and so have groups as large as each other
    whose numbers are not held against each other.
    """
    found = next(_counted(units, resamples, seed))
    found.flags.writeable = False
    return found


def _counted(units: int, resamples: int, seed: int) -> Iterator[IntArray]:
    for picks in _picks(units, resamples, seed):
        apart = picks + units * np.arange(len(picks))[:, np.newaxis]
        yield np.bincount(apart.ravel(), minlength=picks.size).reshape(picks.shape)


def _picks(units: int, resamples: int, seed: int) -> Iterator[IntArray]:
    """Units drawn with replacement (resamples, units), a bounded number of resamples at a time."""
    rng = np.random.default_rng(seed)
    chunk = max(1, CELLS // units)
    for start in range(0, resamples, chunk):
        yield rng.integers(units, size=(min(chunk, resamples - start), units))


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

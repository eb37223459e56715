"""Intervals from resampled items, or from resampled counts: arrays in, numbers out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Columns = Mapping[str, FloatArray]
"""One value an item under each name; NaN where an item has none."""
Formula = Callable[[FloatArray], FloatArray]
"""Sums (…, k) → numbers (…); NaN where undefined."""

RESAMPLES = 1000
TAILS = (0.025, 0.975)
DEFINED = 0.95
"""Share of the resamples that must have a value before their spread is called an interval."""
CELLS = 2**21
"""Weights held at a time: 16 MiB, however many items there are."""
FEW = 0.125
"""Items may be drawn by kind where there are fewer kinds than this share of the items."""


class Units(NamedTuple):
    """What the things are called that are resampled, where a reason is given for a number that is missing."""

    none: str
    one: str
    one_cluster: str
    alike: str


ITEMS = Units("no item has a score", "one item", "one cluster of items", "all items alike")
PAIRS = Units("no pair has both labels", "one pair", "one prompt", "all pairs alike")


@dataclass(frozen=True)
class Mean:
    """The mean of a column over the items that have a value."""

    column: str
    over: tuple[str, ...] = ()
    """Columns that are 1 for the items it is about; the others neither count nor are called undefined."""
    folded: ClassVar = False

    @property
    def uses(self) -> Sequence[str]:
        return (self.column,)

    def parts(self, columns: Columns) -> FloatArray:
        return np.column_stack([columns[self.column], np.ones(_size(columns))])

    def combine(self, sums: FloatArray) -> FloatArray:
        return ratio(sums)


@dataclass(frozen=True)
class OfSums:
    """A function of column sums, such as a ratio: resampled by weighting sums, never by copying rows."""

    parts: Callable[[Columns], FloatArray]
    """Columns → (items, k): what is summed. An item with a NaN among its parts is left out whole."""
    combine: Formula
    uses: Sequence[str] = ()
    """The columns it reads."""
    over: tuple[str, ...] = ()
    """As for a mean."""
    folded: bool = False
    """It adds up distances from nought, as an error over bins does: chance alone makes it larger, and a resample has
    more of chance than the items."""


@dataclass(frozen=True)
class OfRows:
    """Any function of the rows, such as a calibration error; resampled row by row."""

    value: Callable[[Columns], float]
    uses: Sequence[str] = ()
    folded: bool = False
    """As for sums."""
    over: ClassVar[tuple[str, ...]] = ()

    def parts(self, columns: Columns) -> FloatArray:
        """What must not be NaN."""
        return np.column_stack([np.zeros(_size(columns)), *(columns[name] for name in self.uses)])


Statistic = Mean | OfSums | OfRows


@dataclass(frozen=True)
class Count:
    """Something counted on each item, and the numbers that are made of its sums."""

    parts: FloatArray
    """(items, k); zeros where an item has no part in it."""
    formulas: Mapping[str, Formula]


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Items that the value rests on."""
    undefined: int
    """Items left out because they have no score."""
    reason: str | None
    """Why the value or its interval is missing."""
    stderr: float | None = None
    """The standard deviation of the draws that the interval is read from."""


def intervals(
    statistics: Sequence[Statistic],
    columns: Columns,
    clusters: IntArray | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Interval]:
    """Every statistic with its interval, all from the same resamples: one pass however many there are."""
    drawn = draws(statistics, columns, clusters, resamples, seed)
    found = []
    for statistic, column in zip(statistics, drawn.T, strict=True):
        value = observed(statistic, columns)
        if statistic.folded:
            column = centred(column, value)
        used = defined(statistic, columns)
        undefined = int((_about(statistic, columns) & ~used).sum())
        found.append(_interval(value, used, undefined, clusters, column, ITEMS))
    return found


def count_intervals(
    counts: Sequence[Count],
    kinds: IntArray,
    clusters: IntArray | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[dict[str, Interval]]:
    """The numbers of each count by name, with their percentile intervals, all from the same resamples.

    A count's rows are kinds of items; KINDS says which kind each item is of. Without clusters a resample is a draw of
    how many items of each kind there are, which is the same as drawing the items and costs as much as there are kinds.
    """
    if not counts:
        return []
    parts = np.hstack([count.parts for count in counts])
    often = np.bincount(kinds, minlength=len(parts)).astype(np.float64)
    if clusters is None and 0 < len(parts) <= max(64, FEW * len(kinds)):
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(len(kinds), often / often.sum(), size=resamples) @ parts
    else:  # the units that `draws` picks from the same seed
        drawn = _resampled(parts[kinds], clusters, resamples, seed)
    ends = np.cumsum([count.parts.shape[1] for count in counts])[:-1]
    found = []
    for count, own, each in zip(counts, np.split(parts, ends, axis=1), np.split(drawn, ends, axis=1), strict=True):
        has, sums = (own != 0).any(axis=1)[kinds], often @ own
        found.append(
            {
                metric: _interval(float(_quiet(formula, sums)), has, 0, clusters, _quiet(formula, each), PAIRS)
                for metric, formula in count.formulas.items()
            }
        )
    return found


def kinds_of(columns: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """The kind of each item, and one item of each kind: items of a kind have the same value in all COLUMNS."""
    whole = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, code = np.unique(column, return_inverse=True)
        _, whole = np.unique(whole * (int(code.max(initial=0)) + 1) + code, return_inverse=True)
    _, first, kinds = np.unique(whole, return_index=True, return_inverse=True)
    return kinds.astype(np.int64), first.astype(np.int64)


def centred(drawn: FloatArray, value: float) -> FloatArray:
    """Draws of a folded statistic, moved to lie around its VALUE: without, they may all be larger than it."""
    known = np.isfinite(drawn)
    if np.isnan(value) or not known.any():
        return drawn
    return np.asarray(np.maximum(drawn - (drawn[known].mean() - value), 0.0))


def _interval(
    value: float,
    used: NDArray[np.bool_],
    undefined: int,
    clusters: IntArray | None,
    drawn: FloatArray,
    called: Units,
) -> Interval:
    n = int(used.sum())
    if np.isnan(value):
        return Interval(None, None, None, n, undefined, called.none if n == 0 else "nothing to divide by")
    units = n if clusters is None else len(np.unique(clusters[used]))
    spread = percentiles(drawn)
    if units < 2:
        reason = f"no interval from {called.one if clusters is None else called.one_cluster}"
    elif spread is None:
        reason = "no interval: undefined in too many resamples"
    elif np.isclose(spread[0], spread[1], rtol=1e-12, atol=0):
        # The bootstrap would claim to be certain, which nobody is who has seen n alike items.
        reason = f"no interval: {called.alike}"
    else:
        return Interval(value, *spread, n, undefined, None, float(drawn[np.isfinite(drawn)].std(ddof=1)))
    return Interval(value, None, None, n, undefined, reason)


def percentiles(drawn: FloatArray) -> tuple[float, float] | None:
    """The 95 % percentile interval of bootstrap draws; None where too few of them are defined."""
    finite = drawn[np.isfinite(drawn)]
    if len(finite) == 0 or len(finite) < DEFINED * len(drawn):
        return None
    low, high = np.quantile(finite, TAILS)
    return float(low), float(high)


def share_interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of N independent items: Wilson 1927, which holds near 0 and 1 and for few items."""
    z = 1.959963984540054
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def observed(statistic: Statistic, columns: Columns) -> float:
    """The statistic of the items as they are; NaN when undefined."""
    if isinstance(statistic, OfRows):
        return float(statistic.value(columns)) if _size(columns) else np.nan
    return float(_quiet(statistic.combine, _summed(statistic, columns).sum(axis=0)))


def uses(statistic: Statistic) -> Sequence[str]:
    """The columns that a statistic reads."""
    return [*statistic.uses, *statistic.over]


def _about(statistic: Statistic, columns: Columns) -> NDArray[np.bool_]:
    """Which items the statistic is about, with a value or without: all where it names no column."""
    return np.asarray(np.all([columns[name] == 1 for name in statistic.over], axis=0))


def defined(statistic: Statistic, columns: Columns) -> NDArray[np.bool_]:
    """Which items the statistic rests on."""
    return np.asarray(~np.isnan(statistic.parts(columns)).any(axis=1) & _about(statistic, columns))


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
    units = _units(_size(columns), clusters)
    out = np.full((resamples, len(statistics)), np.nan)
    if units == 0:
        return out
    sums = {i: s for i, s in enumerate(statistics) if not isinstance(s, OfRows)}
    rows = {i: s for i, s in enumerate(statistics) if isinstance(s, OfRows)}
    if sums:
        parts = [_summed(statistic, columns) for statistic in sums.values()]
        drawn = _resampled(np.hstack(parts), clusters, resamples, seed)
        ends = np.cumsum([part.shape[1] for part in parts])[:-1]
        for (i, of_sums), each in zip(sums.items(), np.split(drawn, ends, axis=1), strict=True):
            out[:, i] = _quiet(of_sums.combine, each)
    if rows:
        members = _members(clusters, units)
        for draw, pick in zip(out, chain.from_iterable(_picks(units, resamples, seed)), strict=True):
            taken = {name: column[members(pick)] for name, column in columns.items()}
            for i, of_rows in rows.items():
                draw[i] = of_rows.value(taken)
    return out


def adjusted(deltas: FloatArray, changes: FloatArray, units: FloatArray) -> FloatArray:
    """Chance of each change (m,) among all of them if nothing had changed, from their bootstrap draws (B, m).

    Romano & Wolf 2005, step-down max-T: each change is measured in its own standard errors and held against the
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


def _size(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def _summed(statistic: Mean | OfSums, columns: Columns) -> FloatArray:
    """What is summed over items: (items, k)."""
    parts = statistic.parts(columns)
    whole = ~np.isnan(parts).any(axis=1) & _about(statistic, columns)
    return np.where(whole[:, np.newaxis], parts, 0.0)


def ratio(sums: FloatArray) -> FloatArray:
    """The first of two sums over the second."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def _quiet(combine: Formula, sums: FloatArray) -> FloatArray:
    """0 / 0 is how a formula says undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = combine(sums)
    return np.asarray(np.where(np.isinf(value), np.nan, value))


def _units(size: int, clusters: IntArray | None) -> int:
    return size if clusters is None else int(clusters.max(initial=-1)) + 1


def _resampled(table: FloatArray, clusters: IntArray | None, resamples: int, seed: int) -> FloatArray:
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

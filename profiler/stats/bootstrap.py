"""Numbers with their intervals, and draws of changes: arrays in, numbers out.

What is made of sums (a mean, a ratio, kappa) has its interval from what each item adds to it; what is made of ranks has
it from resampled items. docs/statistics.md says what each covers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist
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
Z = 1.959963984540054
STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)
"""97.5 % points of Student's t with 1 to 9 degrees of freedom."""
FEW_UNITS = 40
"""Below, the ends of a resampled interval are Student's."""
FEW_CLUSTERS = 20
"""Below, an interval says that it rests on few."""
DIFFER = 5
"""Units that must differ from what most have: the spread of a number that rests on fewer is anyone's guess."""
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
    many: str
    cluster: str


ITEMS = Units("no item has a score", "item", "items", "cluster of items")
PAIRS = Units("no pair has both labels", "pair", "pairs", "prompt")


@dataclass(frozen=True)
class Mean:
    """The mean of a column over the items that have a value."""

    column: str
    over: tuple[str, ...] = ()
    """Columns that are 1 for the items it is about; the others neither count nor are called undefined."""
    share: bool = False
    """It is a share, if its items are 0 or 1."""
    folded: ClassVar = False
    fold: ClassVar = None

    @property
    def uses(self) -> Sequence[str]:
        return (self.column,)

    def parts(self, columns: Columns) -> FloatArray:
        return np.column_stack([columns[self.column], np.ones(_size(columns))])

    def combine(self, sums: FloatArray) -> FloatArray:
        return ratio(sums)


class Fold(NamedTuple):
    """Where a number turns round, as icat does where neither stereotype nor anti-stereotype is preferred."""

    distance: Formula
    """How far the sums are from there."""
    value: Formula
    """The number if they were there."""


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
    share: bool = False
    """As for a mean."""
    folded: bool = False
    """It adds up distances from nought, as an error over bins does, in all sums but the last: chance alone makes it
    larger, and a resample has more of chance than the items."""
    fold: Fold | None = None


@dataclass(frozen=True)
class OfRows:
    """Any function of the rows, such as a calibration error; resampled row by row."""

    value: Callable[[Columns], float]
    uses: Sequence[str] = ()
    folded: bool = False
    """Chance alone makes it larger, as for sums."""
    over: ClassVar[tuple[str, ...]] = ()

    def parts(self, columns: Columns) -> FloatArray:
        """What must not be NaN."""
        return np.column_stack([np.zeros(_size(columns)), *(columns[name] for name in self.uses)])


Statistic = Mean | OfSums | OfRows


@dataclass(frozen=True)
class ShareOf:
    """A formula that is a share of what is counted."""

    counted: Formula
    """Sums (…, k) → (…, 2): of how many it is so, and how many there are; an item is one of them, or none."""

    def __call__(self, sums: FloatArray) -> FloatArray:
        return ratio(self.counted(sums))


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
    """Every statistic with its interval; items of a cluster count as one."""
    found = []
    for statistic in statistics:
        value, used = observed(statistic, columns), defined(statistic, columns)
        undefined = int((_about(statistic, columns) & ~used).sum())
        if isinstance(statistic, OfRows):
            drawn = draws([statistic], columns, clusters, resamples, seed)[:, 0]
            units = int(used.sum()) if clusters is None else len(np.unique(clusters[used]))
            spread = _spread_of_draws(centred(drawn, value) if statistic.folded else drawn, units, value)
        else:
            parts = _summed(statistic, columns)
            rows = parts if clusters is None else _by_cluster(parts, clusters)
            units = int((rows != 0).any(axis=1).sum())
            spread = _spread_of_sums(statistic, parts, rows, resamples, seed)
        found.append(_interval(value, int(used.sum()), undefined, clusters is not None, units, spread, ITEMS))
    return found


def count_intervals(
    counts: Sequence[Count],
    kinds: IntArray,
    clusters: IntArray | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[dict[str, Interval]]:
    """The numbers of each count by name, with their intervals, all from the same resamples.

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
        n = int(has.sum())
        units = n if clusters is None else len(np.unique(clusters[has]))
        numbers = {}
        for metric, formula in count.formulas.items():
            value = float(_quiet(formula, sums))
            if isinstance(formula, ShareOf):
                items = formula.counted(own)[kinds]
                spread = _share(items[has], items if clusters is None else _by_cluster(items, clusters))
            else:
                spread = _spread_of_draws(_quiet(formula, each), units, value)
            numbers[metric] = _interval(value, n, 0, clusters is not None, units, spread, PAIRS)
        found.append(numbers)
    return found


class Spread(NamedTuple):
    """An interval and the standard error behind it; without an interval, why not."""

    low: float = np.nan
    high: float = np.nan
    error: float = np.nan
    reason: str = ""
    """May name the {units} that are counted."""


def _spread_of_sums(statistic: Mean | OfSums, parts: FloatArray, rows: FloatArray, resamples: int, seed: int) -> Spread:
    """PARTS are the items', ROWS the units'."""
    items = parts[(parts != 0).any(axis=1)]
    if statistic.share and _is_share(items):
        return _share(items, rows)
    if statistic.folded:
        return _unfolded(statistic.combine, rows, resamples, seed)
    spread = _smooth(rows, statistic.combine)
    if statistic.fold and not spread.reason:
        return _at_fold(statistic.fold, float(_quiet(statistic.combine, rows.sum(axis=0))), rows, spread)
    return spread


def _smooth(rows: FloatArray, combine: Formula) -> Spread:
    """The interval of a smooth function of sums: Hall 1992, with Student's t.

    What a unit adds to the number, to first order, is its row times the gradient. The skewness of that is taken out by
    Hall's cubic transformation (Journal of the Royal Statistical Society B 54, 221), which needs no draws and holds
    near 95 % from three units on.
    """
    rows = rows[(rows != 0).any(axis=1)]
    units, sums = len(rows), rows.sum(axis=0)
    if units < 2:
        return Spread(reason="no interval from one {unit}")
    adds = rows @ _gradient(combine, rows)
    if not np.isfinite(adds).all():
        return Spread(reason="no interval: undefined where little changes")
    adds -= adds.mean()
    value, square = float(_quiet(combine, sums)), float((adds**2).sum())
    error = float(np.sqrt(units / (units - 1) * square))
    if error <= 1e-9 * abs(value) or square == 0:
        # Such an interval would claim to be certain, which nobody is who has seen n alike items.
        return Spread(reason="no interval: all {units} alike")
    alike = int(np.unique(np.round(adds / np.abs(adds).max(), 9), return_counts=True)[1].max())
    if units - alike < DIFFER and alike > units / 2:
        return Spread(reason=f"no interval: all {{units}} but {units - alike} are alike")
    skew = float((adds**3).mean()) / (square / units) ** 1.5
    if units > 2:
        skew *= float(np.sqrt(units * (units - 1))) / (units - 2)  # of a population, from its sample
    reach = student(units - 1)
    return Spread(value - error * _hall(reach, skew, units), value - error * _hall(-reach, skew, units), error)


def _hall(x: float, skew: float, units: int) -> float:
    """The studentised mean of so skewed units that Hall's transformation takes to X."""
    third = skew / 3 / float(np.sqrt(units))
    return x if abs(third) < 1e-9 else (float(np.cbrt(1 + 3 * third * (x - third / 2))) - 1) / third


def _gradient(combine: Formula, rows: FloatArray) -> FloatArray:
    """How a number changes with each of the sums that it is made of, by central differences."""
    size = 1e-4 * np.sqrt((rows**2).sum(axis=0))
    steps, sums = np.diag(np.where(size > 0, size, 1.0)), rows.sum(axis=0)
    found = (_quiet(combine, sums + steps) - _quiet(combine, sums - steps)) / (2 * steps.diagonal())
    return np.where(size > 0, found, 0.0)


def _is_share(items: FloatArray) -> bool:
    return (
        len(items) > 0 and items.shape[1] == 2 and bool((items[:, 1] == 1).all() and np.isin(items[:, 0], (0, 1)).all())
    )


def _share(items: FloatArray, rows: FloatArray) -> Spread:
    """Wilson's interval; of clusters, for as many independent items as tell as much (Kish 1965), with Student's t.

    Where items may be so in part, such as a tie that is half a win, they may tell as much as more that are so or not.
    """
    rows = rows[rows[:, 1] > 0]
    n, units, whole = len(items), len(rows), _is_share(items)
    if units < 2:
        return Spread(reason="no interval from one {unit}")
    hits, among = rows.sum(axis=0)
    share = float(hits / among)
    plain = share * (1 - share) / n
    if whole and units == n:
        return Spread(*share_interval(share, n), float(np.sqrt(plain)))
    spread = units / (units - 1) * float(((rows[:, 0] - share * rows[:, 1]) ** 2).sum()) / among**2
    if spread <= 1e-18:
        worth = float(n if whole and plain else units)
    else:
        alike = np.unique(np.round(rows[:, 0] / rows[:, 1], 9), return_counts=True)[1].max()
        most = n if whole else units if units - alike < DIFFER else np.inf
        worth = min(most, n * plain / spread) if plain else units
    return Spread(*share_interval(share, worth, student(units - 1)), float(np.sqrt(spread)))


def _at_fold(fold: Fold, value: float, rows: FloatArray, spread: Spread) -> Spread:
    """Where the items can't tell on which side of its fold a number lies, it reaches as far as it would there."""
    low, high, *_ = _smooth(rows, fold.distance)
    if not low <= 0 <= high:
        return spread
    there, ends = float(_quiet(fold.value, rows.sum(axis=0))), _smooth(rows, fold.value)
    if there >= value:
        return spread._replace(high=there if np.isnan(ends.high) else ends.high)
    return spread._replace(low=there if np.isnan(ends.low) else ends.low)


def _unfolded(combine: Formula, rows: FloatArray, resamples: int, seed: int) -> Spread:
    """The interval of a sum of distances: all sizes of them under which what was seen is no rarity.

    The distances are taken to be some multiple of those seen, nought times to twice, or as large but even, and chance
    is added as resampling shows it: the ends are the least and the largest that give the number as seen in 95 of 100
    cases.
    """
    units = int((rows != 0).any(axis=1).sum())
    if units < 2:
        return Spread(reason="no interval from one {unit}")
    sums = rows.sum(axis=0)
    value, far = float(_quiet(combine, sums)), sums[:-1]
    if value == 0:
        return Spread(reason="no interval: all {units} alike")
    noise = (_resampled(rows, None, resamples, seed) - sums) * np.sqrt(units / (units - 1))
    noise[:, -1] = 0.0
    low, high = value, value
    for pattern in (far, np.sign(far) * np.abs(far).mean()):
        for size in np.linspace(0.0, 2.0, 41):
            true = np.append(size * pattern, sums[-1])
            ends, number = percentiles(_quiet(combine, true + noise)), float(_quiet(combine, true))
            low = min(low, number) if ends and value <= ends[1] else low
            high = max(high, number) if ends and value >= ends[0] else high
    return Spread(low, high, float(_quiet(combine, sums + noise).std(ddof=1)))


def _spread_of_draws(drawn: FloatArray, units: int, value: float) -> Spread:
    ends, plain = spread(drawn, units, value), percentiles(drawn)
    if units < 2:
        return Spread(reason="no interval from one {unit}")
    if ends is None or plain is None:
        return Spread(reason="no interval: undefined in too many resamples")
    if np.isclose(plain[0], plain[1], rtol=1e-12, atol=0):
        return Spread(reason="no interval: all {units} alike")
    return Spread(*ends, float(drawn[np.isfinite(drawn)].std(ddof=1)))


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


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t (from ten degrees of freedom on by Fisher & Cornish's expansion)."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return float(Z + sum(term / freedom**power for power, term in enumerate(terms, 1)))


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
    value: float, n: int, undefined: int, clustered: bool, units: int, spread: Spread, called: Units
) -> Interval:
    if np.isnan(value):
        return Interval(None, None, None, n, undefined, called.none if n == 0 else "nothing to divide by")
    if spread.reason:
        unit = called.cluster if clustered else called.one
        return Interval(value, None, None, n, undefined, spread.reason.format(unit=unit, units=called.many))
    few = f"from {units} clusters: few" if clustered and units < FEW_CLUSTERS else None
    return Interval(value, spread.low, spread.high, n, undefined, few, spread.error)


def percentiles(drawn: FloatArray, tail: float = 0.025) -> tuple[float, float] | None:
    """The percentile interval of bootstrap draws; None where too few of them are defined."""
    finite = drawn[np.isfinite(drawn)]
    if len(finite) == 0 or len(finite) < DEFINED * len(drawn):
        return None
    low, high = np.quantile(finite, (tail, 1 - tail))
    return float(low), float(high)


def share_interval(share: float, n: float, z: float = Z) -> tuple[float, float]:
    """The 95 % interval of a share of N independent items: Wilson 1927, which holds near 0 and 1 and for few items."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return middle - reach if share > 0 else 0.0, middle + reach if share < 1 else 1.0


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


def _by_cluster(parts: FloatArray, clusters: IntArray) -> FloatArray:
    """The sums of each cluster's items."""
    units = int(clusters.max(initial=-1)) + 1
    return np.column_stack([np.bincount(clusters, weights=column, minlength=units) for column in parts.T])


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

"""Numbers with their intervals: arrays in, numbers out.

What is made of sums (a mean, a ratio) has its interval from what each item adds to it, a share has Wilson's; what is
made of ranks, and what is counted where raters meet, has it from resampled items. docs/statistics.md says what each
covers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from profiler.stats.bootstrap import RESAMPLES, centred, draws, percentiles, resampled, spread
from profiler.stats.share import DIFFER, Spread, is_share, share_spread, student
from profiler.stats.statistic import (
    Columns,
    Count,
    FloatArray,
    Fold,
    Formula,
    IntArray,
    Mean,
    OfRows,
    OfSums,
    ShareOf,
    Statistic,
    about,
    any_of_row,
    by_cluster,
    defined,
    observed,
    quiet,
    ratio,
    summed,
)

FEW_CLUSTERS = 20
"""Below, an interval says that it rests on few."""
FEW = 0.125
"""Items may be drawn by kind where there are fewer kinds than this share of the items."""


class Units(NamedTuple):
    """What the things are called that are resampled, where a reason is given for a number that is missing."""

    none: str
    one: str
    many: str
    cluster: str
    lacks: str = "nothing to divide by"


ITEMS = Units("no item has a score", "item", "items", "cluster of items")
PAIRS = Units("no pair has both labels", "pair", "pairs", "prompt")


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
        undefined = int((about(statistic, columns) & ~used).sum())
        if isinstance(statistic, OfRows):
            drawn = draws([statistic], columns, clusters, resamples, seed)[:, 0]
            units = int(used.sum()) if clusters is None else len(np.unique(clusters[used]))
            spread = _spread_of_draws(centred(drawn, value) if statistic.folded else drawn, units, value)
        else:
            plain = (statistic.plain if isinstance(statistic, OfSums) else None) or statistic
            parts = summed(plain, columns)
            rows = parts if clusters is None else by_cluster(parts, clusters)
            units = int(any_of_row(rows != 0).sum())
            spread = _spread_of_sums(plain, parts, rows, resamples, seed)
            if plain is not statistic:
                spread = spread._replace(low=min(spread.low, value), high=max(spread.high, value), mark="")
        called = ITEMS._replace(lacks=statistic.lacks) if isinstance(statistic, OfSums) else ITEMS
        found.append(_interval(value, int(used.sum()), undefined, clusters is not None, units, spread, called))
    return found


def change_of_shares(
    statistic: Statistic,
    sides: tuple[Columns, Columns],
    drawn: tuple[FloatArray, FloatArray],
    clusters: IntArray | None,
) -> tuple[float, float] | None:
    """The 95 % interval of how a share differs between two SIDES of the same items; None for other numbers.

    Newcombe 1998, method 10 (Statistics in Medicine 17, 2635): from Wilson's intervals of both, and from how far the
    two go together, which resamples DRAWN of both tell.
    """
    if not _is_of_share(statistic, sides):
        return None
    (base, b_low, b_high), (other, o_low, o_high) = (intervals([statistic], side, clusters)[0][:3] for side in sides)
    if base is None or other is None or b_low is None or o_low is None or b_high is None or o_high is None:
        return None
    error = [float(np.nanstd(each)) for each in drawn]
    known = np.isfinite(drawn[0] + drawn[1])
    together = float(np.corrcoef(drawn[0][known], drawn[1][known])[0, 1]) if min(error) > 0 and known.any() else 0.0

    def reach(one: float, two: float) -> float:
        return float(np.sqrt(max(one**2 - 2 * together * one * two + two**2, 0.0)))

    change = other - base
    return change - reach(other - o_low, b_high - base), change + reach(o_high - other, base - b_low)


def _is_of_share(statistic: Statistic, sides: tuple[Columns, Columns]) -> bool:
    if isinstance(statistic, Mean):
        return statistic.whole > 0 and all(is_share(summed(statistic, side), statistic.whole) for side in sides)
    return isinstance(statistic, OfSums) and isinstance(statistic.combine, ShareOf)


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
        drawn = resampled(parts[kinds], clusters, resamples, seed)
    ends = np.cumsum([count.parts.shape[1] for count in counts])[:-1]
    found = []
    for count, own, each in zip(counts, np.split(parts, ends, axis=1), np.split(drawn, ends, axis=1), strict=True):
        has, sums = any_of_row(own != 0)[kinds], often @ own
        n = int(has.sum())
        units = n if clusters is None else len(np.unique(clusters[has]))
        numbers = {}
        for metric, formula in count.formulas.items():
            value = float(quiet(formula, sums))
            if isinstance(formula, ShareOf):
                items = formula.counted(own)[kinds]
                spread = share_spread(items, items if clusters is None else by_cluster(items, clusters))
            else:
                spread = _spread_of_draws(quiet(formula, each), units, value)
            numbers[metric] = _interval(value, n, 0, clusters is not None, units, spread, PAIRS)
        found.append(numbers)
    return found


def _spread_of_sums(statistic: Mean | OfSums, parts: FloatArray, rows: FloatArray, resamples: int, seed: int) -> Spread:
    """PARTS are the items', ROWS the units'."""
    if isinstance(statistic, OfSums) and isinstance(statistic.combine, ShareOf):
        counted, whole = statistic.combine.counted, statistic.combine.whole
        return share_spread(counted(parts), counted(rows), whole)
    if isinstance(statistic, Mean) and statistic.whole and is_share(parts, statistic.whole):
        return share_spread(parts / [statistic.whole, 1], rows / [statistic.whole, 1], statistic.whole)
    if statistic.folded:
        return _unfolded(statistic.combine, rows, resamples, seed)
    spread = _smooth(rows, statistic.combine)
    if isinstance(statistic, Mean):
        spread = spread._replace(low=max(spread.low, statistic.least), high=min(spread.high, statistic.whole or np.inf))
    if statistic.fold and not spread.reason:
        return _at_fold(statistic.fold, float(quiet(statistic.combine, rows.sum(axis=0))), rows, spread)
    return spread


def _smooth(rows: FloatArray, combine: Formula) -> Spread:
    """The interval of a smooth function of sums: Hall 1992, with Student's t.

    What a unit adds to the number, to first order, is its row times the gradient. The skewness of that is taken out by
    Hall's cubic transformation (Journal of the Royal Statistical Society B 54, 221), which needs no draws and holds
    near 95 % from three units on.
    """
    rows = rows[any_of_row(rows != 0)]
    units, sums = len(rows), rows.sum(axis=0)
    if units < 2:
        return Spread(reason="no interval from one {unit}")
    adds = rows @ _gradient(combine, rows)
    if not np.isfinite(adds).all():
        return Spread(reason="no interval: undefined where little changes")
    adds -= adds.mean()
    value, square = float(quiet(combine, sums)), float((adds**2).sum())
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
    found = (quiet(combine, sums + steps) - quiet(combine, sums - steps)) / (2 * steps.diagonal())
    return np.where(size > 0, found, 0.0)


def _at_fold(fold: Fold, value: float, rows: FloatArray, spread: Spread) -> Spread:
    """Where the items can't tell on which side of its fold a number lies, it reaches as far as it would there."""
    low, high, *_ = _smooth(rows, fold.distance)
    if not low <= 0 <= high:
        return spread
    there, ends = float(quiet(fold.value, rows.sum(axis=0))), _smooth(rows, fold.value)
    if there >= value:
        return spread._replace(high=there if np.isnan(ends.high) else ends.high)
    return spread._replace(low=there if np.isnan(ends.low) else ends.low)


def _unfolded(combine: Formula, rows: FloatArray, resamples: int, seed: int) -> Spread:
    """The interval of a sum of distances: all sizes of them under which what was seen is no rarity.

    The distances are taken to be some multiple of those seen, nought times to twice, or as large but even, and chance
    is added as resampling shows it: the ends are the least and the largest that give the number as seen in 95 of 100
    cases.
    """
    units = int(any_of_row(rows != 0).sum())
    if units < 2:
        return Spread(reason="no interval from one {unit}")
    sums = rows.sum(axis=0)
    value, far = float(quiet(combine, sums)), sums[:-1]
    if value == 0:
        return Spread(reason="no interval: all {units} alike")
    if len(far) == 1:  # a number without its sign: whatever has a sign within the interval
        signed = _smooth(rows, ratio)
        low, high = signed.low, signed.high
        return signed._replace(low=max(low, -high, 0.0), high=min(max(-low, high), 1.0))
    noise = (resampled(rows, None, resamples, seed) - sums) * np.sqrt(units / (units - 1))
    noise[:, -1] = 0.0
    low, high = value, value
    by_chance = float(quiet(combine, noise + np.append(np.zeros_like(far), sums[-1])).mean())
    for pattern in (far, np.sign(far) * np.abs(far).mean()):
        for size in np.linspace(0.0, 2.0, 41):
            true = np.append(size * pattern, sums[-1])
            ends, number = percentiles(quiet(combine, true + noise)), float(quiet(combine, true))
            low = min(low, number) if ends and value <= ends[1] else low
            high = max(high, number) if ends and value >= ends[0] else high
    mark = f"noisy: chance alone makes about {by_chance:.2g}" if by_chance > value / 2 else ""
    return Spread(low, min(high, 1.0), float(quiet(combine, sums + noise).std(ddof=1)), mark=mark)


def _spread_of_draws(drawn: FloatArray, units: int, value: float) -> Spread:
    ends, plain = spread(drawn, units, value), percentiles(drawn)
    if units < 2:
        return Spread(reason="no interval from one {unit}")
    if ends is None or plain is None:
        return Spread(reason="no interval: undefined in too many resamples")
    if np.isclose(plain[0], plain[1], rtol=1e-12, atol=0):
        return Spread(reason="no interval: all {units} alike")
    return Spread(*ends, float(drawn[np.isfinite(drawn)].std(ddof=1)))


def _interval(
    value: float, n: int, undefined: int, clustered: bool, units: int, spread: Spread, called: Units
) -> Interval:
    if np.isnan(value):
        return Interval(None, None, None, n, undefined, called.none if n == 0 else called.lacks)
    if spread.reason:
        unit = called.cluster if clustered else called.one
        return Interval(value, None, None, n, undefined, spread.reason.format(unit=unit, units=called.many))
    few = f"from {units} clusters: few" if clustered and units < FEW_CLUSTERS else ""
    mark = "; ".join(each for each in (few, spread.mark) if each)
    return Interval(value, spread.low, spread.high, n, undefined, mark or None, spread.error)

"""One run held against another: what changed, and how surely."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from profiler import probes
from profiler.errors import NotComparable
from profiler.metrics import Metric
from profiler.records import Change, Comparison, Estimate, Ideal, Profile, Verdict
from profiler.runs import estimates
from profiler.runs.comparability import differences, refusals, sections
from profiler.runs.sample_store import Run, SampleColumns, or_none
from profiler.stats import (
    RESAMPLES,
    FloatArray,
    Mean,
    adjusted,
    change_of_shares,
    defined,
    draws,
    observed,
    percentiles,
    spread,
)

ALPHA = 0.05
FEW = 6
"""Of fewer items, all moving the same way happens by chance more often than 1 time in 20, like coins."""
OVERLAP = 0.5
"""Of the smaller side's items, the share that the other side must have answered as well."""
FAR = 5
"""Standard errors that a base must be from zero for a percentage of it to mean something."""

BOTH = "both sides' "
"""Before the name of a column that is cut to the items which have a value on both sides."""

Find = Callable[[str, str], Metric | None]


class PairedColumns(NamedTuple):
    """The same items on both sides, in the same order."""

    base: SampleColumns
    other: SampleColumns

    def of(self, group: str | None) -> PairedColumns:
        """The items of a group, as the base has it; all of them for None."""
        rows = [row for row, name in enumerate(self.base.groups) if group in (None, name)]
        return PairedColumns(self.base.take(rows), self.other.take(rows))


@dataclass(frozen=True)
class PairedChange:
    """One number on both sides, with its paired bootstrap draws."""

    estimate: Estimate
    """The base's own, which names it."""
    ideal: Ideal
    base: float
    other: float
    drawn: tuple[FloatArray, FloatArray]
    n: int
    units: int
    """Items, or clusters of them."""
    reason: str | None = None
    """Why there is no verdict."""
    ends: tuple[float, float] | None = None
    """The interval of a share's change; other numbers have that of their draws."""

    @property
    def change(self) -> float:
        return float(_without_rounding(np.array(self.other - self.base), np.array(self.base)))

    @property
    def deltas(self) -> FloatArray:
        base, other = self.drawn
        return _without_rounding(other - base, base)

    def nearer(self, value: float) -> tuple[float, float] | None:
        """The interval of how much nearer to VALUE the number is than it was."""
        base, other = self.drawn
        return percentiles(np.abs(base - value) - np.abs(other - value))


def compare(base: Run, other: Run, resamples: int = RESAMPLES, seed: int = 0, find: Find | None = None) -> Comparison:
    """What moved from BASE to OTHER, item by item.

    Verdicts hold for all numbers over all items together: the chance that any of them is called changed when nothing
    has is 5 %. The numbers of groups are a second family, so that looking into groups makes nothing less sure.
    """
    refused = refusals(base.profile, other.profile)
    asked, theirs = sections(base.profile), sections(other.profile)
    shifts: list[PairedChange] = []
    notes: list[str] = []
    for probe in asked:
        if probe in refused:
            continue
        left, right = asked[probe], theirs[probe]
        pair = paired(base.columns(probe), other.columns(probe))
        both = len(pair.base.items)
        answered = f"answered on both sides (of {left.items} and {right.items})"
        if both == 0 or both < OVERLAP * min(left.items - left.errors, right.items - right.errors):
            refused[probe] = f"only {both} items were {answered}"
            continue
        if not both == left.items == right.items:
            notes.append(f"{probe}: compared on the {both} items {answered}")
        shifts += _shifts(base.profile, other.profile, pair, probe, find or registered, resamples, seed)
    if not shifts:
        why = "\n".join(f"  {probe}: {reason}" for probe, reason in refused.items()) or "  no probe was asked"
        names = f"{base.profile.name!r} and {other.profile.name!r}"
        raise NotComparable(f"{names} have nothing that can be compared:\n{why}")
    return Comparison(
        base=base.profile.id,
        other=other.profile.id,
        base_name=base.profile.name,
        other_name=other.profile.name,
        changes=tuple(_judged(shifts)),
        suites={probe: part.suite for probe, part in asked.items() if probe not in refused},
        differs=(*differences(base.profile, other.profile), *notes),
        refused=refused,
        resamples=resamples,
        seed=seed,
    )


def registered(probe: str, metric: str) -> Metric | None:
    """The metric that goes by this name; None where a stored profile's metric no longer exists."""
    known = probes.every().get(probe)
    return known.metric(metric) if known else None


def verdict(shift: PairedChange, p: float) -> Verdict:
    """The one place where better and worse are told apart."""
    ideal = shift.ideal
    if p >= ALPHA:
        return "same"
    if ideal is None:
        return "moved"
    if isinstance(ideal, float | int):
        # From +10 to -10 is a change, but neither nearer to 0 nor further from it.
        ends = shift.nearer(ideal)
        if ends is None or ends[0] <= 0 <= ends[1]:
            return "moved"
        return "better" if ends[0] > 0 else "worse"
    return "better" if (shift.change > 0) == (ideal == "high") else "worse"


def nearer(base: Run, other: Run, probe: str, name: str, value: float) -> tuple[float, float] | None:
    """The 95 % interval of how much nearer to VALUE a number is in OTHER than in BASE; None where it can't be told."""
    metric, wanted = registered(probe, name), (probe, name, None)
    known = [(e, metric) for e in base.profile.estimates if metric and (e.probe, e.metric, e.group) == wanted]
    pair = paired(base.columns(probe), other.columns(probe))
    found = _measured(known, pair, RESAMPLES, estimates.seed(probe))
    return next((shift.nearer(value) for shift in found), None)


def paired(base: SampleColumns, other: SampleColumns) -> PairedColumns:
    """The items that both sides answered, matched by key."""
    where = {item: row for row, item in enumerate(other.items)}
    kept = [row for row, item in enumerate(base.items) if item in where]
    return PairedColumns(base.take(kept), other.take([where[base.items[row]] for row in kept]))


def _shifts(
    base: Profile, other: Profile, pair: PairedColumns, probe: str, find: Find, resamples: int, seed: int
) -> Iterator[PairedChange]:
    """Each number of a probe that the base has: over all items, then in each group."""
    numbers = [estimate for estimate in base.estimates if estimate.probe == probe]
    missing = _missing(base, other, pair, probe, find)
    nothing = np.full(resamples, np.nan)
    for group in dict.fromkeys(estimate.group for estimate in numbers):
        wanted = [estimate for estimate in numbers if estimate.group == group]
        known = [(e, metric) for e in wanted if e.metric not in missing and (metric := find(probe, e.metric))]
        yield from _measured(known, pair.of(group), resamples, estimates.seed(probe) + seed)
        for estimate in wanted:
            if why := missing.get(estimate.metric):
                yield PairedChange(estimate, None, np.nan, np.nan, (nothing, nothing), 0, 0, why)


def _measured(
    known: Sequence[tuple[Estimate, Metric]], pair: PairedColumns, resamples: int, seed: int
) -> Iterator[PairedChange]:
    """Both sides of some numbers of the same items, resampled alike."""
    which = estimates.clusters(pair.base)
    plain = [metric.reduction() for _, metric in known]
    # A mean would seem to change because other items have a value: SMOG, say, when answers get longer.
    means = {statistic.column for statistic in plain if isinstance(statistic, Mean)}
    gone = {name: np.isnan(pair.base.columns[name]) | np.isnan(pair.other.columns[name]) for name in means}
    one, two = (
        side.columns | {BOTH + name: np.where(gone[name], np.nan, side.columns[name]) for name in means}
        for side in pair
    )
    sides = one, two
    statistics = [replace(each, column=BOTH + each.column) if isinstance(each, Mean) else each for each in plain]
    base, other = (draws(statistics, side, which, resamples, seed) for side in sides)
    for i, (estimate, metric) in enumerate(known):
        used = defined(statistics[i], sides[0]) & defined(statistics[i], sides[1])
        n = int(used.sum())
        yield PairedChange(
            estimate=estimate,
            ideal=metric.ideal,
            base=observed(statistics[i], sides[0]),
            other=observed(statistics[i], sides[1]),
            drawn=(base[:, i], other[:, i]),
            n=n,
            units=n if which is None else len(np.unique(which[used])),
            ends=change_of_shares(statistics[i], sides, (base[:, i], other[:, i]), which),
        )


def _missing(base: Profile, other: Profile, pair: PairedColumns, probe: str, find: Find) -> dict[str, str]:
    """Metric → why it can't be compared although its probe can."""
    left, right = sections(base)[probe], sections(other)[probe]
    theirs = {estimate.metric for estimate in other.estimates if estimate.probe == probe}
    found = {}
    for name in {estimate.metric: None for estimate in base.estimates if estimate.probe == probe}:
        made = [side.scorers.get(name, "") for side in (left, right)]
        metric = find(probe, name)
        if name not in theirs:
            found[name] = "only the base has it"
        elif made[0] != made[1]:
            found[name] = f"made by {made[0] or 'unknown'} and by {made[1] or 'unknown'}: two different metrics"
        elif metric is None:
            found[name] = "this version of inherit no longer knows it"
        elif not all(column in side.columns for side in pair for column in metric.reduction().uses):
            found[name] = "its scores were not stored"
    return found


def _judged(shifts: Sequence[PairedChange]) -> Iterator[Change]:
    for whole in (True, False):
        if family := [shift for shift in shifts if (shift.estimate.group is None) == whole]:
            units = np.array([float(shift.units) for shift in family])
            changes = np.array([shift.change for shift in family])
            p = adjusted(np.column_stack([shift.deltas for shift in family]), changes, units)
            yield from (_change(shift, chance) for shift, chance in zip(family, p.tolist(), strict=True))


def _change(shift: PairedChange, p: float) -> Change:
    reason = shift.reason
    if reason is None and np.isnan(shift.change):
        reason = "no item has a value on both sides" if shift.n == 0 else "undefined on one side"
    found = shift.ends or spread(shift.deltas, shift.units, shift.change)
    low, high = found or (None, None)
    percent, percent_low, percent_high = _percent(shift, found is not None)
    few = reason is None and shift.units < FEW
    if few:
        reason = f"too few items for a verdict ({shift.units})"
    return Change(
        probe=shift.estimate.probe,
        metric=shift.estimate.metric,
        group=shift.estimate.group,
        base=or_none(shift.base),
        other=or_none(shift.other),
        absolute=or_none(shift.change),
        low=low,
        high=high,
        percent=percent,
        percent_low=percent_low,
        percent_high=percent_high,
        p=None if few else or_none(p),
        n=shift.n,
        verdict=None if reason else verdict(shift, p),
        reason=reason,
    )


def _percent(shift: PairedChange, with_interval: bool) -> tuple[float | None, float | None, float | None]:
    """Percent change with its interval; None where the base is too near zero, or where another number is the aim."""
    base, _ = shift.drawn
    aims = isinstance(shift.ideal, float | int)
    if aims or np.isnan(shift.change) or shift.base == 0 or abs(shift.base) <= FAR * np.nanstd(base):
        return None, None, None
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample's base may be 0: it has no percentage
        shares = 100 * shift.deltas / np.abs(base)
    percent = 100 * shift.change / abs(shift.base)
    ends = spread(shares, shift.units, percent) if with_interval else None
    return percent, *(ends or (None, None))


def _without_rounding(delta: FloatArray, base: FloatArray) -> FloatArray:
    """The last bit of a floating sum is not a change."""
    return np.where(np.abs(delta) <= 1e-12 * np.abs(base), 0.0, delta)
